"""The example application: a home feed whose sessions can be watched while they work."""
