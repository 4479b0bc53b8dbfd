"""A Redis master is cut off together with some of its clients: what replicas acknowledged stays, and nobody is accused."""

from __future__ import annotations

import pytest

from tests.support.name_spaces import run_alone

pytestmark = pytest.mark.whole  # a network of one's own is not allowed everywhere

BOUNDED = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")


@pytest.mark.parametrize("acknowledge", ["fsync", "replicas:1"])
@pytest.mark.parametrize("servers", [("cluster",), ("sentinel",), ("sentinel", *BOUNDED)], ids=" ".join)
def test_nobody_is_accused_and_what_replicas_acknowledged_is_kept(servers, acknowledge):
    kind, *options = servers
    printed = run_alone("net", "tests.faults.redis_cut_off", kind, acknowledge, *options)
    assert "a replica took over" in printed
