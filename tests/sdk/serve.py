"""Serves the core service: ``python serve.py '{"port": …, "database": …, "settings": {…}}'``.

It prints which version of the interface each request asks for.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import uvicorn

from reseal import AsyncSQLiteStore
from reseal.server.app import Service
from reseal.server.config import ServiceSettings


def main(order: dict[str, Any]) -> None:
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in order["settings"].items()}
    service = Service(ServiceSettings(**settings), AsyncSQLiteStore(order["database"]))

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            version = dict(scope["headers"]).get(b"cdi-version", b"none").decode()
            print(f"cdi-version {version} of {scope['method']} {scope['path']}", flush=True)  # noqa: T201
        await service(scope, receive, send)

    uvicorn.run(noting, host="127.0.0.1", port=order["port"], log_level="info", access_log=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
