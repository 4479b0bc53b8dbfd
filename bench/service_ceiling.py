"""What ``bench.service`` and ``bench.pieces`` measure against: the HTTP stack of the service, answering a constant.

python -m bench.service_ceiling <workers> <answer>

Without workers (0) it is the sockets alone: what arrives is taken for a request, unread.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any

import uvicorn
import uvloop
from uvicorn.supervisors import Multiprocess

from reseal.server.http.connection import StrictHttp
from reseal.server.process import KEEP_ALIVE

_ANSWER = "RESEAL_BENCH_ANSWER"


def application() -> Any:
    """Make an ASGI application that reads the body and answers the constant."""
    body = os.environ[_ANSWER].encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def answer(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def main(workers: int, answer: str) -> None:
    os.environ[_ANSWER] = answer
    config = uvicorn.Config(
        "bench.service_ceiling:application",
        factory=True,
        workers=workers,
        http=StrictHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    # with the protocol named, as the service names it: asyncio sets TCP_NODELAY only then
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        listener.set_inheritable(True)
        print(f"Started on 127.0.0.1:{listener.getsockname()[1]} with PID: {os.getpid()}", flush=True)
        if workers == 0:
            uvloop.run(_answer_unread(listener, answer.encode()))
        elif workers > 1:
            Multiprocess(config, [listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])


async def _answer_unread(listener: socket.socket, answer: bytes) -> None:
    """Answer whatever arrives, until the process is ended."""
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def data_received(self, _data: bytes) -> None:
            self._transport.write(reply)

    listening = await asyncio.get_running_loop().create_server(Answering, sock=listener)
    await listening.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
