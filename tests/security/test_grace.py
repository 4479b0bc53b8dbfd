"""The grace rule seen from outside: the same successor for a while, and then theft (S36)."""

from __future__ import annotations

import pytest

from reseal import TokenTheftDetected, Unauthorised
from tests.security.material import App

WINDOW = 30_000


def test_in_the_window_every_replay_gives_the_same_successor():
    app = App(enable_anti_csrf=True)
    successor = app.engine.refresh(app.pair.refresh_token)
    for _ in range(20):
        app.clock.advance(WINDOW // 21)
        again = app.engine.refresh(app.pair.refresh_token)
        assert (again.refresh_token, again.anti_csrf) == (successor.refresh_token, successor.anti_csrf)
    assert app.engine.get(app.pair.claims.sid).generation == 1


@pytest.mark.parametrize(("after", "theft"), [(WINDOW - 1, False), (WINDOW, True)])
def test_the_window_ends_at_its_millisecond_once_the_successor_was_used(after, theft):
    app = App()
    successor = app.engine.refresh(app.pair.refresh_token)
    app.engine.check(app.engine.verify(successor.access_token))
    app.clock.advance(after)
    if not theft:
        assert app.engine.refresh(app.pair.refresh_token).refresh_token == successor.refresh_token
        return
    with pytest.raises(TokenTheftDetected):
        app.engine.refresh(app.pair.refresh_token)
    with pytest.raises(Unauthorised, match="theft"):
        app.engine.refresh(successor.refresh_token)


def test_a_window_of_nothing_is_the_strict_rule():
    app = App(refresh_token_rotation_grace_period=0, lost_response_window=0)
    app.engine.refresh(app.pair.refresh_token)
    with pytest.raises(TokenTheftDetected):
        app.engine.refresh(app.pair.refresh_token)


def test_generations_that_need_a_replay_outside_the_window_are_counted():
    app = App()
    pair = app.pair
    for _ in range(2):
        lost = app.engine.refresh(pair.refresh_token)
        app.clock.advance(WINDOW)
        again = app.engine.refresh(pair.refresh_token)
        assert again.refresh_token == lost.refresh_token
        pair = again
    app.engine.refresh(pair.refresh_token)
    app.clock.advance(WINDOW)
    with pytest.raises(TokenTheftDetected):
        app.engine.refresh(pair.refresh_token)


@pytest.mark.parametrize("jump", [-3_600_000, -1, 0])
def test_setting_the_clock_back_opens_no_window_again(jump):
    app = App()
    successor = app.engine.refresh(app.pair.refresh_token)
    app.engine.check(app.engine.verify(successor.access_token))
    app.clock.advance(WINDOW)
    app.clock.jump(jump)
    with pytest.raises(TokenTheftDetected):
        app.engine.refresh(app.pair.refresh_token)
