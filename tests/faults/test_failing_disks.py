"""A server's disk fails: what it cannot force to the disk is not acknowledged, and nothing that was is missing (E16)."""

from __future__ import annotations

import pytest

from reseal import AsyncReseal, Settings
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder
from tests.support.failing_calls import failing
from tests.support.postgres import Cluster
from tests.support.redis_cluster import until
from tests.support.users import Users

pytestmark = pytest.mark.whole  # attaching to another process is not allowed everywhere
API = "https://api.example.com"


def start_again(server):
    """Do what a supervisor of services does: servers end themselves when they cannot trust their files any more."""
    if not isinstance(server, Cluster) or (server.folder / "data" / "postmaster.pid").exists():
        server.kill()
    server.start()


@pytest.mark.parametrize("own", ["own_postgres", "own_mariadb", "own_redis"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
async def test_what_a_server_cannot_force_to_the_disk_is_not_acknowledged(request, own, error):
    server = request.getfixturevalue(own)
    uri = server.uri(server.database()) if own == "own_mariadb" else server.uri()
    events, users = Recorder(), Users()
    sessions = AsyncReseal(Settings(api_domain=API, database_uri=uri), on_event=events).backend
    await sessions.open()

    def fault():
        until(lambda: users.done > 30)
        refused = users.refused + 20
        with failing(server.pid, "fsync,fdatasync", error):
            until(lambda: users.refused > refused)
        start_again(server)

    await users.during(sessions, fault)
    await users.look_back(sessions)
    await sessions.close()
    assert users.violations == []
    assert events.named(EventName.STORE_ROLLED_BACK) == []
