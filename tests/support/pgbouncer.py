"""PgBouncer as Debian has it, in front of a test's PostgreSQL, with what it needs in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.ports import free_port
from tests.support.postgres import PASSWORD, Cluster, unprivileged

CONFIG = """
[databases]
{database} = host=127.0.0.1 port={server_port} user=reseal password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 2
query_wait_timeout = 30
logfile = {folder}/log
{more}
"""
PATIENCE = 30


@contextmanager
def pgbouncer(cluster: Cluster, database: str, mode: str, more: str = "") -> Iterator[str]:
    """Run PgBouncer with two server connections; give the URI of a database behind it."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.fail("PgBouncer is not installed: apt-get install pgbouncer")
    folder, port = Path(tempfile.mkdtemp(prefix="reseal-pgbouncer-")), free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(
            database=database,
            server_port=cluster.port,
            password=PASSWORD,
            port=port,
            mode=mode,
            folder=folder,
            more=more,
        )
    )
    user = unprivileged()
    for each in (folder, config):
        if user:
            shutil.chown(each, user["user"], user["group"])
    none = subprocess.DEVNULL
    child = subprocess.Popen([program, str(config)], stdin=none, stdout=none, stderr=none, **user)
    try:
        uri = f"postgresql://reseal@127.0.0.1:{port}/{database}"
        _wait(uri, child, folder)
        yield uri
    finally:
        child.terminate()
        child.wait(timeout=PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(uri: str, child: subprocess.Popen[Any], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(uri, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.05)
        else:
            return
