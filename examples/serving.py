"""Ports and servers of the examples: each prints its address as soon as it answers."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

HOST: Final = "127.0.0.1"
HIGHEST_PORT: Final = 65_535


def listen(parser: argparse.ArgumentParser, given: str | None) -> tuple[socket.socket, int]:
    """Bind the port that ``--port`` or the environment's ``PORT`` names, or 8000; end with one message if it cannot."""
    source, text = ("--port", given) if given is not None else ("PORT", os.environ.get("PORT") or "8000")
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        parser.exit(2, f"{source}: {text!r} is not a port, which is a number from 1 to {HIGHEST_PORT}.\n")
    port = int(text)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        parser.exit(2, f"Port {port} cannot be used ({error.strerror}). Choose another one: --port {_another(port)}\n")
    return listener, port


def show_events() -> None:
    """Print security events, one JSON line each."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("reseal").setLevel(logging.INFO)


def announce(address: str) -> None:
    """Print where the example answers."""
    print(f"\n  Open {address}\n  Stop with Ctrl+C. Security events follow, one JSON line each.\n", flush=True)


def serve_asgi(listener: socket.socket, address: str, app: Any) -> None:
    """Serve an ASGI application until interrupted."""
    import uvicorn  # noqa: PLC0415 - the other server does not need it

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if not self.should_exit:
                announce(address)

    show_events()
    server = Server(uvicorn.Config(app, log_level="warning", access_log=False))
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


def serve_wsgi(listener: socket.socket, address: str, app: Callable[..., Any]) -> None:
    """Serve a WSGI application until interrupted, each request in a thread of its own."""

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Leave the terminal to the security events."""

    show_events()
    server = Server((HOST, 0), Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    listener.listen(64)
    server.server_name, server.server_port = "localhost", listener.getsockname()[1]
    server.setup_environ()
    server.set_app(app)
    announce(address)
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()


def _another(port: int) -> int:
    return port + 1 if port < HIGHEST_PORT else port - 1
