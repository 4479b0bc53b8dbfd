"""The HTTP of the service: a connection, the exchanges on it, and the messages of an exchange."""
