"""The promises of a store, a module for each group."""
