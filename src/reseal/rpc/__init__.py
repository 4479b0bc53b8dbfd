"""The calls between ``Remote`` and the service: their names, arguments and failures, and the list of hosts."""
