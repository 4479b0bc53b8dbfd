"""Lines between application, service and database are cut, one way or both: no session has two lines of tokens."""

from __future__ import annotations

import pytest

from tests.support.name_spaces import run_alone

pytestmark = pytest.mark.whole  # it takes minutes, and a network of its own is not allowed everywhere


@pytest.mark.parametrize("engine", ["postgres", "mariadb", "redis"])
def test_a_line_that_is_cut_costs_no_session_and_hides_no_thief(engine):
    assert "hears nothing" in run_alone("net", "tests.faults.cut_lines", engine, seconds=400)
