"""The dialect of SuperTokens with a store: its sessions, keys and records, beneath the operations."""
