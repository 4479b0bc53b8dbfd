"""The core-driver interface over the engine: its operations, and the sessions, keys and records behind them."""
