"""The demo: real servers started here, sample objects, and the run that proves the copy.

Owns what ``awcopy demo`` and the tests start on this host. Does not copy anything itself.
"""
