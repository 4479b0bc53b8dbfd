"""Servers that people use, each with two workers, over a small application; and what a browser does with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx

from tests.support.ports import free_port

APPS = Path(__file__).with_name("apps")
KEY = "a-key-of-twenty-characters"
PATIENCE = 60
AT_ONCE = 64
USERS = 24

GUNICORN = "gunicorn --bind 127.0.0.1:{port} --no-control-socket --log-level warning --workers 2 --graceful-timeout 5"
# a worker may never end by itself: https://github.com/emmett-framework/granian/issues/875
GRANIAN = "granian --host 127.0.0.1 --port {port} --workers 2 --workers-kill-timeout 20"
WSGI = {
    "sync": f"{GUNICORN} wsgi_app:app",
    "sync-preload": f"{GUNICORN} --preload wsgi_app:app",
    "gevent": f"{GUNICORN} --worker-class gevent wsgi_app:app",
    "gevent-preload": f"{GUNICORN} --worker-class gevent --preload wsgi_app:app",
    "granian-wsgi": f"{GRANIAN} --interface wsgi wsgi_app:app",
    "gthread": f"{GUNICORN} --worker-class gthread --threads 8 wsgi_app:app",
    "gthread-preload": f"{GUNICORN} --worker-class gthread --threads 8 --preload wsgi_app:app",
}
ASGI = {
    "gunicorn-uvicorn": f"{GUNICORN} --worker-class uvicorn_worker.UvicornWorker asgi_app:app",
    "gunicorn-uvicorn-preload": f"{GUNICORN} --worker-class uvicorn_worker.UvicornWorker --preload asgi_app:app",
    "uvicorn": "uvicorn --host 127.0.0.1 --port {port} --workers 2 --log-level warning asgi_app:app",
    "hypercorn": "hypercorn --bind 127.0.0.1:{port} --workers 2 asgi_app:app",
    "granian": f"{GRANIAN} --interface asgi asgi_app:app",
}

OWN = {
    "sanic": "sanic --host 127.0.0.1 --port {port} --workers 2 --no-motd sanic_app:app",
    "aiohttp": "aiohttp.web --hostname 127.0.0.1 --port {port} aiohttp_app:make",
    "gunicorn-aiohttp": f"{GUNICORN} --worker-class aiohttp.GunicornWebWorker aiohttp_app:app",
}
"""Those that serve one framework only."""


@contextmanager
def run(server: str, folder: Path, app: str | None = None, **variables: str) -> Iterator[str]:
    """Run a server over an application, ours without a framework or FastAPI's; give the address of its site."""
    port = free_port()
    site = f"http://localhost:{port}"
    *command, usual = (WSGI | ASGI | OWN)[server].format(port=port).split()
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", *command, app or usual],
            env=os.environ
            | {"API": site, "KEY": KEY, "PYTHONPATH": os.pathsep.join([*sys.path, str(APPS)])}
            | variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(site):
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield site
    finally:
        child.terminate()
        try:
            child.wait(timeout=PATIENCE)
        finally:
            _kill_group(child.pid)


def _answers(site: str) -> bool:
    try:
        return httpx.get(f"{site}/feed", verify=False, trust_env=False).status_code == 401
    except httpx.TransportError:
        return False


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # whatever a server left behind is its child, in the session that we began


def browser(site: str, **headers: str) -> httpx.Client:
    """Make a page's client; without the certificates that httpx would load each time."""
    headers = {"sec-fetch-site": "same-origin"} | headers
    return httpx.Client(base_url=site, headers=headers, timeout=PATIENCE, verify=False, trust_env=False)


def live(site: str) -> None:
    """Live from sign-in to sign-out."""
    with browser(site) as alice:
        assert alice.post("/login?alice").status_code == 200
        assert alice.get("/feed").json()["user"] == "alice"
        old = alice.cookies["sRefreshToken"]
        assert alice.post("/session/refresh").status_code == 200
        assert alice.cookies["sRefreshToken"] != old
        assert alice.get("/feed").json()["user"] == "alice"
        assert alice.post("/signout").json() == {"status": "OK"}
        assert not alice.cookies
        assert alice.get("/feed").status_code == 401


def refresh_at_once(site: str) -> None:
    """Refresh one token many times at once: all get the same successor."""
    with browser(site) as alice:
        alice.post("/login?alice")
        refresh = partial(_refresh, site, alice.cookies["sRefreshToken"])
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda _: refresh(), range(AT_ONCE)))
        assert {answer.status_code for answer in answers} == {200}
        [successor] = {answer.cookies["sRefreshToken"] for answer in answers}
        assert _refresh(site, successor).status_code == 200


def _refresh(site: str, token: str) -> httpx.Response:
    with browser(site, cookie=f"sRefreshToken={token}") as client:
        return client.post("/session/refresh")


def crowd(site: str) -> None:
    """Have many users live at once: nobody meets somebody else, and nobody is signed out."""

    def live_as(name: str) -> None:
        with browser(site) as user:
            assert user.post(f"/login?{name}").status_code == 200
            for _ in range(3):
                seen = user.get("/feed", headers={"connection": "close"})
                assert (seen.status_code, seen.json().get("user")) == (200, name)
                assert user.post("/session/refresh").status_code == 200
            assert user.get("/feed").json()["user"] == name

    with ThreadPoolExecutor(USERS) as threads:
        list(threads.map(live_as, [f"user-{n}" for n in range(USERS)]))
