"""The service as a process, on free loopback ports: starting, limits, draining, leaving."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import httpx
import pytest

from reseal import SQLiteStore
from reseal.core.model import Scope
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, new_session
from tests.server.running import PATIENCE, until

KEY = "canary-0123456789-abcdef"


@pytest.fixture
def start(tmp_path):
    """Start ``reseal`` with options and variables; every process is stopped by its pid at the end."""
    processes = []
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    ours = {"RESEAL_DATABASE_URI": f"sqlite:///{tmp_path}/r.db", "RESEAL_STATE_DIR": str(tmp_path / "state")}

    def start(*arguments, **variables):
        process = subprocess.Popen(
            [sys.executable, "-m", "reseal", *arguments],
            env=inherited | ours | variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def started(process):
    """Read the line that says where the service answers."""
    line = process.stdout.readline()
    assert line.startswith("Started Reseal on "), line + process.stderr.read()
    place, _, pid = line.removeprefix("Started Reseal on ").partition(" with PID: ")
    assert int(pid) == process.pid
    return f"http://{place}"


def ended(process, code):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, err
    assert "canary" not in out + err
    assert "Traceback" not in err
    return out, err


def create(base, key=KEY):
    body = {
        "userId": "u1",
        "userDataInJWT": {},
        "userDataInDatabase": {},
        "enableAntiCsrf": False,
        "useDynamicSigningKey": True,
    }
    return httpx.post(f"{base}/recipe/session", json=body, headers={"cdi-version": "5.4", "api-key": key})


def test_a_service_answers_is_listed_drains_and_leaves(start, tmp_path):
    service = start("serve", "--port=0", RESEAL_SHUTDOWN_DELAY="3", API_KEYS=KEY, RESEAL_BASE_PATH="/auth")
    base = started(service)
    entry = tmp_path / "state" / ".started" / base.removeprefix("http://").replace(":", "-")
    assert entry.read_text() == f"{service.pid}\n/auth\n"
    with httpx.Client(base_url=base) as client:
        live = client.get("/auth/healthz", headers={"x-request-id": "mine-1"})
        assert (live.status_code, live.headers["x-request-id"]) == (200, "mine-1")
        assert "server" not in live.headers
        assert client.get("/auth/readyz").status_code == 200
        assert client.get("/auth/metrics").status_code == 401
        assert create(f"{base}/auth", "wrong-0123456789-abcdef").status_code == 401
        assert create(f"{base}/auth").json()["status"] == "OK"
        numbers = client.get("/auth/metrics", headers={"api-key": KEY}).text
        assert 'operation="create",status="200"} 1' in numbers
        os.kill(service.pid, signal.SIGTERM)
        leaving = until(lambda: (probe := client.get("/auth/readyz")).status_code == 503 and probe)
        assert leaving.headers["connection"] == "close"
        assert create(f"{base}/auth").json()["status"] == "OK"  # it still takes new connections
    _, err = ended(service, 0)
    assert not entry.exists()
    lines = [json.loads(line) for line in err.splitlines()]
    creates = [line for line in lines if line.get("operation") == "create"]
    assert [line["status"] for line in creates] == [200, 200]
    assert [line["status"] for line in lines if line.get("operation") == "none"] == [401, 401]  # nobody said what for
    begun = next(line for line in lines if line["event"] == "session_created")
    assert begun["correlation_id"] == creates[0]["correlation_id"]


async def test_a_request_under_way_is_finished_after_sigterm(start):
    service = start("serve", "--port=0", RESEAL_SHUTDOWN_DELAY="0")
    address = await asyncio.to_thread(started, service)
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"userId": "u1"}'
    head = f"POST /recipe/session/remove HTTP/1.1\r\nhost: localhost\r\ncdi-version: 5.4\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:5])
    await writer.drain()
    await asyncio.to_thread(until, lambda: httpx.get(f"{address}/healthz").status_code == 200)
    os.kill(service.pid, signal.SIGTERM)
    await asyncio.to_thread(until, lambda: not listens(host, port))
    writer.write(body[5:])
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"sessionHandlesRevoked":[]' in answer
    await asyncio.to_thread(ended, service, 0)


def listens(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_port_in_use_is_told(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, err = ended(start("serve", f"--port={port}"), 3)
        assert f"port {port} of 127.0.0.1 is taken" in err
        _, err = ended(start("serve", "--port=0", RESEAL_METRICS_PORT=str(port)), 3)
        assert f"port {port} of 127.0.0.1 is taken" in err


def test_the_familiar_commands_start_list_and_stop(start):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    out, _ = ended(start("start", "production", f"--port={port}", "--host=localhost"), 0)
    assert out.startswith(f"Started Reseal on localhost:{port} with PID: ")
    pid = int(out.rpartition(" ")[2])
    try:
        assert httpx.get(f"http://localhost:{port}/hello").text == "Hello\n"
        listed = json.loads(ended(start("list", "--json"), 0)[0])
        assert listed == [{"pid": pid, "host": "localhost", "port": port, "base_path": ""}]
        _, err = ended(start("start", f"--port={port}", "--host=localhost"), 3)
        assert "is taken: stop what listens there" in err
        ended(start("stop", f"--id={pid}"), 0)
        assert not listens("localhost", port)
        pid = None
    finally:
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def test_the_backlog_of_purging_is_in_the_metrics(start, tmp_path):
    clock, expired = ManualClock(time.time_ns() // 1_000_000 - 3 * DAY), [f"h-{n}" for n in range(1200)]
    with closing(SQLiteStore(tmp_path / "r.db", clock)) as store:
        store.open()
        for handle in expired:
            store.insert(Scope(), new_session(handle))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service = start("serve", "--port=0", RESEAL_METRICS_PORT=str(port), RESEAL_SHUTDOWN_DELAY="0")
    started(service)

    def left():
        numbers = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        found = re.search(r"^reseal_purge_backlog_sessions (\d+)$", numbers, re.MULTILINE)
        return None if found is None else int(found[1])

    assert until(lambda: left() == 0)
    assert "reseal_purge_overdue_seconds" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    os.kill(service.pid, signal.SIGINT)
    ended(service, 0)
    with closing(sqlite3.connect(tmp_path / "r.db")) as file:
        assert file.execute("SELECT count(*) FROM session").fetchone() == (0,)


def test_the_metrics_have_a_port_of_their_own_if_asked(start):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service = start("serve", "--port=0", RESEAL_METRICS_PORT=str(port), RESEAL_SHUTDOWN_DELAY="0")
    base = started(service)
    httpx.get(f"{base}/hello")
    assert 'operation="hello",status="200"} 1' in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert httpx.get(f"http://127.0.0.1:{port}/hello").status_code == 404
    os.kill(service.pid, signal.SIGINT)
    ended(service, 0)


def test_a_page_cannot_reach_an_open_service_through_a_name_of_its_own(start):
    base = started(start("serve", "--port=0"))
    assert httpx.get(f"{base}/hello", headers={"host": "rebound.example"}).status_code == 403
    assert httpx.get(f"{base}/hello", headers={"host": "localhost:3567"}).status_code == 200
    assert httpx.get(f"{base}/hello", headers={"host": "[::1]"}).status_code == 200


def test_too_large_a_head_is_refused(start):
    base = started(start("serve", "--port=0"))
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nx: ")
        try:
            for _ in range(200):
                connection.sendall(b"x" * 1000)
        except OSError:
            pass  # hung up on before all was sent
        else:
            assert connection.recv(100)[9:12] in {b"400", b"431"}
    assert httpx.get(f"{base}/hello").status_code == 200
