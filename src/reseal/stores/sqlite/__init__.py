"""SQLite: queries and schema steps, and the threads that own a connection to the file."""

from typing import Final

from reseal.stores import rows
from reseal.stores.sql_files import queries

QUERIES: Final = queries("sqlite", rows.fragments("session", ":{}"))
