"""The core service: one process, one configuration, for the backend SDKs of every language."""
