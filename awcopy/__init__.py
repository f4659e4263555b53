"""awcopy copies objects from Amazon S3 to Azure Blob Storage, in bulk, and proves what it copied."""

__version__ = "0.1.0"
