"""The four databases: started for the benchmark, filled by their own bulk way, and asked what they take."""

from __future__ import annotations

import itertools
import operator
import re
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import psycopg

from bench.scale.population import OWN, Session
from reseal._async.stores.redis import AsyncRedisStore
from reseal._async.stores.redis_sessions import Step
from reseal.core.model import Scope
from reseal.stores import rows
from reseal.stores.redis.layout import Stored
from tests.support import mariadb, postgres, redis

SCOPE: Final = Scope()
COLUMNS: Final = ("app_id", "tenant_id", *rows.COLUMNS, "due_at")
AT_ONCE: Final = 1000
_ALTER_S: Final = 3600
"""Seconds that a change of a table may take."""
_PATIENCE_S: Final = 600
"""Seconds that a server may take to write to its files."""
FEW_PAGES: Final = 1000
POSTGRES_SETTINGS: Final = {
    "shared_buffers": "6GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "lz4",
}
MARIADB_SETTINGS: Final = {
    "innodb-buffer-pool-size": "14G",
    "innodb-log-file-size": "2G",
    "innodb-file-per-table": "1",
    "innodb-sort-buffer-size": "64M",  # for the indexes of the benchmark's own filling
    "net-read-timeout": "600",
}
MB: Final = 1024 * 1024


class Database(Protocol):
    """One engine with several stores in it, which differ in their size."""

    sorts: bool
    """Whether it wants to be filled in the order of the handles."""

    @property
    def pids(self) -> Sequence[int]:
        """Its processes, or those of whoever starts them; none for an embedded one."""

    def store(self, size: int) -> str:
        """Make an empty store and return its URI."""

    def fill(self, uri: str, sessions: Iterable[Session]) -> None:
        """Fill an empty store fast. Pages of indexes are as full as random insertion leaves them."""

    def add(self, uri: str, sessions: Iterable[Session]) -> None:
        """Write more sessions."""

    def settle(self, uris: Sequence[str]) -> None:
        """Leave what filling the stores was good for, before anything is measured."""

    def disk(self, uri: str) -> dict[str, int]:
        """Return the bytes on disk of a store's sessions: of the table, and of each index where that can be told."""

    def log(self) -> int:
        """Return how many bytes of log the server has written; 0 where it does not say."""


def values_of(session: Session) -> dict[str, Any]:
    """Return the columns of a row."""
    return rows.of_record(SCOPE, session.record) | {"due_at": session.due_at}


class PostgreSQL:
    sorts = False

    def __init__(self, cluster: postgres.Cluster) -> None:
        self._cluster = cluster
        self.pids = (cluster.pid,)
        self._connections: dict[str, psycopg.Connection] = {}

    def store(self, size: int) -> str:
        del size
        return self._cluster.uri(self._cluster.schema())

    def fill(self, uri: str, sessions: Iterable[Session]) -> None:
        """Load the table without indexes, and make these afterwards: a tenth of the work."""
        link = self._connection(uri)
        link.execute("SET maintenance_work_mem = '1GB'")
        found = link.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname IN "
            "('reseal_session_user', 'reseal_session_due')"
        ).fetchall()
        link.execute("ALTER TABLE reseal_session DROP CONSTRAINT reseal_session_pkey")
        link.execute("DROP INDEX reseal_session_user, reseal_session_due")
        self.add(uri, sessions)
        link.execute("ALTER TABLE reseal_session ADD PRIMARY KEY (app_id, tenant_id, handle) WITH (fillfactor = 70)")
        for (definition,) in found:
            link.execute(f"{definition} WITH (fillfactor = 70)")
        for name in ("pkey", "user", "due"):
            link.execute(f"ALTER INDEX reseal_session_{name} RESET (fillfactor)")
        link.execute("VACUUM (ANALYZE) reseal_session")
        link.execute("CHECKPOINT")

    def add(self, uri: str, sessions: Iterable[Session]) -> None:
        copy_in = f"COPY reseal_session ({', '.join(COLUMNS)}) FROM STDIN"
        with self._connection(uri).cursor().copy(copy_in) as copy:
            for lines in _lines(sessions, _postgres_text):
                copy.write(lines)

    def settle(self, uris: Sequence[str]) -> None:
        pass

    def disk(self, uri: str) -> dict[str, int]:
        found = self._connection(uri).execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class "
            "WHERE relnamespace = current_schema()::regnamespace AND relname LIKE 'reseal\\_session%' ORDER BY 2 DESC"
        )
        return {name: size for name, size in found.fetchall() if size}

    def log(self) -> int:
        found = next(iter(self._connections.values())).execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        return 0 if found is None else int(found[0])

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _connection(self, uri: str) -> psycopg.Connection:
        """Connect once: the processor time of a server process is gone when it ends."""
        if uri not in self._connections:
            self._connections[uri] = psycopg.connect(uri, autocommit=True)
        return self._connections[uri]


class MariaDB:
    sorts = True

    def __init__(self, server: mariadb.MariaDB) -> None:
        self._server = server

    @property
    def pids(self) -> Sequence[int]:
        return (self._server.pid,)

    def store(self, size: int) -> str:
        del size
        return self._server.uri(self._server.database())

    def fill(self, uri: str, sessions: Iterable[Session]) -> None:
        """Load in the order of the primary key and without other indexes, then make the pages anew, less full."""
        name = _database(uri)
        made = self._server.sql("SHOW CREATE TABLE reseal_session", name).replace(r"\n", "\n")
        keys = re.findall(r"^ +(KEY `(\w+)` .*?),?$", made, re.MULTILINE)
        self._server.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 0, GLOBAL innodb_fill_factor = 70")
        self._alter(name, ", ".join(f"DROP KEY {key}" for _, key in keys))
        self._load(uri, sessions, "SET unique_checks = 0, foreign_key_checks = 0")
        self._alter(name, "FORCE, ALGORITHM = INPLACE")
        self._alter(name, ", ".join(f"ADD {definition}" for definition, _ in keys))
        self._server.sql("ANALYZE TABLE reseal_session", name)
        self._server.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1, GLOBAL innodb_fill_factor = 100")

    def add(self, uri: str, sessions: Iterable[Session]) -> None:
        self._load(uri, sessions, "SET unique_checks = 1")

    def settle(self, uris: Sequence[str]) -> None:
        """Start anew, without the pages of tables that are gone, and read the tables into the buffer pool."""
        self._server.sql("SET GLOBAL innodb_io_capacity_max = 20000, innodb_io_capacity = 10000")
        self._server.sql("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        dirty = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'"
        until(lambda: int(self._server.sql(dirty).split()[1]) < FEW_PAGES, "MariaDB does not write its pages")
        self._server.stop()
        self._server.start()
        for uri in uris:
            read = "SELECT COUNT(*) FROM reseal_session FORCE INDEX (PRIMARY) WHERE version > 0"
            self._server.sql(read, _database(uri), deadline=_ALTER_S)

    def _alter(self, name: str, changes: str) -> None:
        self._server.sql(f"ALTER TABLE reseal_session {changes}", name, deadline=_ALTER_S)

    def _load(self, uri: str, sessions: Iterable[Session], settings: str) -> None:
        names = ", ".join(f"@{name}" if name in _BINARY else name for name in COLUMNS)
        binary = ", ".join(f"{name} = UNHEX(@{name})" for name in COLUMNS if name in _BINARY)
        load = "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE reseal_session CHARACTER SET utf8mb4"
        program, place = mariadb.binary("mariadb"), f"--socket={self._server._socket}"
        with subprocess.Popen(
            [program, "--no-defaults", "-uroot", place, "--local-infile=1", f"--database={_database(uri)}",
             f"--execute={settings}; {load} ({names}) SET {binary}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as client:  # fmt: skip
            assert client.stdin is not None
            assert client.stderr is not None
            for lines in _lines(sessions, _mariadb_text):
                client.stdin.write(lines.encode())
            client.stdin.close()
            problem = client.stderr.read().decode()
        if client.returncode:
            raise RuntimeError(problem)

    def disk(self, uri: str) -> dict[str, int]:
        """MariaDB counts the pages of indexes, and those of the table, which is the index of its primary key."""
        found = self._server.sql(
            "SELECT index_name, stat_value * @@innodb_page_size FROM mysql.innodb_index_stats "
            f"WHERE database_name = '{_database(uri)}' AND table_name = 'reseal_session' AND stat_name = 'size'"
        )
        sizes = dict(line.split("\t") for line in found.splitlines())
        return {name.replace("PRIMARY", "reseal_session"): int(size) for name, size in sizes.items()}

    def log(self) -> int:
        return int(self._server.sql("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'").split()[1])


class SQLite:
    pids = ()
    sorts = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, size: int) -> str:
        return f"sqlite:///{self._folder}/{size}.db"

    def fill(self, uri: str, sessions: Iterable[Session]) -> None:
        """One transaction, with the indexes in place."""
        self.add(uri, sessions)
        connection = sqlite3.connect(_path(uri))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def add(self, uri: str, sessions: Iterable[Session]) -> None:
        insert = f"INSERT INTO session ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
        connection = sqlite3.connect(_path(uri))
        with connection:
            connection.execute("PRAGMA cache_size = -1000000")
            connection.executemany(insert, (list(map(values_of(each).get, COLUMNS)) for each in sessions))
        connection.close()

    def settle(self, uris: Sequence[str]) -> None:
        pass

    def disk(self, uri: str) -> dict[str, int]:
        return {"the file": _path(uri).stat().st_size}

    def log(self) -> int:
        return 0


class Redis:
    sorts = False

    def __init__(self, server: redis.RedisServer) -> None:
        self._server = server
        self.pids = (server.pid,)

    def store(self, size: int) -> str:
        del size
        return self._server.uri()

    def fill(self, uri: str, sessions: Iterable[Session]) -> None:
        """Write to the log without waiting for the disk, and have it rewritten at the end."""
        self._server.ask("CONFIG", "SET", "appendfsync", "no", "auto-aof-rewrite-percentage", "0")
        self.add(uri, sessions)
        self._server.ask("CONFIG", "SET", "appendfsync", "always", "auto-aof-rewrite-percentage", "100")
        self._server.ask("BGREWRITEAOF")
        rewriting = b"aof_rewrite_in_progress:1"
        until(lambda: rewriting not in self._server.ask("INFO", "persistence"), "Redis does not rewrite its log")

    def add(self, uri: str, sessions: Iterable[Session]) -> None:
        writer = AsyncRedisStore(uri)._sessions
        with socket.create_connection(("127.0.0.1", self._server.port)) as link, link.makefile("rb") as answers:
            for part in _parts(sessions):
                commands = list(itertools.chain.from_iterable(_commands(writer, each) for each in part))
                link.sendall(b"".join(map(_encoded, commands)))
                for _ in commands:
                    line = answers.readline()
                    if line.startswith(b"-"):
                        raise RuntimeError(line.decode())

    def settle(self, uris: Sequence[str]) -> None:
        pass

    def disk(self, uri: str) -> dict[str, int]:
        """The log of all stores together: after a fill it has been rewritten, and holds each key once."""
        del uri
        return {"the log": sum(path.stat().st_size for path in self._server.folder.glob("appendonlydir/*"))}

    def log(self) -> int:
        return 0


@contextmanager
def started(name: str) -> Iterator[Database]:
    """Start an engine, and throw it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="reseal-scale-") as folder:
        Path(folder).chmod(0o755)
        if name == "PostgreSQL":
            with postgres.cluster(" ".join(f"-c {key}={text}" for key, text in POSTGRES_SETTINGS.items())) as cluster:
                database = PostgreSQL(cluster)
                yield database
                database.close()
        elif name == "MariaDB":
            with mariadb.server(*(f"--{key}={text}" for key, text in MARIADB_SETTINGS.items())) as server:
                yield MariaDB(server)
        elif name == "Redis":
            with redis.server() as server:
                yield Redis(server)
        else:
            yield SQLite(Path(folder))


def until(done: Callable[[], bool], otherwise: str) -> None:
    """Wait for a server that tells nobody when it is done."""
    end = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.1)


def memory(database: Database) -> float:
    """Return the megabytes that the processes of an engine have for themselves, and their share of what they share."""
    return sum(_own_memory(pid) for each in database.pids for pid in _family(each)) / MB


def _own_memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except (OSError, ProcessLookupError):  # a process that has just ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text("ascii").split():
            yield from _family(int(child))


def _parts(sessions: Iterable[Session]) -> Iterator[list[Session]]:
    left = iter(sessions)
    while part := list(itertools.islice(left, AT_ONCE)):
        yield part


_BINARY: Final = frozenset({"current_hash", "previous_hash", "successor_sealed", "attempt_hash"})


def _lines(sessions: Iterable[Session], text: Callable[[Any], str]) -> Iterator[str]:
    """Write rows for a bulk load: columns end with a tabulator, rows with a line feed.

    What is the same in all rows is written once.
    """
    form = ""
    for part in _parts(sessions):
        if not form:
            values = values_of(part[0])
            form = "\t".join("{}" if name in OWN else _doubled(text(values[name])) for name in COLUMNS) + "\n"
        names = [name for name in COLUMNS if name in OWN and name != "due_at"]
        get = operator.attrgetter(*names)
        yield "".join(form.format(*map(text, get(each.record)), each.due_at) for each in part)


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _postgres_text(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    if isinstance(value, bool):
        return "t" if value else "f"
    return r"\N" if value is None else _escaped(value)


def _mariadb_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int):
        return str(int(value))
    return r"\N" if value is None else _escaped(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _commands(writer: Any, session: Session) -> Iterator[tuple[Any, ...]]:
    """Return what the store itself writes for a session, without its conditions."""
    now = session.record.last_seen_at
    step = Step(Stored(session.record, 0), look_at=session.due_at)
    member = f"{SCOPE.app_id}\0{SCOPE.tenant_id}\0{session.record.handle}"
    yield "ZADD", writer._layout.shard_of(member).members, 0, member
    for change in (writer.written(SCOPE, step, now), *writer.indexed(SCOPE, session.record, now)):
        yield from change._commands


def _encoded(words: tuple[Any, ...]) -> bytes:
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _path(uri: str) -> Path:
    return Path("/", urlsplit(uri).path.lstrip("/"))


def _database(uri: str) -> str:
    return urlsplit(uri).path.strip("/")
