"""The awcopy command: one file per command."""
