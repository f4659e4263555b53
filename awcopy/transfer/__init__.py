"""How the bytes of one object get from a source to a sink, proved."""
