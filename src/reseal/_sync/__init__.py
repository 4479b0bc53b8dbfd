# Generated from src/reseal/_async/__init__.py by tools/unasync.py; edit that file instead.
"""All that waits, written by hand in this colour; the sync colour is generated from it."""
