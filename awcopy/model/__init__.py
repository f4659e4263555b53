"""Plain frozen records of a job and its parts; nothing here reads, writes or decides."""
