"""Signing keys that change every few seconds under two processes, and the caches of SDKs (reliability: E10)."""

from __future__ import annotations

import asyncio
import time

from tests.server.experiments import Report
from tests.server.key_caches import QUICK, SETTINGS, KeyChanges
from tests.server.sharing import PATIENCE

KEYS = 10
"""So many sign one after the other, each for about a second."""


async def test_no_valid_token_is_refused_while_the_keys_change_again_and_again(start_sharing):
    report = Report()
    changes = KeyChanges(await start_sharing(2, before=QUICK, **SETTINGS), report)
    await changes.begin()
    ends = time.monotonic() + PATIENCE
    while len(changes.signed_by) < KEYS or changes.while_valid <= 20:
        assert time.monotonic() < ends, f"the keys do not change, or all is too slow: {vars(changes)}"
        await changes.go_on()
        assert report.violations == []
        await asyncio.sleep(0.02)
