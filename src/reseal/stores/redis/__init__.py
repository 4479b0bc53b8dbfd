"""What the Redis and Valkey stores of both colours share: addresses, the names of keys, values, and one script."""
