"""A receiver of webhooks on a loopback port."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

PATIENCE = 60
"""Seconds for a busy machine."""


class Arrived(NamedTuple):
    """A request that was answered."""

    headers: dict[str, str]
    body: bytes


class Site:
    """Answers with ``status``, and remembers what it answered; while ``hangs`` it remembers and answers nothing."""

    def __init__(self) -> None:
        self.status = 204
        self.hangs = False
        self.asked = 0
        """How many requests came."""
        self.arrived: list[Arrived] = []
        self.goes_on = threading.Event()
        self.url = ""

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (
                f"{self.asked} requests came, of which {len(self.arrived)} were answered"
            )
            self.goes_on.wait(0.01)

    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.arrived]


class Server(ThreadingHTTPServer):
    request_queue_size = 128


@contextmanager
def listening() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            site.asked += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            if site.hangs:
                site.goes_on.wait(PATIENCE)
                return
            site.arrived.append(Arrived({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(site.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/hooks"
    try:
        yield site
    finally:
        site.goes_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
