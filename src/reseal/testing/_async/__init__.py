"""The async suites and test doubles; the sync ones are generated from them."""
