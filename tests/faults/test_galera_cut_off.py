"""A node of a Galera cluster is cut off from the others: it refuses, they go on, and nothing is lost or mistaken."""

from __future__ import annotations

import pytest

from tests.support.name_spaces import run_alone

pytestmark = pytest.mark.whole  # a network of one's own is not allowed everywhere


def test_a_node_that_is_cut_off_signs_nobody_out_and_accuses_nobody():
    assert run_alone("net", "tests.faults.galera_cut_off").count("after the cut has ended") == 2
