"""One connection to MariaDB or MySQL, by the driver. Written by hand for async and sync, whose drivers differ."""

from __future__ import annotations

import asyncio
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


class AsyncWire:
    """A connection, of which each statement is waited for only so long.

    Whatever the driver raises becomes ``ServerError``. After one that is not the server's answer, and after a
    cancellation, the connection is closed: what is still under way there would answer the next statement.
    """

    def __init__(self, connection: Any, patience: float) -> None:
        self._connection = connection
        self._patience = patience

    @classmethod
    async def connect(cls, address: Address, host: tuple[str, int], connect_s: float, patience: float) -> AsyncWire:
        """Connect to one of the hosts. Raises ``ConfigurationError`` if the driver is not installed."""
        try:
            make = _abrupt_connection()
        except ImportError as error:
            raise unusable('MariaDB and MySQL need their drivers: pip install "reseal[mariadb]"') from error
        try:
            async with asyncio.timeout(left(connect_s)):
                connection: Any = make(
                    host=host[0],
                    port=host[1],
                    unix_socket=address.socket,
                    user=address.user,
                    password=address.password.reveal().decode(),
                    database=address.database,
                    charset="utf8mb4",
                    ssl=address.tls[host],
                    auth_plugin_map={} if address.may_send_clear_text(host) else NO_CLEAR_TEXT,
                    autocommit=True,
                    client_flag=_FOUND_ROWS,
                    connect_timeout=max(1, round(connect_s)),
                )
                await connection.connect()
        except Exception as error:
            raise wrapped(error) from error
        return cls(connection, patience)

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it; asks nobody."""
        return bool(self._connection.connected) and not self._connection._stream_broken  # noqa: SLF001 - not public

    async def query(self, statement: str) -> Result:
        """Run a statement."""
        patience, is_at_rest = left(self._patience), False
        try:
            async with asyncio.timeout(patience):
                cursor = self._connection.cursor()
                await cursor.execute(statement)
                rows = _NO_ROWS if cursor.description is None else list(await cursor.fetchall())
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
        self._connection.close()


@cache
def _abrupt_connection() -> Any:
    """Make the driver's connection one that does not wait for a farewell in TLS, also where it closes itself."""
    from asyncmy.connection import Connection  # noqa: PLC0415 - an optional driver

    class AbruptConnection(Connection):
        _transport: Any

        def close(self) -> None:
            if self._transport is not None:
                self._transport.abort()
            super().close()

    return AbruptConnection
