"""What one task does: the steps of a job, free of Celery."""
