"""The operations of the interface: fields read in the order of its text, then an outcome. Each takes a ``Call``."""
