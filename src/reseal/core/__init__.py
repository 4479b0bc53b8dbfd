"""Decisions, without I/O: pure functions over frozen values. Time, keys and random bytes are arguments."""
