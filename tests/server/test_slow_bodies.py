"""A caller who does not finish its request is not waited for."""

from __future__ import annotations

import asyncio

import pytest

from reseal.cdi.problem import Problem
from reseal.server.http.messages import read_body


async def test_a_body_that_never_ends_is_given_up():
    waited = asyncio.Event()

    async def receive():
        if not waited.is_set():
            waited.set()
            return {"type": "http.request", "body": b"{", "more_body": True}
        return await asyncio.Event().wait()

    with pytest.raises(Problem) as refused:
        await read_body([], receive, patience=0)
    assert refused.value.status == 408


async def test_a_body_in_pieces_is_read_whole():
    pieces = iter([(b"{", True), (b"}", False)])

    async def receive():
        body, more = next(pieces)
        return {"type": "http.request", "body": body, "more_body": more}

    assert await read_body([], receive) == b"{}"
