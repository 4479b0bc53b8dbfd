"""All code that waits, written by hand as async code; the sync code is generated from it."""
