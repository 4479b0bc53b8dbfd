# Generated from src/reseal/_async/stores/mariadb_server.py by tools/unasync.py; edit that file instead.
"""Connections to one MariaDB or MySQL database: opened durably, bounded in patience, errors wrapped once."""

from __future__ import annotations

import random
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

from reseal._sync.stores.connection_pool import ConnectionPool
from reseal._sync.stores.mariadb_driver import Wire, Result
from reseal._sync.stores.mariadb_transactions import TRANSACTIONS
from reseal._sync.stores.servers import Row
from reseal._sync.waiting import pause
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.secret import Secret
from reseal.log import LOGGER
from reseal.stores.deadlines import within
from reseal.stores.mariadb import address, durability
from reseal.stores.mariadb.address import unusable
from reseal.stores.mariadb.errors import AGAIN, DENIED, ELSEWHERE, LOCK_WAIT, TAKEN, ServerError, why
from reseal.stores.mariadb.statements import statement
from reseal.stores.sql_files import schema_steps, statements_of

ATTEMPTS: Final = 5
"""Attempts of a transaction that another one's lock or commit ended."""
UPGRADE_PATIENCE: Final = 300
"""Seconds to wait for an upgrade of the schema, one's own or another process's."""
_UNLESS_TAKEN: Final = frozenset({"add_key", "append_event", "insert_case", "insert_claim", "insert_note"})
"""Queries that insert one row, unless there is one with its key."""

GRACE_S: Final = 2
"""How much longer than the server's own limit of a statement is waited for its answer."""

T = TypeVar("T")
Host = tuple[str, int]


class Link:
    """A connection."""

    def __init__(self, wire: Wire, host: Host, queries: Mapping[str, str]) -> None:
        self.wire = wire
        self.host = host
        self.queries = queries
        self.is_in_transaction = False

    @property
    def is_reusable(self) -> bool:
        return self.wire.is_open and not self.is_in_transaction

    def close(self) -> None:
        self.wire.close()

    def fetch(self, name: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a query, or the transaction that stands in its place; returns the rows that it gives or has written."""
        transaction = TRANSACTIONS.get(name)
        if transaction is not None:
            return transaction(self, dict(values or {}))
        try:
            rows, count = self._query(name, values or {})
        except ServerError as error:
            if error.number == TAKEN and name in _UNLESS_TAKEN:
                return []
            raise
        return rows or [()] * count

    def write(self, name: str, values: Mapping[str, Any]) -> int:
        """Run a query that gives no rows; returns how many it wrote."""
        return (self._query(name, values))[1]

    def settle(self) -> None:
        """Nothing is to be set: the session of the server is this connection's alone."""

    def transaction(self) -> Transaction:
        return Transaction(self)

    def _query(self, name: str, values: Mapping[str, Any]) -> Result:
        return self.wire.query(statement(self.queries[name], values))


class Transaction:
    """A transaction, or a part of the one that is open already.

    A connection on which it could not be ended stays in it, and is not used again.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._is_part = link.is_in_transaction

    def __enter__(self) -> None:
        if not self._is_part:
            self._link.is_in_transaction = True
            self._link.write("begin", {})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_part:
            return
        try:
            if error is None:
                self._link.write("commit", {})
                self._link.is_in_transaction = False
        finally:
            if self._link.is_in_transaction and self._link.wire.is_open and (error is None or kind is ServerError):
                self._link.write("rollback", {})
                self._link.is_in_transaction = False


class Server:
    """At most ``pool_size`` connections, opened when they are needed. A broken one is not handed out again."""

    def __init__(
        self,
        uri: str | Secret,
        *,
        pool_size: int,
        connect_timeout_s: float,
        statement_timeout_ms: int,
        queries: Mapping[str, str],
    ) -> None:
        self._address = address.read(uri if isinstance(uri, Secret) else Secret(uri))
        self._hosts = self._address.hosts
        """In the order in which they are asked: one that failed comes last."""
        self._connect_timeout_s = connect_timeout_s
        self._statement_s = statement_timeout_ms / 1000
        self.limit_s = connect_timeout_s + self._statement_s + GRACE_S
        self._queries = queries
        self._pool: ConnectionPool[Link] = ConnectionPool(
            self._reconnect, pool_size, connect_timeout_s, "MariaDB"
        )

    def open(self, *, upgrade: bool = True) -> None:
        """Connect once, check the server and bring the schema up to date, or demand that it is."""
        self._pool.close()
        link = self._connect(UPGRADE_PATIENCE)
        try:
            (_upgrade if upgrade else _require_schema)(link)
            _require_tables(link, writes=upgrade)
        except ServerError as error:
            raise wrapped(error) from error
        finally:
            link.close()
        self._pool.open()

    def look(self) -> tuple[dict[str, str], int]:
        """Return the server's variables, and the number of the last schema step, or 0; changes nothing.

        Raises ``ConfigurationError`` if the user lacks a right to the tables.
        """
        link = self._connect(self._statement_s)
        try:
            version = _version(link, sys.maxsize)
            if version == len(schema_steps("mariadb")):
                _require_tables(link, writes=True)
            return dict(link.fetch("greet")), version
        except ServerError as error:
            raise wrapped(error) from error
        finally:
            link.close()

    def close(self) -> None:
        self._pool.close()

    def run(self, work: Callable[[Link], T]) -> T:
        """Lend a connection. ``work`` is run again if its transaction was ended for another one's sake.

        Everything that the driver raises becomes ``StoreUnavailable`` here and keeps its cause.
        """

        def repeated(link: Link) -> T:
            try:
                return _retried(work, link)
            except ServerError as error:
                if error.number in ELSEWHERE or not error.is_of_the_server:
                    self._leave(link.host)
                    link.close()
                raise

        try:
            with within(self.limit_s):
                return self._pool.run(repeated)
        except (ServerError, UnicodeError) as error:
            raise wrapped(error) from error

    def run_patiently(self, work: Callable[[Link], T]) -> T:
        """Lend a connection of its own, in a transaction that may take minutes."""
        link = self._connect(UPGRADE_PATIENCE)
        try:
            with link.transaction():
                return work(link)
        except (ServerError, UnicodeError) as error:
            raise wrapped(error) from error
        finally:
            link.close()

    def fetch(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """Run one query."""
        return self.run(lambda link: link.fetch(name, values))

    def _reconnect(self) -> Link:
        try:
            return self._connect(self._statement_s)
        except ConfigurationError as error:  # another server than the one that was checked at the start
            LOGGER.error("%s", error)
            raise StoreUnavailable("MariaDB: the server is not the one that was there before") from error

    def _connect(self, statement_s: float) -> Link:
        """Connect to the first of the hosts that is there and takes writes."""
        problems: dict[str, Exception] = {}
        for host in self._hosts:
            try:
                wire = Wire.connect(self._address, host, self._connect_timeout_s, statement_s + GRACE_S)
                link = Link(wire, host, self._queries)
                if self._greet(link, statement_s):
                    return link
                problems["it takes no writes: name the one that does, or set read_only to OFF"] = ServerError(0)
                link.close()
            except ServerError as error:
                problems[why(error.number, is_encrypted=self._address.tls[host] is not None)] = error
            self._hosts = _last(host, self._hosts)
        reasons = "; ".join(filter(None, problems))
        raise StoreUnavailable(
            f"MariaDB at {self._address} cannot be reached" + (f" ({reasons})" if reasons else "")
        ) from next(iter(problems.values()))

    def _leave(self, host: Host) -> None:
        """Ask others first, and not by connections to this one: each would have to be waited for."""
        self._hosts = _last(host, self._hosts)
        self._pool.forget(lambda link: link.host == host)

    def _greet(self, link: Link, statement_s: float) -> bool:
        """Find out what is at the other end, and set what our statements rely on; says whether it takes writes."""
        is_done = False
        try:
            found: dict[str, str] = dict(link.fetch("greet"))
            problems = durability.problems(found)
            if problems:
                raise unusable(*problems)
            seconds = max(1, round(statement_s))
            link.write("settle", {"lock_s": max(1, seconds // ATTEMPTS), "metadata_lock_s": seconds})
            link.write("settle_isolation", {})
            if "max_statement_time" in found:
                link.write("limit_mariadb", {"seconds": seconds})
            else:
                link.write("limit_mysql", {"milliseconds": seconds * 1000})
            if found.get("wsrep_on") == "ON":
                link.write("wait_for_the_cluster", {})
            is_done = True
        finally:
            if not is_done:
                link.close()
        return durability.takes_writes(found)


def _last(host: Host, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    return (*(each for each in hosts if each != host), host)


def _retried(work: Callable[[Link], T], link: Link) -> T:
    """Retry after a deadlock, a lock that was waited for too long, or a commit that met another node's."""
    for attempt in range(1, ATTEMPTS):
        try:
            return work(link)
        except ServerError as error:
            if error.number not in AGAIN or not link.is_reusable:
                raise
            if error.number != LOCK_WAIT:
                pause(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - nothing secret about it
    return work(link)


def wrapped(error: Exception) -> StoreUnavailable:
    """Name an error without its text, which may quote what was written. The caller adds it as the cause."""
    if not isinstance(error, ServerError):
        return StoreUnavailable(f"MariaDB: {type(error).__name__}")
    return StoreUnavailable(
        f"MariaDB: {type(error.__cause__).__name__}" + (f" ({error.number})" if error.number else "")
    )


def _upgrade(link: Link) -> None:
    """Bring the schema up to date, one process at a time. A step can be run again: see the files."""
    steps = schema_steps("mariadb")
    if _version(link, len(steps)) == len(steps):
        return
    try:
        link.fetch("lock_schema", {"seconds": UPGRADE_PATIENCE - 5})
        for number in range(_version(link, len(steps)), len(steps)):
            link.write("create_schema_table", {})
            for text in statements_of(steps[number]):
                link.wire.query(text)
            link.write("set_schema_version", {"version": number + 1})
    except ServerError as error:
        if error.number in DENIED:
            raise unusable(
                "the user may not create tables: GRANT ALL on the database to it, or name another"
            ) from error
        raise


def _require_schema(link: Link) -> None:
    version, wanted = _version(link, len(schema_steps("mariadb"))), len(schema_steps("mariadb"))
    if version != wanted:
        raise unusable(f"the database has schema {version}, and {wanted} is needed: run reseal migrate")


def _version(link: Link, known: int) -> int:
    [(there,)] = link.fetch("has_schema")
    if not there:
        return 0
    try:
        [(version,)] = link.fetch("schema_version")
    except ServerError as error:
        raise (_lacks("SELECT", "reseal_schema") if error.number in DENIED else error) from error
    if version is not None and version > known:
        raise unusable(f"the database has schema {version}, newer than the {known} known here; upgrade Reseal")
    return version or 0


def _require_tables(link: Link, *, writes: bool) -> None:
    """Make sure that the tables survive a power cut, and that the user may use them."""
    for table, engine in link.fetch("foreign_tables"):
        raise unusable(f"the table {table} is kept by {engine}: ALTER TABLE {table} ENGINE = InnoDB")
    for table, right, text in durability.probes(schema_steps("mariadb"), writes=writes):
        try:
            link.wire.query(text)
        except ServerError as error:
            raise (_lacks(right, table) if error.number in DENIED else error) from error


def _lacks(right: str, table: str) -> ConfigurationError:
    return unusable(f"the user may not {right} in {table}: GRANT SELECT, INSERT, UPDATE, DELETE on the database to it")
