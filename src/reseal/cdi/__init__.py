"""The HTTP contract of the core-driver interface: versions, paths, inputs, replies. Pure."""
