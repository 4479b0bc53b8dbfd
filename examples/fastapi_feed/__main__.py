"""Start the example on this machine: ``python -m examples.fastapi_feed [--port 8000]``."""

import argparse
import logging
import os
import socket
import sys
from typing import Final

import uvicorn

from reseal.core.errors import ConfigurationError

from .app import create_app, demo_settings

HOST: Final = "127.0.0.1"
HIGHEST_PORT: Final = 65_535


class Server(uvicorn.Server):
    """Prints the address as soon as the server answers."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            print(
                f"\n  Open {self._address}\n  Stop with Ctrl+C. Security events follow, one JSON line each.\n",
                flush=True,
            )


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="./run example", description="The Reseal feed example.")
    parser.add_argument("--port", help="default: the environment's PORT, or 8000")
    given: str | None = parser.parse_args().port
    source, text = ("--port", given) if given is not None else ("PORT", os.environ.get("PORT") or "8000")
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        parser.exit(2, f"{source}: {text!r} is not a port, which is a number from 1 to {HIGHEST_PORT}.\n")
    port = int(text)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        settings = demo_settings(port)
    except ConfigurationError as error:
        parser.exit(2, f"{error}\n")
    except OSError as error:
        parser.exit(2, f"Port {port} cannot be used ({error.strerror}). Choose another one: --port {_another(port)}\n")
    serve(listener, settings.website_origin, create_app(settings))


def serve(listener: socket.socket, address: str, app: object) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("reseal").setLevel(logging.INFO)
    server = Server(uvicorn.Config(app, log_level="warning", access_log=False), address)  # type: ignore[arg-type]
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


def _another(port: int) -> int:
    return port + 1 if port < HIGHEST_PORT else port - 1


if __name__ == "__main__":
    main()
