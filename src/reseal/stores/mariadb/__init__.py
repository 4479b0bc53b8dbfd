"""MariaDB and MySQL: queries and schema steps."""

from typing import Final

from reseal.stores import rows
from reseal.stores.sql_files import queries

_NAMES: Final = ("handle", "user_id")
"""The columns of a session that are kept as bytes, and are text."""
_ROTATED: Final = {
    "expires_at": "LEAST(%(now)s + w.idle_ms, COALESCE(s.absolute_expires_at, %(now)s + w.idle_ms))",
    "generation": "s.generation + 1",
    "previous_hash": "s.current_hash",
    "current_hash": "w.successor_hash",
    "successor_sealed": "w.successor_sealed",
    "rotated_at": "%(now)s",
    "confirmed_at": "NULL",
    "attempt_hash": "w.attempt_hash",
    "replayed": "(s.replayed << 1) & 4294967295",
    "collided": "(s.collided << 1) & 4294967295",
    "estranged": "(s.estranged << 1) & 4294967295",
    "ip": "CONVERT(w.ip USING utf8mb4)",
    "user_agent": "CONVERT(w.user_agent USING utf8mb4)",
    "last_seen_at": "%(now)s",
    "version": "s.version + 1",
}
"""What a rotation writes. The server assigns in this order, and reads what it has assigned."""


def _read(column: str) -> str:
    return f"CONVERT(s.{column} USING utf8mb4)" if column in _NAMES else f"s.{column}"


_FRAGMENTS: Final = rows.fragments("s", "%({})s") | {
    "s.columns": ", ".join(map(_read, rows.COLUMNS)),
    "rotation": ", ".join(f"s.{column} = {value}" for column, value in _ROTATED.items()),
}
QUERIES: Final = queries("mariadb", _FRAGMENTS | {"wall": "CAST(FLOOR(UNIX_TIMESTAMP(NOW(6)) * 1000) AS SIGNED)"})
CLOCKED_QUERIES: Final = queries("mariadb", _FRAGMENTS | {"wall": "%(clock)s"})
"""The same for tests: a parameter takes the place of the server's clock."""
