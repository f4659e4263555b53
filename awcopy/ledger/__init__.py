"""What is true about jobs: the port, Azure Storage, and its in-memory twin."""
