"""What can be rebuilt at any time: the port, Redis, and its in-memory twin."""
