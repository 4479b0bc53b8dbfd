# Generated from src/reseal/_async/stores/mariadb.py by tools/unasync.py; edit that file instead.
"""Sessions in MariaDB or MySQL: for several processes and machines."""

from __future__ import annotations

from typing import Final

from reseal._sync.stores.mariadb_server import Server
from reseal._sync.stores.server_store import ServerStore
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.stores.mariadb import CLOCKED_QUERIES, QUERIES
from reseal.stores.mariadb.errors import OF_ONE_ROW, ServerError

POOL_SIZE: Final = 10


class MariaDBStore(ServerStore):
    """A store in the database that a URI names. Share one object in a process, not one a request.

    ``mysql://user:password@host:3306,other/database``, or ``mariadb://``. Of several hosts the first is used that takes
    writes. ``ssl-mode`` is DISABLED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY; ``ssl-ca``, ``ssl-cert`` and ``ssl-key``
    name files, and ``socket`` a local socket. The URI is kept as a secret.

    ``connect_timeout_s`` bounds the wait for a connection, from the server or from the pool; ``statement_timeout_ms``
    each statement, by the server's own measure and two seconds later by ours. The time is the server's; ``clock`` takes
    its place in tests. ``looks_only``: nothing is changed. Raises ``ConfigurationError`` for a URI that cannot be read.
    """

    def __init__(
        self,
        uri: str | Secret,
        *,
        pool_size: int = POOL_SIZE,
        connect_timeout_s: float = 5,
        statement_timeout_ms: int = 5000,
        clock: Clock | None = None,
        looks_only: bool = False,
    ) -> None:
        server = Server(
            uri,
            pool_size=pool_size,
            connect_timeout_s=connect_timeout_s,
            statement_timeout_ms=statement_timeout_ms,
            queries=QUERIES if clock is None else CLOCKED_QUERIES,
        )
        super().__init__(server, _is_of_one_row, clock=clock, looks_only=looks_only)


def _is_of_one_row(error: StoreUnavailable) -> bool:
    """Return whether what failed was about a row: if the server is away, there is no use in trying each of them."""
    cause = error.__cause__
    return isinstance(cause, UnicodeError) or (isinstance(cause, ServerError) and cause.number in OF_ONE_ROW)
