# Generated from tests/_async/test_server_kills.py by tools/unasync.py; edit that file instead.
"""The kill list on a database server: when a reading is the last one."""

from __future__ import annotations

import pytest

from reseal._sync.stores.server_kills import NUMBERED_AT_ONCE, ServerKills
from reseal.core.model import Scope


class Server:
    """A server on which further sessions end between any two statements."""

    limit_s = 60

    def __init__(self, numbered):
        self.numbered = numbered

    def fetch(self, name, values=None):
        del values
        return [("e", 7, 7, "handle", 2_000, 1_000, True)] if name == "kills" else self.numbered

    def run(self, work):
        return work(self)

    def transaction(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        assert error == (None, None, None)

    def settle(self):
        pass


class Kills(ServerKills):
    def __init__(self, numbered):
        self._server = Server(numbered)

    def _timed(self, values):
        return values


@pytest.mark.parametrize(
    ("numbered", "more"),
    [([], False), ([(1,)], False), ([(NUMBERED_AT_ONCE - 1,)], False), ([(NUMBERED_AT_ONCE,)], True)],
)
def test_while_sessions_end_all_the_time_a_reading_has_a_last_page(numbered, more):
    page = Kills(numbered).kill_page(Scope(), None)
    assert (page.more, [each.name for each in page.entries]) == (more, ["handle"])
