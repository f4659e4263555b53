"""Where objects come from: the port, Amazon S3, and its in-memory twin."""
