# Generated from src/reseal/testing/_async/__init__.py by tools/unasync.py; edit that file instead.
"""The suites and doubles, in the colour that waits with ``await``; the other one is generated."""
