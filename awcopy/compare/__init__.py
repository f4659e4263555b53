"""Comparing a source with a sink: what is the same, what differs, what is on one side only."""
