"""The kill list on a database server: when a reading is the last one."""

from __future__ import annotations

import pytest

from reseal._async.stores.server_kills import NUMBERED_AT_ONCE, AsyncServerKills
from reseal.core.model import Scope


class Server:
    """A server on which further sessions end between any two statements."""

    limit_s = 60

    def __init__(self, numbered):
        self.numbered = numbered

    async def fetch(self, name, values=None):
        del values
        return [("e", 7, 7, "handle", 2_000, 1_000, True)] if name == "kills" else self.numbered

    async def run(self, work):
        return await work(self)

    def transaction(self):
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        assert error == (None, None, None)

    async def settle(self):
        pass


class Kills(AsyncServerKills):
    def __init__(self, numbered):
        self._server = Server(numbered)

    def _timed(self, values):
        return values


@pytest.mark.parametrize(
    ("numbered", "more"),
    [([], False), ([(1,)], False), ([(NUMBERED_AT_ONCE - 1,)], False), ([(NUMBERED_AT_ONCE,)], True)],
)
async def test_while_sessions_end_all_the_time_a_reading_has_a_last_page(numbered, more):
    page = await Kills(numbered).kill_page(Scope(), None)
    assert (page.more, [each.name for each in page.entries]) == (more, ["handle"])
