# Generated from src/reseal/testing/_async/__init__.py by tools/unasync.py; edit that file instead.
