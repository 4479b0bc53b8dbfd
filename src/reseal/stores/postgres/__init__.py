"""PostgreSQL: queries and schema steps."""

from typing import Final

from reseal.stores import rows
from reseal.stores.sql_files import queries

_FRAGMENTS: Final = rows.fragments("s", "%({})s")
QUERIES: Final = queries("postgres", _FRAGMENTS | {"wall": "wall"})
CLOCKED_QUERIES: Final = queries("postgres", _FRAGMENTS | {"wall": "%(clock)s::bigint"})
"""The same for tests: a parameter takes the place of the server's clock."""
