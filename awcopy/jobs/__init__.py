"""What a user does with jobs: submit, control, look."""
