"""What a change of policies would do, before anybody makes it."""

from __future__ import annotations

import pytest

from reseal import Engine, Reseal, Settings
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.errors import Unauthorised
from reseal.testing import ManualClock
from reseal.testing.material import HOUR

API = "https://api.example.com"
TABLE = {"staff": {"refresh_token_validity": 600}, "other": {"session_absolute_timeout": 600}}


def settings(**policies) -> Settings:
    return Settings.from_mapping({"api_domain": API, "policies": TABLE | policies}, source="a test")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_as_many_sessions_end_as_the_preview_said(kind, tmp_path):
    clock = ManualClock()
    store = MemoryStore(clock) if kind == "memory" else SQLiteStore(tmp_path / "sessions.db", clock)
    present, changed = settings(), settings(staff={"refresh_token_validity": 60})
    with Reseal(present, sessions=Engine(present, store, clock=clock)) as reseal:
        reseal.choose_policy(lambda sign_in: sign_in.user_id if sign_in.user_id in TABLE else None)
        begun = [reseal.backend.create(name) for name in ["staff"] * 3 + ["other"] * 2 + ["plain"] * 600]
        clock.advance(HOUR)
        begun[0] = reseal.backend.refresh(str(begun[0].refresh_token))
        assert reseal.preview_policies(present) == (605, 0)
        assert reseal.preview_policies(changed) == (605, 2)
        assert len(reseal.get_all_session_handles_for_user("staff")) == 3
    ended = 0
    with Engine(changed, store, clock=clock) as engine:
        for pair in begun[:10]:
            try:
                engine.refresh(str(pair.refresh_token))
            except Unauthorised:
                ended += 1
    assert ended == 2
