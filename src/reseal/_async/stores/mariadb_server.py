"""Connections to one MariaDB or MySQL database: opened durably, bounded in patience, errors wrapped once."""

from __future__ import annotations

import random
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

from reseal._async.stores.connection_pool import AsyncConnectionPool
from reseal._async.stores.mariadb_driver import AsyncWire, Result
from reseal._async.stores.mariadb_transactions import TRANSACTIONS
from reseal._async.stores.servers import Row
from reseal._async.waiting import pause
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


class AsyncLink:
    """A connection."""

    def __init__(self, wire: AsyncWire, host: Host, queries: Mapping[str, str]) -> None:
        self.wire = wire
        self.host = host
        self.queries = queries
        self.is_in_transaction = False

    @property
    def is_reusable(self) -> bool:
        return self.wire.is_open and not self.is_in_transaction

    async def close(self) -> None:
        self.wire.close()

    async def fetch(self, name: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a query, or the transaction that stands in its place; returns the rows that it gives or has written."""
        transaction = TRANSACTIONS.get(name)
        if transaction is not None:
            return await transaction(self, dict(values or {}))
        try:
            rows, count = await self._query(name, values or {})
        except ServerError as error:
            if error.number == TAKEN and name in _UNLESS_TAKEN:
                return []
            raise
        return rows or [()] * count

    async def write(self, name: str, values: Mapping[str, Any]) -> int:
        """Run a query that gives no rows; returns how many it wrote."""
        return (await self._query(name, values))[1]

    async def settle(self) -> None:
        """Nothing is to be set: the session of the server is this connection's alone."""

    def transaction(self) -> AsyncTransaction:
        return AsyncTransaction(self)

    async def _query(self, name: str, values: Mapping[str, Any]) -> Result:
        return await self.wire.query(statement(self.queries[name], values))


class AsyncTransaction:
    """A transaction, or a part of the one that is open already.

    A connection on which it could not be ended stays in it, and is not used again.
    """

    def __init__(self, link: AsyncLink) -> None:
        self._link = link
        self._is_part = link.is_in_transaction

    async def __aenter__(self) -> None:
        if not self._is_part:
            self._link.is_in_transaction = True
            await self._link.write("begin", {})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_part:
            return
        try:
            if error is None:
                await self._link.write("commit", {})
                self._link.is_in_transaction = False
        finally:
            if self._link.is_in_transaction and self._link.wire.is_open and (error is None or kind is ServerError):
                await self._link.write("rollback", {})
                self._link.is_in_transaction = False


class AsyncServer:
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
        self._pool: AsyncConnectionPool[AsyncLink] = AsyncConnectionPool(
            self._reconnect, pool_size, connect_timeout_s, "MariaDB"
        )

    async def open(self, *, upgrade: bool = True) -> None:
        """Connect once, check the server and bring the schema up to date, or demand that it is."""
        await self._pool.close()
        link = await self._connect(UPGRADE_PATIENCE)
        try:
            await (_upgrade if upgrade else _require_schema)(link)
            await _require_tables(link, writes=upgrade)
        except ServerError as error:
            raise wrapped(error) from error
        finally:
            await link.close()
        await self._pool.open()

    async def look(self) -> tuple[dict[str, str], int]:
        """Return the server's variables, and the number of the last schema step, or 0; changes nothing.

        Raises ``ConfigurationError`` if the user lacks a right to the tables.
        """
        link = await self._connect(self._statement_s)
        try:
            version = await _version(link, sys.maxsize)
            if version == len(schema_steps("mariadb")):
                await _require_tables(link, writes=True)
            return dict(await link.fetch("greet")), version
        except ServerError as error:
            raise wrapped(error) from error
        finally:
            await link.close()

    async def close(self) -> None:
        await self._pool.close()

    async def run(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        """Lend a connection. ``work`` is run again if its transaction was ended for another one's sake.

        Everything that the driver raises becomes ``StoreUnavailable`` here and keeps its cause.
        """

        async def repeated(link: AsyncLink) -> T:
            try:
                return await _retried(work, link)
            except ServerError as error:
                if error.number in ELSEWHERE or not error.is_of_the_server:
                    await self._leave(link.host)
                    await link.close()
                raise

        try:
            with within(self.limit_s):
                return await self._pool.run(repeated)
        except (ServerError, UnicodeError) as error:
            raise wrapped(error) from error

    async def run_patiently(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        """Lend a connection of its own, in a transaction that may take minutes."""
        link = await self._connect(UPGRADE_PATIENCE)
        try:
            async with link.transaction():
                return await work(link)
        except (ServerError, UnicodeError) as error:
            raise wrapped(error) from error
        finally:
            await link.close()

    async def fetch(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """Run one query."""
        return await self.run(lambda link: link.fetch(name, values))

    async def _reconnect(self) -> AsyncLink:
        try:
            return await self._connect(self._statement_s)
        except ConfigurationError as error:  # another server than the one that was checked at the start
            LOGGER.error("%s", error)
            raise StoreUnavailable("MariaDB: the server is not the one that was there before") from error

    async def _connect(self, statement_s: float) -> AsyncLink:
        """Connect to the first of the hosts that is there and takes writes."""
        problems: dict[str, Exception] = {}
        for host in self._hosts:
            try:
                wire = await AsyncWire.connect(self._address, host, self._connect_timeout_s, statement_s + GRACE_S)
                link = AsyncLink(wire, host, self._queries)
                if await self._greet(link, statement_s):
                    return link
                problems["it takes no writes: name the one that does, or set read_only to OFF"] = ServerError(0)
                await link.close()
            except ServerError as error:
                problems[why(error.number, is_encrypted=self._address.tls[host] is not None)] = error
            self._hosts = _last(host, self._hosts)
        reasons = "; ".join(filter(None, problems))
        raise StoreUnavailable(
            f"MariaDB at {self._address} cannot be reached" + (f" ({reasons})" if reasons else "")
        ) from next(iter(problems.values()))

    async def _leave(self, host: Host) -> None:
        """Ask others first, and not by connections to this one: each would have to be waited for."""
        self._hosts = _last(host, self._hosts)
        await self._pool.forget(lambda link: link.host == host)

    async def _greet(self, link: AsyncLink, statement_s: float) -> bool:
        """Find out what is at the other end, and set what our statements rely on; says whether it takes writes."""
        is_done = False
        try:
            found: dict[str, str] = dict(await link.fetch("greet"))
            problems = durability.problems(found)
            if problems:
                raise unusable(*problems)
            seconds = max(1, round(statement_s))
            await link.write("settle", {"lock_s": max(1, seconds // ATTEMPTS), "metadata_lock_s": seconds})
            await link.write("settle_isolation", {})
            if "max_statement_time" in found:
                await link.write("limit_mariadb", {"seconds": seconds})
            else:
                await link.write("limit_mysql", {"milliseconds": seconds * 1000})
            if found.get("wsrep_on") == "ON":
                await link.write("wait_for_the_cluster", {})
            is_done = True
        finally:
            if not is_done:
                await link.close()
        return durability.takes_writes(found)


def _last(host: Host, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    return (*(each for each in hosts if each != host), host)


async def _retried(work: Callable[[AsyncLink], Awaitable[T]], link: AsyncLink) -> T:
    """Retry after a deadlock, a lock that was waited for too long, or a commit that met another node's."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await work(link)
        except ServerError as error:
            if error.number not in AGAIN or not link.is_reusable:
                raise
            if error.number != LOCK_WAIT:
                await pause(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - nothing secret about it
    return await work(link)


def wrapped(error: Exception) -> StoreUnavailable:
    """Name an error without its text, which may quote what was written. The caller adds it as the cause."""
    if not isinstance(error, ServerError):
        return StoreUnavailable(f"MariaDB: {type(error).__name__}")
    return StoreUnavailable(
        f"MariaDB: {type(error.__cause__).__name__}" + (f" ({error.number})" if error.number else "")
    )


async def _upgrade(link: AsyncLink) -> None:
    """Bring the schema up to date, one process at a time. A step can be run again: see the files."""
    steps = schema_steps("mariadb")
    if await _version(link, len(steps)) == len(steps):
        return
    try:
        await link.fetch("lock_schema", {"seconds": UPGRADE_PATIENCE - 5})
        for number in range(await _version(link, len(steps)), len(steps)):
            await link.write("create_schema_table", {})
            for text in statements_of(steps[number]):
                await link.wire.query(text)
            await link.write("set_schema_version", {"version": number + 1})
    except ServerError as error:
        if error.number in DENIED:
            raise unusable(
                "the user may not create tables: GRANT ALL on the database to it, or name another"
            ) from error
        raise


async def _require_schema(link: AsyncLink) -> None:
    version, wanted = await _version(link, len(schema_steps("mariadb"))), len(schema_steps("mariadb"))
    if version != wanted:
        raise unusable(f"the database has schema {version}, and {wanted} is needed: run reseal migrate")


async def _version(link: AsyncLink, known: int) -> int:
    [(there,)] = await link.fetch("has_schema")
    if not there:
        return 0
    try:
        [(version,)] = await link.fetch("schema_version")
    except ServerError as error:
        raise (_lacks("SELECT", "reseal_schema") if error.number in DENIED else error) from error
    if version is not None and version > known:
        raise unusable(f"the database has schema {version}, newer than the {known} known here; upgrade Reseal")
    return version or 0


async def _require_tables(link: AsyncLink, *, writes: bool) -> None:
    """Make sure that the tables survive a power cut, and that the user may use them."""
    for table, engine in await link.fetch("foreign_tables"):
        raise unusable(f"the table {table} is kept by {engine}: ALTER TABLE {table} ENGINE = InnoDB")
    for table, right, text in durability.probes(schema_steps("mariadb"), writes=writes):
        try:
            await link.wire.query(text)
        except ServerError as error:
            raise (_lacks(right, table) if error.number in DENIED else error) from error


def _lacks(right: str, table: str) -> ConfigurationError:
    return unusable(f"the user may not {right} in {table}: GRANT SELECT, INSERT, UPDATE, DELETE on the database to it")
