"""One connection to MariaDB or MySQL, by the driver. Written by hand for async and sync, whose drivers differ."""

from __future__ import annotations

import math
import selectors
import time
from contextlib import suppress
from functools import cache
from typing import Any, Final

from reseal.stores.deadlines import left
from reseal.stores.mariadb.address import Address, unusable
from reseal.stores.mariadb.errors import NO_CLEAR_TEXT, wrapped

Result = tuple[list[tuple[Any, ...]], int]
"""The rows, and how many were found or written."""
_FOUND_ROWS: Final = 2
"""A flag of the protocol: rows that are written as they were count too."""
_NO_ROWS: Final[list[tuple[Any, ...]]] = []


class Wire:
    """A connection, of which each statement is waited for only so long.

    Whatever the driver raises becomes ``ServerError``. After one that is not the server's answer, and after an
    interruption, the connection is closed: what is still under way there would answer the next statement.
    """

    def __init__(self, connection: Any, patience: float) -> None:
        self._connection = connection
        self._patience = patience

    @classmethod
    def connect(cls, address: Address, host: tuple[str, int], connect_s: float, patience: float) -> Wire:
        """Connect to one of the hosts. Raises ``ConfigurationError`` if the driver is not installed."""
        try:
            make = _bounded_connection()
        except ImportError as error:
            raise unusable('MariaDB and MySQL need their drivers: pip install "reseal[mariadb]"') from error
        seconds = left(connect_s)
        try:
            connection: Any = make(
                host=host[0],
                port=host[1],
                unix_socket=address.socket,
                user=address.user,
                password=address.password.reveal(),
                database=address.database,
                charset="utf8mb4",
                ssl=address.tls[host],
                ssl_disabled=address.tls[host] is None,
                auth_plugin_map={} if address.may_send_clear_text(host) else NO_CLEAR_TEXT,
                autocommit=True,
                client_flag=_FOUND_ROWS,
                connect_timeout=max(1, round(seconds)),
                defer_connect=True,
            )
            connection.wait_for(seconds)
            connection.connect()
        except Exception as error:
            raise wrapped(error) from error
        return cls(connection, patience)

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it; asks nobody."""
        if not self._connection.open:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection._sock, selectors.EVENT_READ)  # noqa: SLF001 - not public
            return not selector.select(0)  # nothing is due from the server but its farewell

    def query(self, statement: str) -> Result:
        """Run a statement."""
        patience, is_at_rest = left(self._patience), False
        try:
            self._connection.wait_for(patience)
            cursor = self._connection.cursor()
            cursor.execute(statement)
            rows = _NO_ROWS if cursor.description is None else list(cursor.fetchall())
            is_at_rest = True
        except Exception as error:
            problem = wrapped(error)
            is_at_rest = problem.is_of_the_server
            raise problem from error
        finally:
            if not is_at_rest:
                self.close()
        return rows, cursor.rowcount

    def close(self) -> None:
        """Close it at once."""
        with suppress(Exception):
            self._connection._force_close()  # noqa: SLF001 - without a farewell, for which it would wait


@cache
def _bounded_connection() -> Any:
    """Make the driver's connection one whose time is for all of a statement, not for each piece of an answer."""
    from pymysql.connections import Connection  # noqa: PLC0415 - an optional driver

    class BoundedConnection(Connection):  # type: ignore[misc]  # the driver has no types
        _end = math.inf
        _current_timeout: float | None = None

        def wait_for(self, seconds: float) -> None:
            """Give what comes next so many seconds."""
            self._end = time.monotonic() + seconds

        @property
        def _read_timeout(self) -> float:
            """Seconds that are left: whole ones, so that the driver need not tell the socket each time."""
            seconds = self._end - time.monotonic()
            return max(0.001, seconds if seconds < 1 else math.floor(seconds))

        @_read_timeout.setter
        def _read_timeout(self, _: object) -> None:
            """The driver's own setting is of no use."""

        _write_timeout = _read_timeout

        def _read_bytes(self, num_bytes: int) -> bytes:
            """Read a part of a packet, which may come in pieces."""
            read = b""
            while len(read) < num_bytes:
                if self._current_timeout != (seconds := self._read_timeout):
                    self._sock.settimeout(seconds)
                    self._current_timeout = seconds
                piece = self._rfile.read1(num_bytes - len(read))
                if not piece:
                    raise ConnectionResetError
                read += piece
            return read

    return BoundedConnection
