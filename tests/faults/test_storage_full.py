"""The storage of an engine is full for a while: no write is acknowledged that is lost, and nobody is signed out."""

from __future__ import annotations

import pytest

from tests.support.name_spaces import run_alone

pytestmark = pytest.mark.whole  # mounting is not allowed everywhere


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb", "redis"])
@pytest.mark.parametrize("rounds", [1, 10])
def test_while_there_is_no_room_the_answer_is_503_and_afterwards_nothing_is_lost(engine, rounds):
    assert "refused" in run_alone("mount", "tests.faults.storage_full", engine, str(rounds))
