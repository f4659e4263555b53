"""Sealing of credentials, so that only the fleet can open them."""
