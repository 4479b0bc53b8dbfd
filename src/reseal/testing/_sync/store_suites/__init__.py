# Generated from src/reseal/testing/_async/store_suites/__init__.py by tools/unasync.py; edit that file instead.
"""The promises of a store, a module for each group."""
