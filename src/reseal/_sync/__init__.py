# Generated from src/reseal/_async/__init__.py by tools/unasync.py; edit that file instead.
"""All code that waits, written by hand as async code; the sync code is generated from it."""
