"""Pure decisions: what to copy, under which name, in which blocks and work items."""
