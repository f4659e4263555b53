"""The dashboard and its JSON."""
