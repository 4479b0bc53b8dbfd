"""What decides and never waits: pure functions over frozen values. The time, keys and random bytes are arguments."""
