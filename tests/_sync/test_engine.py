# Generated from tests/_async/test_engine.py by tools/unasync.py; edit that file instead.
"""The engine keeps the promises of sessions over every store, and those that only an engine can give."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

from reseal._sync.keyring import RELOAD_EVERY
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.errors import ConfigurationError, Refusal, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.model import Scope
from reseal.core.purging import KEPT, Backlog
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR, MINUTE, new_session

SECRET, ANOTHER = "first secret of 32 characters!!!", "other secret of 32 characters!!!"


class TestOverMemory(SessionsSuite):
    @pytest.fixture
    def world(self):
        kept = {}
        with World(lambda clock: kept.setdefault("store", MemoryStore(clock))) as world:
            yield world


class TestOverSQLite(SessionsSuite):
    @pytest.fixture
    def world(self, tmp_path):
        with World(lambda clock: SQLiteStore(tmp_path / "sessions.db", clock)) as world:
            yield world


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def world(path):
    with World(lambda clock: SQLiteStore(path, clock)) as world:
        yield world


# -- purging --------------------------------------------------------------------------------------------------------


def test_removal_keeps_up_with_sign_ins(world):
    sessions = world.sessions()
    for n in range(2000):
        world.store.insert(Scope(), new_session(f"old-{n}"))
    world.clock.advance(HOUR + KEPT)
    assert (sessions.backlog()).sessions == 2000
    for _ in range(500):
        sessions.create("user")
    assert sessions.backlog() == Backlog(0, 0)


def test_refreshing_alone_removes_expired_sessions_too(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.store.insert(Scope(), new_session(idle_ms=1000))
    world.clock.advance(1000 + KEPT)
    assert (sessions.backlog()).sessions == 1
    sessions.refresh(pair.refresh_token)
    assert sessions.backlog() == Backlog(0, 0)


def test_purging_that_fails_refuses_nobody(world):
    sessions = world.sessions()
    world.store.refuse("purge")
    pair = sessions.create("user")
    world.clock.advance(HOUR // 2)
    world.store.refuse("purge")
    sessions.refresh(pair.refresh_token)


# -- a clock that jumps -----------------------------------------------------------------------------------------------


def test_a_clock_that_is_fast_for_a_moment_dates_and_retires_no_key(world):
    sessions = world.sessions(refresh_token_validity=120)
    pair = sessions.create("user")
    keys = world.store.keys("public")
    world.clock.jump(365 * DAY)
    world.clock.advance(RELOAD_EVERY)
    sessions.keep_fresh()
    during = sessions.refresh(pair.refresh_token)
    assert sessions.verify(during.access_token).gen == 1
    assert world.store.keys("public") == keys
    sessions = world.restart(refresh_token_validity=120)
    assert world.store.keys("public") == keys
    world.clock.jump(-365 * DAY)
    after = sessions.refresh(during.refresh_token)
    assert sessions.verify(after.access_token).gen == 2


# -- a store that was rolled back -----------------------------------------------------------------------------------


def test_tokens_newer_than_a_restored_store_end_as_unauthorised_and_loudly(world, path, tmp_path):
    sessions = world.sessions()
    pair = sessions.create("user")
    line = [pair.refresh_token]
    for _ in range(2):
        line.append((sessions.refresh(line[-1])).refresh_token)
    world.stop()
    shutil.copy(path, tmp_path / "backup.db")
    sessions = world.sessions()
    created_since = sessions.create("user")
    for _ in range(3):
        line.append((sessions.refresh(line[-1])).refresh_token)
    world.stop()
    for leftover in tmp_path.glob("sessions.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup.db", path)
    sessions = world.sessions()
    for token in line[3:]:
        with pytest.raises(Unauthorised) as error:
            sessions.refresh(token)
        assert error.value.reason is Refusal.NEWER_THAN_STORE
    with pytest.raises(Unauthorised) as error:
        sessions.refresh(created_since.refresh_token)
    assert error.value.reason is Refusal.UNKNOWN_SESSION
    assert len(world.events.named(EventName.STORE_ROLLED_BACK)) == 3
    assert world.events.named(EventName.TOKEN_THEFT) == []
    assert [r.handle for r in sessions.list_user("user")] == [pair.claims.sid]


def test_a_token_of_the_same_age_from_before_a_restore_is_no_theft(world, path, tmp_path):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.stop()
    shutil.copy(path, tmp_path / "backup.db")
    sessions = world.sessions()
    lost_branch = sessions.refresh(pair.refresh_token)
    world.stop()
    for leftover in tmp_path.glob("sessions.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup.db", path)
    sessions = world.sessions()
    new_branch = sessions.refresh(pair.refresh_token)
    assert new_branch.claims.gen == lost_branch.claims.gen
    assert new_branch.refresh_token != lost_branch.refresh_token
    with pytest.raises(Unauthorised) as error:
        sessions.refresh(lost_branch.refresh_token)
    assert error.value.reason is Refusal.NEWER_THAN_STORE
    assert (sessions.refresh(new_branch.refresh_token)).claims.gen == 2


# -- keys and the secret --------------------------------------------------------------------------------------------


def test_a_store_is_not_opened_with_another_secret_or_without_it(world):
    sessions = world.sessions(secret_key=SECRET)
    pair = sessions.create("user")
    for wrong in (ANOTHER, None):
        with pytest.raises(ConfigurationError, match="secret_key"):
            world.restart(secret_key=wrong)
    sessions = world.restart(secret_key=SECRET)
    sessions.verify(pair.access_token)
    sessions.refresh(pair.refresh_token)


def test_a_secret_that_comes_later_closes_old_seals_and_accuses_nobody(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    successor = sessions.refresh(pair.refresh_token)
    sessions = world.restart(secret_key=SECRET)
    with pytest.raises(Unauthorised) as error:
        sessions.refresh(pair.refresh_token)
    assert error.value.reason is Refusal.SUCCESSOR_UNREADABLE
    newest = sessions.refresh(successor.refresh_token)
    assert (sessions.refresh(successor.refresh_token)).refresh_token == newest.refresh_token
    assert world.events.named(EventName.TOKEN_THEFT) == []


def test_no_part_of_a_token_and_no_key_lies_open_in_the_file(world, path, tmp_path):
    sessions = world.sessions(secret_key=SECRET, enable_anti_csrf=True)
    tokens = []
    for _ in range(20):
        pair = sessions.create("user")
        for _ in range(3):
            pair = sessions.refresh(pair.refresh_token)
            tokens.append(pair)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("sessions.db*"))
    assert len(kept) > 10_000
    for pair in tokens:
        secrets = [*pair.refresh_token.split(".")[3:], pair.anti_csrf, pair.access_token]
        pieces = [secret[n : n + 16].encode() for secret in secrets for n in range(0, len(secret) - 16, 8)]
        assert [piece for piece in pieces if piece in kept] == []


def test_tokens_stay_good_while_the_signing_key_is_replaced(world):
    sessions = world.sessions(access_token_validity=600)
    issued = []
    for _ in range(20):
        sessions.rotate_keys()
        for _ in range(4):
            world.clock.advance(MINUTE)
            sessions.keep_fresh()
            issued.append((world.clock.wall(), (sessions.create("user")).access_token))
            for at, token in issued:
                if world.clock.wall() < at + 10 * MINUTE - 1000:
                    sessions.verify(token)
    assert len(world.events.named(EventName.KEY_PUBLISHED)) == 21
    assert world.events.named(EventName.KEY_RETIRED)


def test_engines_over_one_store_agree_on_its_keys(world):
    sides = [world.sessions() for _ in range(3)]
    for n, side in enumerate(sides):
        pair = side.create(f"user {n}")
        for other in sides:
            other.verify(pair.access_token)
    successor = sides[1].refresh(pair.refresh_token)
    assert (sides[2].refresh(pair.refresh_token)).refresh_token == successor.refresh_token


# -- what was found between the lines -------------------------------------------------------------------------------


def test_who_loses_the_race_at_the_very_write_gets_the_winner_s_successor(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    won = []

    def another_first():
        won.append(sessions.refresh(pair.refresh_token))

    world.store.before("rotate", another_first)
    assert (sessions.refresh(pair.refresh_token)).refresh_token == won[0].refresh_token


def test_a_refresh_that_never_finds_rest_is_a_busy_store_and_no_logout(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    sessions.refresh(pair.refresh_token)
    world.clock.advance(HOUR)
    for _ in range(8):
        world.store.before("replace", partial(sessions.update, pair.claims.sid, session_data={}))
        world.store.before("replace", _nothing)
    with pytest.raises(StoreUnavailable):
        sessions.refresh(pair.refresh_token)
    assert (sessions.refresh(pair.refresh_token)).claims.gen == 1


def test_a_session_that_ends_during_a_refresh_is_not_refreshed(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.store.before("rotate", partial(sessions.revoke, [pair.claims.sid]))
    with pytest.raises(Unauthorised) as error:
        sessions.refresh(pair.refresh_token)
    assert error.value.reason is Refusal.REVOKED


def test_a_closed_store_is_unavailable_and_no_logout(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.stop()
    with pytest.raises(StoreUnavailable):
        sessions.refresh(pair.refresh_token)
    with pytest.raises(StoreUnavailable):
        sessions.check(pair.claims)
    sessions = world.restart()
    sessions.refresh(pair.refresh_token)


def test_a_thief_who_comes_first_is_found_when_the_owner_comes(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    stolen = sessions.refresh(pair.refresh_token)
    sessions.check(stolen.claims)
    world.clock.advance(MINUTE)
    with pytest.raises(TokenTheftDetected):
        sessions.refresh(pair.refresh_token)
    with pytest.raises(Unauthorised):
        sessions.refresh(stolen.refresh_token)


def _nothing():
    pass
