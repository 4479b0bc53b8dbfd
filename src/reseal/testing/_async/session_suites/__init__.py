"""The promises of sessions, a module for each group."""
