"""One connection to MariaDB or MySQL, by the driver. Written by hand for async and sync, whose drivers differ."""

from __future__ import annotations

import selectors
from contextlib import suppress
from typing import Any, Final

from reseal.stores.mariadb.address import Address, unusable
from reseal.stores.mariadb.errors import wrapped

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

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, address: Address, host: tuple[str, int], connect_s: float, patience: float) -> Wire:
        """Connect to one of the hosts. Raises ``ConfigurationError`` if the driver is not installed."""
        try:
            import pymysql  # noqa: PLC0415 - an optional driver
        except ImportError as error:
            raise unusable('MariaDB and MySQL need their drivers: pip install "reseal[mariadb]"') from error
        try:
            connection: Any = pymysql.connect(
                host=host[0],
                port=host[1],
                unix_socket=address.socket,
                user=address.user,
                password=address.password.reveal(),
                database=address.database,
                charset="utf8mb4",
                ssl=address.tls[host],
                ssl_disabled=address.tls[host] is None,
                autocommit=True,
                client_flag=_FOUND_ROWS,
                connect_timeout=max(1, round(connect_s)),
                read_timeout=connect_s,
                write_timeout=connect_s,
            )
            connection._read_timeout = connection._write_timeout = patience  # noqa: SLF001 - not public
        except Exception as error:
            raise wrapped(error) from error
        return cls(connection)

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
        is_at_rest = False
        try:
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
