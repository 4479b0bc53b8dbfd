"""The pieces into which the benchmark takes a call apart are still those of the service."""

from __future__ import annotations

import pytest

from bench.pieces import CALLS, ENGINE, Parts


@pytest.mark.parametrize("call", CALLS)
async def test_every_piece_of_a_call_runs_by_itself(call):
    parts = Parts("ES256")
    cases = await parts.open()
    with parts.taken_apart():
        pieces = parts.of(call)
        for _ in range(2):
            parts.prepare(call, cases[0])
            for piece in pieces.values():
                piece(cases[0])
            assert cases[0].outcome["status"] == "OK"
    await parts.application.service.close()
    assert ENGINE in pieces
