"""Slots of a cluster move from master to master while users are under way: some calls get 503, and nobody notices more."""

from __future__ import annotations

import subprocess

import pytest

from reseal import AsyncReseal, Settings
from tests.support.redis import CLIENT
from tests.support.redis_cluster import cluster
from tests.support.users import Users

API = "https://api.example.com"
SLOTS = "2000"

pytestmark = pytest.mark.whole  # it takes some ten seconds


async def test_while_slots_move_there_is_no_error_but_503_and_nobody_is_signed_out():
    with cluster(replicas=0) as nodes:
        sessions = AsyncReseal(Settings(api_domain=API, database_uri=nodes.uri())).backend
        await sessions.open()
        users, ids = Users(24, stays=0.95), [node.ask("CLUSTER", "MYID").split()[1].decode() for node in nodes.nodes]

        def reshard():
            for source, target in zip(ids, ids[1:] + ids[:1], strict=True):
                moving = [CLIENT, "--cluster", "reshard", nodes.nodes[0].place, "--cluster-from", source, "--cluster-to",
                          target, "--cluster-slots", SLOTS, "--cluster-yes", "--cluster-pipeline", "1"]  # fmt: skip
                subprocess.run(moving, check=True, capture_output=True, timeout=120)

        await users.during(sessions, reshard)
        await users.look_back(sessions)
        await sessions.close()
    assert users.violations == []
    assert users.refused < users.done / 50
