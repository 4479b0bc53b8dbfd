# Generated from src/reseal/testing/_async/__init__.py by tools/unasync.py; edit that file instead.
"""The async suites and test doubles; the sync ones are generated from them."""
