"""All that waits, written by hand in this colour; the sync colour is generated from it."""
