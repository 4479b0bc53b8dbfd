# Generated from src/reseal/testing/_async/session_suites/__init__.py by tools/unasync.py; edit that file instead.
"""The promises of sessions, a module for each group."""
