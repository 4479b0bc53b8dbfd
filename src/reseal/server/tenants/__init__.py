"""The apps and tenants of a service: their rows, their removal, and the directory that answers for them."""
