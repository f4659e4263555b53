"""The Celery fleet: a message becomes a step, a step's answer becomes messages."""
