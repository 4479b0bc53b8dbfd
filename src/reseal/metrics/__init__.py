"""Counts of what happens to sessions, and their text for Prometheus. Pure: no I/O, and the time is an argument."""
