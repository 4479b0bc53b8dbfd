"""Connections to one PostgreSQL database: opened durably, bounded in number and in patience, errors wrapped once."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncCursor, IsolationLevel
from psycopg.abc import PQGen
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import (
    DeadlockDetected,
    Diagnostic,
    InsufficientPrivilege,
    InvalidSchemaName,
    LockNotAvailable,
    ProgrammingError,
    ReadOnlySqlTransaction,
    SerializationFailure,
)
from psycopg.pq import Format, TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from reseal._async.stores.connection_pool import AsyncConnectionPool
from reseal._async.stores.postgres_hosts import AsyncHosts
from reseal._async.stores.postgres_indexes import build_indexes
from reseal._async.waiting import pause
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.secret import Secret
from reseal.log import LOGGER
from reseal.stores.deadlines import left, within
from reseal.stores.postgres import QUERIES, arrays
from reseal.stores.postgres.arrays import ArrayType
from reseal.stores.postgres.hosts import Host, Standing, Term, hosts_of
from reseal.stores.postgres.indexes import without_indexes
from reseal.stores.sql_files import schema_steps

OLDEST_SERVER: Final = 13
ATTEMPTS: Final = 5
"""Attempts of a statement after a deadlock or serialization failure."""
UPGRADE_PATIENCE: Final = 300.0
"""Seconds to wait for an upgrade of the schema, one's own or another process's."""
UPGRADE_ATTEMPTS: Final = 300
"""Attempts to get the locks of a schema step without making services wait for long."""
INDEX_PATIENCE: Final = 3600.0
GRACE_S: Final = 2
"""How much longer than the server's own limit of a statement is waited for its end."""
LEAST_CONNECT_S: Final = 2
"""The least that libpq takes for a limit of connecting."""
LOCK_MS: Final = 400
"""How long to wait for a lock that services wait behind. With what is done under it that is less than a second."""
_DEFAULTS: Final = {
    "application_name": "reseal",
    "target_session_attrs": "read-write",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""What a URI may change: of several hosts the one that can write, and a dead peer is noticed in about ten seconds."""

_WHY: Final = re.compile(
    r"FATAL:\s+([^\n]+)"  # the server's own words, which may name user and database
    r"|(Connection refused|No such file or directory|timeout expired|failed to resolve host|certificate verify failed"
    r"|does not match host name|server does not support SSL, but SSL was required|session is (?:not )?read-only"
    r"|no password supplied|invalid [a-z_]+ value|definition of service \"\w+\" not found)"
)
"""What may be told of a failed connection: other texts of the driver can quote an address that was misread."""

_READ_ONLY: Final = (
    "it takes no writes, as a standby or by default_transaction_read_only: name the primary, or every server, "
    "postgresql://a,b/database"
)
_ELSEWHERE: Final = frozenset({"standby", "read-only", "prefer-standby"})
"""Values of ``target_session_attrs`` that lead to servers on which no session can be refreshed."""
_WAIT_FOR_STANDBY: Final = "SyncRepWaitForLSN"
"""The function of the server that warns of a cancelled wait; unlike the text its name is in no language."""
_FOREIGN: Final = re.compile(r'invalid URI query parameter: "(\w+)"', re.ASCII)
_LOOKING: Final = ("SELECT",)
WRITING: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NAME_SCHEMA: Final = "name the schema with options=-csearch_path%3D<schema>"
_INSTEAD: Final = {
    "pgbouncer": "leave it out; a pooler is recognised",
    "schema": _NAME_SCHEMA,
    "currentSchema": _NAME_SCHEMA,
    "search_path": _NAME_SCHEMA,
}
"""What to write instead of parameters that other libraries know."""


def _dumper_of(kind: ArrayType) -> type[Dumper]:
    """Return the class by which the driver encodes a type of array: it looks for one of its own for each."""

    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = kind.oid

        def dump(self, obj: Any) -> bytes:
            return kind.encode(obj)

    return ArrayDumper


_DUMPERS: Final = {kind: _dumper_of(array) for kind, array in arrays.TYPES.items()}

T = TypeVar("T")
RV = TypeVar("RV")
Row = tuple[Any, ...]


class AsyncLink(psycopg.AsyncConnection[Row]):
    """A connection that gives up on a server that neither answers nor goes away."""

    patience: float = UPGRADE_PATIENCE
    """Seconds to wait for the end of a statement; longer than the server's own limit."""
    has_session: bool = False
    """Whether one session of the server is this connection's alone: its settings and prepared statements stay."""
    statement_timeout_ms: int = 0
    host: Host
    standing: Standing
    term: Term
    is_unconfirmed: bool = False
    """Whether a commit was not waited for until a synchronous standby had it."""
    queries: Mapping[str, bytes] = MappingProxyType({name: text.encode() for name, text in QUERIES.items()})
    """As bytes, whose hash Python keeps: the driver looks each statement up by its text."""
    _cursor: AsyncCursor[Row] | None = None
    """The one for all statements that give rows: to make one takes longer than to run it."""

    @property
    def is_reusable(self) -> bool:
        """Whether it is open, and in no transaction; notices without a round trip that the server has closed it."""
        if self.term.is_over or self.closed or self.pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        try:
            self.pgconn.consume_input()
            self.pgconn.consume_input()  # the first may have read the server's termination message
        except psycopg.Error:
            return False
        return not self.closed

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - psycopg's
        return await super().wait(gen, interval, left(timeout or self.patience))

    async def fetch(self, name: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a query of ``queries.sql`` that gives rows, as a prepared statement where there can be one.

        Where a pooler lends a session for each transaction, the query runs in one, after our settings.
        """
        if self.has_session or self.pgconn.transaction_status != TransactionStatus.IDLE:
            return await self._fetch(name, values)
        async with self.transaction():
            await self.settle()
            return await self._fetch(name, values)

    def take_notice(self, notice: Diagnostic) -> None:
        """Notice a commit that stands here and maybe not on the standby: the server warns, and reports success."""
        if notice.source_function == _WAIT_FOR_STANDBY:
            self.is_unconfirmed = True

    async def settle(self) -> None:
        """Set what our statements rely on: for the session, or for the present transaction where that is another's."""
        local = not self.has_session
        await self.execute(
            QUERIES["settle"], {"statement_timeout": str(self.statement_timeout_ms), "local": local}, prepare=False
        )

    async def _fetch(self, name: str, values: Mapping[str, Any] | None) -> list[Row]:
        cursor = self._cursor = self._cursor or self.cursor()
        await cursor.execute(self.queries[name], values, prepare=self.has_session, binary=True)
        return await cursor.fetchall()

    async def write(self, name: str, values: Mapping[str, Any]) -> int:
        """Run a query of ``queries.sql`` that gives no rows; returns how many it wrote."""
        return (await self.execute(self.queries[name], values, prepare=False)).rowcount


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
        self._uri = uri if isinstance(uri, Secret) else Secret(uri)
        self._connect_timeout_s = connect_timeout_s
        self._statement_timeout_ms = statement_timeout_ms
        self.limit_s = connect_timeout_s + statement_timeout_ms / 1000 + GRACE_S
        self._queries = {name: text.encode() for name, text in queries.items()}
        self._hosts: AsyncHosts | None = None
        self._pool: AsyncConnectionPool[AsyncLink] = AsyncConnectionPool(
            self._reconnect, pool_size, connect_timeout_s, "PostgreSQL"
        )

    async def open(self, *, upgrade: bool = True) -> None:
        """Connect once, check the server and bring the schema up to date, or demand that it is."""
        await self._pool.close()
        link = await self.connect()
        try:
            await (_upgrade if upgrade else _require_schema)(link)
            await require_rights(link, WRITING if upgrade else _LOOKING)
            if upgrade:
                link.patience = INDEX_PATIENCE
                await build_indexes(link, schema_steps("postgres"), has_session=link.has_session)
        except InsufficientPrivilege as error:
            raise no_rights() from error
        except (psycopg.Error, UnicodeError) as error:
            raise wrapped(error) from error
        finally:
            await link.close()
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def run(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        """Lend a connection, in autocommit. ``work`` is run again if the server took it back for another's sake.

        Everything that the driver raises becomes ``StoreUnavailable`` here and keeps its cause.
        """
        try:
            with within(self.limit_s):
                return await self._run_where_it_writes(partial(self._run, work))
        except (psycopg.Error, UnicodeError) as error:
            raise wrapped(error) from error

    async def run_patiently(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        """Lend a connection of its own, in a transaction that may take minutes."""
        link = await self.connect()
        try:
            async with link.transaction():
                await _be_patient(link)
                return await work(link)
        except (psycopg.Error, UnicodeError) as error:
            raise wrapped(error) from error
        finally:
            await link.close()

    async def fetch(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """Run one query of ``queries.sql`` that gives rows."""
        return await self.run(lambda link: link.fetch(name, values))

    async def _run_where_it_writes(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        try:
            return await self._pool.run(work)
        except ReadOnlySqlTransaction:  # nothing was written; who takes writes now is found by a new connection
            return await self._pool.run(work)

    async def _run(self, work: Callable[[AsyncLink], Awaitable[T]], link: AsyncLink) -> T:
        try:
            result = await _retried(work, link)
        except psycopg.Error as error:
            if isinstance(error, ReadOnlySqlTransaction) or not link.is_reusable:
                await self._leave(link)
            raise
        if link.is_unconfirmed:
            link.is_unconfirmed = False
            raise StoreUnavailable("PostgreSQL: somebody cancelled the wait for the synchronous standby")
        return result

    async def _leave(self, link: AsyncLink) -> None:
        """Throw away the connections to a server that failed or takes no writes: each would fail in its turn."""
        if self._hosts is not None:
            self._hosts.leave(link)
        await self._pool.forget(lambda other: other.term.is_over)

    async def _reconnect(self) -> AsyncLink:
        try:
            return await self.connect()
        except ConfigurationError as error:  # another server than the one that was checked at the start
            LOGGER.error("%s", error)
            raise StoreUnavailable("PostgreSQL: the server is not the one that was there before") from error

    async def connect(self) -> AsyncLink:
        """Open a connection beside those of the pool, which the caller closes."""
        hosts, parameters = self.cluster()
        wanted = parameters["target_session_attrs"]
        if wanted in _ELSEWHERE:
            raise _unusable(f"target_session_attrs={wanted} asks for a server without writes: leave it out")
        return await hosts.connect(self._connect_to, parameters)

    async def connect_to_any(self) -> AsyncLink:
        """Open a connection to the first server that answers, a standby too; the caller closes it."""
        hosts, parameters = self.cluster()
        return await hosts.connect_to_any(self._connect_to, parameters)

    async def survey(self) -> dict[Host, Standing | str]:
        """Ask every server of the URI what it is; returns the reason for one that cannot be reached."""
        hosts, parameters = self.cluster()
        return await hosts.survey(self._connect_to, parameters)

    def cluster(self) -> tuple[AsyncHosts, Mapping[str, Any]]:
        """Read the URI: its servers, and what holds for each. Raises ``ConfigurationError`` if it cannot be read."""
        parameters = _parameters(self._uri, self._connect_timeout_s)
        if self._hosts is None:
            try:
                self._hosts = AsyncHosts(hosts_of(parameters))
            except ValueError:
                raise _unusable(
                    "names more hosts than ports, or fewer: give each host its own, or one for all"
                ) from None
        return self._hosts, {name: value for name, value in parameters.items() if name not in Host._fields}

    async def _connect_to(self, host: Host, parameters: Mapping[str, Any]) -> AsyncLink:
        try:
            link = await AsyncLink.connect(autocommit=True, **_hurried(parameters))
        except psycopg.Error as error:
            raise StoreUnavailable(_why(error) or type(error).__name__) from error
        try:
            link.host = host
            link.patience = self._statement_timeout_ms / 1000 + GRACE_S
            link.statement_timeout_ms = self._statement_timeout_ms
            link.queries = self._queries
            link.add_notice_handler(link.take_notice)
            link.adapters.register_dumper(int, Int8Dumper)  # one type for every number: one prepared statement
            link.adapters.register_dumper(int, Int8BinaryDumper)
            for kind, dumper in _DUMPERS.items():
                link.adapters.register_dumper(kind, dumper)
            link.standing = await _greet(link)
            if link.has_session:
                await link.settle()
            else:
                await _share(link, parameters)
        except BaseException as error:
            await link.close()
            if isinstance(error, psycopg.Error):
                raise StoreUnavailable(_why(error) or type(error).__name__) from error
            raise
        return link


async def _retried(work: Callable[[AsyncLink], Awaitable[T]], link: AsyncLink) -> T:
    """Retry after a deadlock or a serialization failure; the last failure is raised."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await work(link)
        except (DeadlockDetected, SerializationFailure):
            await pause(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - nothing secret about it
    return await work(link)


def wrapped(error: Exception) -> StoreUnavailable:
    """Name a driver's error without its text, which may quote what was written. The caller adds it as the cause."""
    state = getattr(error, "sqlstate", None)
    return StoreUnavailable(f"PostgreSQL: {type(error).__name__}" + (f" ({state})" if state else ""))


def _parameters(uri: Secret, connect_timeout_s: float) -> dict[str, Any]:
    try:
        given = conninfo_to_dict(uri.reveal().decode())
    except (psycopg.Error, UnicodeError) as error:
        _refuse_foreign_parameter(uri, error)
        given = {"host": "@"}
    if _is_misread(uri.reveal(), given):  # the message of the driver, or the host, may hold a part of the password
        raise _unusable(
            "cannot be read: write postgresql://user:password@host:5432/database, with %40 for @, %3A for : "
            "and %2F for / in the password"
        ) from None
    timeout = {"connect_timeout": str(max(2, round(connect_timeout_s)))}
    return _DEFAULTS | timeout | given | {"client_encoding": "utf8"}


def _hurried(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Let connecting take no longer than the present call may."""
    seconds = left(float(parameters["connect_timeout"]) or math.inf)
    if seconds < LEAST_CONNECT_S:
        raise StoreUnavailable("there is no time left for it in this call")
    return {**parameters, "connect_timeout": str(int(min(seconds, UPGRADE_PATIENCE)))}


def _is_misread(uri: bytes, given: Mapping[str, Any]) -> bool:
    """Return whether a character of the password has probably ended it: what follows became host, port or database."""
    path = uri.partition(b"://")[2].partition(b"?")[0].partition(b"/")[2]
    port = str(given.get("port") or "0").replace(",", "0")
    return "@" in str(given.get("host", "")) or b"@" in path or not (port.isascii() and port.isdigit())


def _refuse_foreign_parameter(uri: Secret, error: Exception) -> None:
    """Name a parameter that is another library's, unless it could be a part of a password that was misread."""
    found = _FOREIGN.search(str(error))
    if found is None or b"@" in uri.reveal().partition(b"?")[2]:
        return
    advice = _INSTEAD.get(found[1], "leave it out")
    raise _unusable(f"the parameter {found[1]!r} in it is not one of PostgreSQL's libpq: {advice}") from None


def _why(error: psycopg.Error) -> str:
    """Say why a connection failed, as far as that gives nothing away."""
    reasons = dict.fromkeys(
        _READ_ONLY if "read-only" in known else said or known for said, known in _WHY.findall(str(error))
    )
    return "; ".join(reasons)


async def _greet(link: AsyncLink) -> Standing:
    """Find out what is at the other end, and make sure that it keeps what it acknowledged."""
    cursor = await link.execute(QUERIES["greet"], prepare=False)
    [(version, fsync, encoding, pid, is_standby, is_read_only)] = await cursor.fetchall()
    problems = []
    if version < OLDEST_SERVER * 10_000:
        problems.append(f"the server is PostgreSQL {version // 10_000}; Reseal needs {OLDEST_SERVER} or newer")
    if fsync != "on":
        problems.append("the server runs with fsync = off: a power cut would lose or ruin sessions; set fsync = on")
    if encoding != "UTF8":
        problems.append(f"the database's encoding is {encoding}; create it with ENCODING 'UTF8'")
    if problems:
        raise _unusable(*problems)
    link.has_session = pid == link.info.backend_pid  # a pooler gives numbers of its own
    if is_standby or (is_read_only == "on" and link.has_session):  # what another left in a shared session is set anew
        return Standing(obstacle=_READ_ONLY)
    try:
        cursor = await link.execute(QUERIES["identify"], prepare=False)
    except psycopg.DatabaseError:  # a relative of PostgreSQL, which has no such functions
        return Standing()
    return Standing(*(await cursor.fetchall())[0])


async def _share(link: AsyncLink, parameters: Mapping[str, Any]) -> None:
    """Get on with a pooler, which may lend another session for each transaction: nothing is left behind in one."""
    if parameters.get("options"):
        raise _unusable(
            "a pooler (PgBouncer) is between, which does not pass 'options' on: leave it out, and set what it says for "
            "the role, say ALTER ROLE reseal SET search_path = sessions"
        )
    link.prepare_threshold = None
    await link.set_isolation_level(IsolationLevel.READ_COMMITTED)
    if not link.standing.obstacle:  # a standby refuses to be asked for it
        await link.set_read_only(False)


async def _upgrade(link: AsyncLink) -> None:
    """Bring the schema up to date, in transactions under a lock, so that several may start and any may be killed."""
    steps = schema_steps("postgres")
    attempts, version = 0, await schema_version(link, len(steps))
    try:
        while version < len(steps):
            attempts += not await _has_taken_steps(link, steps, is_last_attempt=attempts == UPGRADE_ATTEMPTS)
            version = await schema_version(link, len(steps))
    except InsufficientPrivilege as error:
        raise _unusable("the user may not create tables in the schema: grant CREATE on it, or name another") from error
    except InvalidSchemaName as error:
        raise _unusable("the schema does not exist: create it, or name another") from error
    except ProgrammingError as error:
        raise _unusable(
            f"its schema cannot be brought up to date ({type(error).__name__}): name an empty one"
        ) from error


async def _has_taken_steps(link: AsyncLink, steps: Sequence[str], *, is_last_attempt: bool) -> bool:
    try:
        await _take_steps(link, steps)
    except LockNotAvailable:
        if is_last_attempt:
            raise
        await pause(random.uniform(0.5, 1))  # noqa: S311 - nothing secret about it
        return False
    return True


async def _take_steps(link: AsyncLink, steps: Sequence[str]) -> None:
    """Create all tables, or take the next step of those that are there, unless that takes them from services for long.

    Their indexes are built later.
    """
    async with link.transaction():
        await _be_patient(link)
        await link.execute(QUERIES["lock_schema"], prepare=False)
        version = await schema_version(link, len(steps))
        if not version:
            await link.execute(QUERIES["create_schema_table"], prepare=False)
            await _take(link, 1, *steps)
        elif version < len(steps):
            await link.execute(QUERIES["keep_vacuum_off"], prepare=False)
            await link.fetch("limit_lock", {"milliseconds": str(LOCK_MS)})
            await link.execute(QUERIES["abandon_partitioning"], prepare=False)
            await _take(link, version + 1, without_indexes(steps[version]))


async def _take(link: AsyncLink, first: int, *steps: str) -> None:
    for number, step in enumerate(steps, first):
        await link.execute(step.encode(), prepare=False)
        await link.execute(QUERIES["set_schema_version"], {"version": number}, prepare=False)


async def _require_schema(link: AsyncLink) -> None:
    version, wanted = await schema_version(link, len(schema_steps("postgres"))), len(schema_steps("postgres"))
    if version != wanted:
        raise _unusable(f"the database has schema {version}, and {wanted} is needed: run reseal migrate")


def no_rights() -> ConfigurationError:
    return _unusable("the user may not use the tables that are there: let it own them")


async def require_rights(link: AsyncLink, rights: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` if the user lacks one of these rights to a table."""
    lacking = await link.fetch("lacking_rights", {"rights": list(rights)})
    if lacking:
        table, missing = lacking[0]
        more = f" and in {len(lacking) - 1} other tables" if len(lacking) > 1 else ""
        raise _unusable(
            f"the user may not {missing} in {table}{more}: GRANT {', '.join(rights)} ON ALL TABLES IN SCHEMA to it, or "
            "let it own them"
        )


async def _be_patient(link: AsyncLink) -> None:
    """Let the statements of the present transaction take minutes."""
    link.patience = UPGRADE_PATIENCE
    await link.settle()
    await link.execute(QUERIES["begin_upgrade"], {"lock_timeout": f"{int(UPGRADE_PATIENCE) - 5}s"}, prepare=False)


async def schema_version(link: AsyncLink, known: int) -> int:
    """Return the number of the last schema step, or 0. Raises ``ConfigurationError`` if it is above ``known``."""
    [(there,)] = await link.fetch("has_schema")
    if not there:
        return 0
    [(version,)] = await link.fetch("schema_version")
    if version is not None and version > known:
        raise _unusable(f"the database has schema {version}, newer than the {known} known here; upgrade Reseal")
    return version or 0


def _unusable(*problems: str) -> ConfigurationError:
    return ConfigurationError(tuple(f"database_uri: {problem}" for problem in problems))
