"""The HTTP contract of the core-driver interface, said once: versions, paths, inputs, replies. Pure."""
