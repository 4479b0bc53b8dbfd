"""SQLite: queries and schema steps, and the threads that own a connection to the file."""
