"""Show how HTTP servers answer requests that a service should refuse, as the table of docs/adr/0019.

python tools/framing.py [--watch SECONDS]

The same bytes go to Reseal's connections, to uvicorn's and to granian, each over the same small application on a free
loopback port; granian is left out where it is not installed. "open": the connection was open when watching ended.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import re
import socket
import subprocess
import sys
import time
from typing import Any, Final

SERVERS: Final = {"Reseal": "strict", "uvicorn": "httptools", "granian": "granian"}
GRANIAN: Final = ("--http1-header-read-timeout", "2000", "--http1-buffer-size", "32768")
"""Its limits, which it does not set by itself."""
HOST: Final = b"Host: localhost\r\n"
GET: Final = b"GET / HTTP/1.1\r\n"
POST: Final = b"POST / HTTP/1.1\r\n" + HOST
SENT: Final = {
    "a header of 900 kB": GET + HOST + b"X: " + b"a" * 900_000 + b"\r\n\r\n",
    "half a head": GET + HOST,
    "nothing at all": b"",
    "a length and chunks together": POST
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two Host lines": GET + HOST + HOST + b"\r\n",
    "no Host line": GET + b"\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "a folded header": GET + HOST + b"X: a\r\n b\r\n\r\n",
    "a fragment in the target": b"GET /a#/b HTTP/1.1\r\n" + HOST + b"\r\n",
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and answer 200."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def serve(kind: str, port: int) -> None:
    """Run uvicorn with a protocol, until the process is ended."""
    import uvicorn  # noqa: PLC0415 - in the child alone

    from reseal.server.http.connection import StrictHttp  # noqa: PLC0415

    http: Any = StrictHttp if kind == "strict" else kind
    uvicorn.run(
        application, port=port, http=http, lifespan="off", ws="none", log_level="critical", timeout_keep_alive=2
    )


def started(kind: str, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--serve", kind, "--port", str(port)]
    if kind == "granian":
        options = ("--interface", "asginl", "--port", str(port), "--no-ws", "--log-level", "critical", *GRANIAN)
        command = [sys.executable, "-m", "granian", *options, "tools.framing:application"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def answer(port: int, sent: bytes, watch: float) -> str:
    """Return the status, and the seconds until it came if they are many, or what else became of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    try:
        writer.write(sent)
        async with asyncio.timeout(watch):
            line = await reader.readline()
    except TimeoutError:
        return f"open ({watch:.0f} s watched)"
    except ConnectionError:
        line = b""
    finally:
        writer.close()
    passed = time.monotonic() - began
    found = re.match(rb"HTTP/1\.1 (\d{3})", line)
    shown = found[1].decode() if found else "closed"
    return shown if passed < 1 else f"{shown} after {passed:.0f} s"


async def answers(port: int, watch: float) -> dict[str, str]:
    found = await asyncio.gather(*(answer(port, sent, watch) for sent in SENT.values()))
    return dict(zip(SENT, found, strict=True))


def measured(kind: str, watch: float) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = started(kind, port)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if child.poll() is not None:
                    raise SystemExit(f"{kind} did not start") from None
                time.sleep(0.05)
        return asyncio.run(answers(port, watch))
    finally:
        child.terminate()
        child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watch", type=float, default=13)
    parser.add_argument("--serve", choices=("strict", "httptools"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port)
        return
    servers = [name for name, kind in SERVERS.items() if kind != "granian" or importlib.util.find_spec("granian")]
    columns = {name: measured(SERVERS[name], options.watch) for name in servers}
    print(f"| sent | {' | '.join(servers)} |\n|---|{'---|' * len(servers)}")
    for sent in SENT:
        print(f"| {sent} | {' | '.join(columns[name][sent] for name in servers)} |")


if __name__ == "__main__":
    main()
