"""Of several processes that notice at the same time that a key of an app is due, one publishes it, over every store."""

from __future__ import annotations

import os

import pytest

from reseal.cdi.key_ring import OVERLAP
from reseal.core.keys import Wrapping
from reseal.server.cdi.keyring import CdiKeyRingKeeper
from reseal.testing.material import HOUR
from tests._async.test_due_keys import WEEK, clock, make_store, nothing, stores

__all__ = ["clock", "make_store", "stores"]


def keeper(store, clock, algorithm="ES256"):
    return CdiKeyRingKeeper(
        "public", store, clock, os.urandom, Wrapping(None), algorithm=algorithm, interval_ms=WEEK, token_ms=HOUR
    )


@pytest.mark.parametrize("late", [0, 7, 3 * WEEK])
async def test_keys_that_are_due_are_published_once(stores, clock, late):
    one, other = (keeper(store, clock) for store in stores)
    await one.keep_fresh()
    await other.keep_fresh()
    clock.advance(WEEK - OVERLAP + late)

    async def the_other_is_faster():
        clock.advance(3)
        await other.keep_fresh()

    stores[0].before("add_key", the_other_is_faster)
    ring, of_the_other = await one.keep_fresh(), other.ring
    for algorithm in ("RS256", "ES256"):
        dynamic = [key.kid for key in ring.series(algorithm).dynamic]
        assert len(dynamic) == 2
        assert dynamic == [key.kid for key in of_the_other.series(algorithm).dynamic]


async def test_first_keys_for_another_algorithm_are_published_once(stores, clock):
    await keeper(stores[0], clock, "RS256").keep_fresh()
    clock.advance(HOUR)
    one, other = (keeper(store, clock) for store in stores)

    async def the_other_is_faster():
        clock.advance(3)
        await other.keep_fresh()

    stores[0].before("add_key", nothing)  # the key for refresh tokens, which is there
    stores[0].before("add_key", the_other_is_faster)
    series, of_the_other = (await one.keep_fresh()).series("ES256"), other.ring.series("ES256")
    for mine, its in ((series.dynamic, of_the_other.dynamic), (series.static, of_the_other.static)):
        assert len(mine) == 1
        assert [key.kid for key in mine] == [key.kid for key in its]
