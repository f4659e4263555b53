"""Telling people and programs outside: the port, web hooks, e-mail, and the twin in memory."""
