"""What only real accounts can show; see docs/live-checks.md."""
