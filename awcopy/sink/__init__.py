"""Where blobs go: the port, Azure Blob Storage, and its in-memory twin."""
