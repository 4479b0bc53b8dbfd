# Generated from tests/_async/test_engine.py by tools/unasync.py; edit that file instead.
"""The engine keeps the promises of sessions over every store, and those that only an engine can give."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
from msgspec import structs

from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.errors import (
    ConfigurationError,
    ProofDemanded,
    Refusal,
    StoreUnavailable,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.core.events import EventName
from reseal.core.model import Scope
from reseal.core.purging import KEPT, Backlog
from reseal.core.session_keys import RELOAD_EVERY
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR, MINUTE, new_session
from tests.support.device import Device

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


class Backup:
    """A copy of the store's file, taken and put back while nobody has it open."""

    def __init__(self, world, path):
        self._world = world
        self._path = path
        self._copy = path.with_name("copy.db")

    def take(self, **changes):
        self._world.stop()
        shutil.copy(self._path, self._copy)
        return self._world.sessions(**changes)

    def put_back(self, **changes):
        self._world.stop()
        for leftover in self._path.parent.glob("sessions.db*"):
            leftover.unlink()
        shutil.copy(self._copy, self._path)
        return self._world.sessions(**changes)


@pytest.fixture
def backup(world, path):
    return Backup(world, path)


def bound(sessions, pair, device):
    """Bind a session; gives its pair with the challenge for the first refresh."""
    answer = sessions.bind(pair.refresh_token, device.proof(pair.challenge, brings_key=True))
    return structs.replace(answer, refresh_token=pair.refresh_token)


def proved(sessions, pair, device):
    return sessions.refresh(pair.refresh_token, proof=device.proof(pair.challenge, brings_key=False))


def refreshed(sessions, pair, times):
    """Give the pairs of so many refreshes, one after the other, and ``pair`` before them."""
    line = [pair]
    for _ in range(times):
        line.append(sessions.refresh(line[-1].refresh_token))
    return line


@pytest.mark.parametrize("policy", ["graceful", "classic"])
@pytest.mark.parametrize("lost", [1, 2, 7, 50])
def test_a_store_that_forgot_its_last_writes_signs_nobody_out(world, backup, lost, policy):
    sessions = world.sessions(rotation_policy=policy)
    first = refreshed(sessions, sessions.create("user"), 3)
    sessions = backup.take(rotation_policy=policy)
    line = refreshed(sessions, first[-1], lost)
    sessions = backup.put_back(rotation_policy=policy)
    adopted = sessions.refresh(line[-1].refresh_token)
    assert adopted.claims.gen == 3 + lost + 1
    [event] = world.events.named(EventName.STORE_ROLLED_BACK)
    assert (event.session_handle, event.user_id, event.reason) == (adopted.claims.sid, "user", "adopted")
    world.clock.advance(HOUR)
    again = sessions.refresh(line[-1].refresh_token)
    assert again.refresh_token == adopted.refresh_token
    refreshed(sessions, adopted, 3)
    assert len(world.events.named(EventName.STORE_ROLLED_BACK)) == 1
    assert world.events.named(EventName.TOKEN_THEFT) == []


@pytest.mark.parametrize("lost", [1, 2, 7])
def test_a_bound_session_in_a_store_that_forgot_its_last_writes_is_refreshed_by_its_device_alone(
    world, backup, lost
):
    device, other = Device(), Device()
    sessions = world.sessions(device_binding="offer")
    pair = sessions.create("user")
    pair = bound(sessions, pair, device)
    sessions = backup.take(device_binding="offer")
    for _ in range(lost):
        pair = proved(sessions, pair, device)
    sessions = backup.put_back(device_binding="offer")
    with pytest.raises(ProofDemanded):
        sessions.refresh(pair.refresh_token)
    with pytest.raises(Unauthorised):
        proved(sessions, pair, other)
    adopted = proved(sessions, pair, device)
    assert adopted.claims.gen == lost + 1
    assert adopted.claims.cnf == pair.claims.cnf
    proved(sessions, adopted, device)
    assert world.events.named(EventName.TOKEN_THEFT) == []


def test_a_session_whose_binding_a_store_forgot_goes_on_and_is_bound_again(world, backup):
    device = Device()
    sessions = world.sessions(device_binding="offer")
    pair = sessions.create("user")
    sessions = backup.take(device_binding="offer")
    pair = proved(sessions, bound(sessions, pair, device), device)
    sessions = backup.put_back(device_binding="offer")
    pair = proved(sessions, pair, device)
    assert pair.claims.cnf is None
    pair = bound(sessions, pair, device)
    assert (proved(sessions, pair, device)).claims.cnf is not None
    assert world.events.named(EventName.TOKEN_THEFT) == []


@pytest.mark.parametrize("lost", [1, 2, 7])
def test_a_client_whose_answer_was_lost_when_the_store_was_rolled_back_is_met_all_the_same(world, backup, lost):
    sessions = world.sessions()
    pair = sessions.create("user")
    sessions = backup.take()
    *_, held, _never_arrived = refreshed(sessions, pair, lost)
    sessions = backup.put_back()
    assert (sessions.refresh(held.refresh_token)).claims.gen == held.claims.gen + 1
    assert world.events.named(EventName.TOKEN_THEFT) == world.events.named(EventName.REFRESH_REFUSED) == []


def test_a_session_that_a_restored_store_does_not_know_is_over(world, backup):
    sessions = world.sessions()
    sessions.create("user")
    sessions = backup.take()
    created_since = sessions.create("user")
    sessions = backup.put_back()
    with pytest.raises(Unauthorised) as error:
        sessions.refresh(created_since.refresh_token)
    assert error.value.reason is Refusal.UNKNOWN_SESSION


def test_a_session_that_was_ended_before_the_backup_is_not_adopted(world, backup):
    sessions = world.sessions()
    line = refreshed(sessions, sessions.create("user"), 1)
    sessions.revoke([line[0].claims.sid])
    sessions = backup.take()
    with pytest.raises(Unauthorised) as error:
        sessions.refresh(line[-1].refresh_token)
    assert error.value.reason is Refusal.REVOKED


def test_what_was_revoked_since_the_backup_is_ended_by_a_moment_and_by_no_token_revived(world, backup):
    sessions = world.sessions()
    revoked, kept = sessions.create("user"), sessions.create("user")
    sessions = backup.take()
    world.clock.advance(HOUR)
    newer, kept = [(refreshed(sessions, pair, 2))[-1] for pair in (revoked, kept)]
    sessions.revoke([revoked.claims.sid])
    world.clock.advance(HOUR)
    sessions = backup.put_back()
    moment = world.clock.wall()
    world.clock.advance(MINUTE)
    thief = sessions.refresh(newer.refresh_token)  # adopted, and so refreshed after the moment
    new = sessions.create("user")
    assert sessions.end_before(moment) == 2
    for pair in (revoked, newer, thief, kept):
        with pytest.raises(Unauthorised) as error:
            sessions.refresh(pair.refresh_token)
        assert error.value.reason is Refusal.NOT_BEFORE
    sessions.refresh(new.refresh_token)


@pytest.mark.parametrize("first", ["thief", "owner"])
def test_the_thief_of_a_line_that_was_rolled_back_is_found(world, backup, first):
    sessions = world.sessions()
    copied = (refreshed(sessions, sessions.create("user"), 2))[-1]
    sessions = backup.take()
    owner = (refreshed(sessions, copied, 3))[-1]
    sessions = backup.put_back()
    thief = copied
    if first == "thief":
        thief = sessions.refresh(thief.refresh_token)
    owner = sessions.refresh(owner.refresh_token)
    world.clock.advance(HOUR)
    with pytest.raises(TokenTheftDetected) as error:
        sessions.refresh(thief.refresh_token)
    assert error.value.subtype == "older"
    assert len(world.events.named(EventName.TOKEN_THEFT)) == 1


def test_a_roll_back_can_be_refused_instead(world, backup):
    sessions = world.sessions(rollback="refuse")
    pair = sessions.create("user")
    sessions = backup.take(rollback="refuse")
    line = refreshed(sessions, pair, 3)
    sessions = backup.put_back(rollback="refuse")
    for newer in line[1:]:
        with pytest.raises(Unauthorised) as error:
            sessions.refresh(newer.refresh_token)
        assert error.value.reason is Refusal.NEWER_THAN_STORE
    assert len(world.events.named(EventName.STORE_ROLLED_BACK)) == 3
    assert world.events.named(EventName.TOKEN_THEFT) == []
    assert [r.handle for r in sessions.list_user("user")] == [pair.claims.sid]


def test_a_line_that_forked_through_a_roll_back_is_ended_and_nobody_accused(world, backup):
    sessions = world.sessions()
    pair = sessions.create("user")
    sessions = backup.take()
    lost_branch = sessions.refresh(pair.refresh_token)
    sessions = backup.put_back()
    new_branch = sessions.refresh(pair.refresh_token)
    assert new_branch.claims.gen == lost_branch.claims.gen
    assert new_branch.refresh_token != lost_branch.refresh_token
    for token in (lost_branch, new_branch, pair):
        with pytest.raises(Unauthorised) as error:
            sessions.refresh(token.refresh_token)
        assert error.value.reason is Refusal.FORKED
    [event] = world.events.named(EventName.STORE_ROLLED_BACK)
    assert (event.session_handle, event.reason) == (pair.claims.sid, "forked")
    [event] = world.events.named(EventName.SESSION_REVOKED)
    assert (event.session_handle, event.user_id, event.reason) == (pair.claims.sid, "user", "forked")
    assert world.events.named(EventName.TOKEN_THEFT) == []


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


@pytest.mark.parametrize("older", [None, ANOTHER])
def test_a_secret_that_comes_later_accuses_nobody_and_signs_nobody_out(world, older):
    sessions = world.sessions(secret_key=older)
    pair = sessions.create("user")
    successor = sessions.refresh(pair.refresh_token)
    sessions = world.restart(secret_key=SECRET, accepted_secret_keys=older)
    assert (sessions.refresh(pair.refresh_token)).refresh_token == successor.refresh_token
    newest = sessions.refresh(successor.refresh_token)
    assert (sessions.refresh(successor.refresh_token)).refresh_token == newest.refresh_token
    assert world.events.named(EventName.TOKEN_THEFT) == []


def test_a_secret_that_reads_like_words_is_told_by_name(world, caplog):
    world.sessions(secret_key="Q7v2mB9xK4tR8wZ1pL6nD3sF5hJ0gYaEuC")
    assert caplog.messages == []
    world.restart(secret_key="Q7v2mB9xK4tR8wZ1pL6nD3sF5hJ0gYaEuC")
    with World(MemoryStore) as another:
        another.sessions(secret_key="correct horse battery staple and so on")
    assert [message for message in caplog.messages if "secret_key reads like words" in message] != []


def test_a_secret_that_is_to_come_is_accepted_before_it_is_used(world):
    old = world.sessions(secret_key=SECRET, accepted_secret_keys=ANOTHER)
    new = world.sessions(secret_key=ANOTHER, accepted_secret_keys=SECRET)
    kid = new.rotate_keys()
    world.clock.advance(RELOAD_EVERY)
    old.keep_fresh()
    assert kid in {key["kid"] for key in old.jwks()["keys"]}
    pair = new.create("user")
    successor = new.refresh(pair.refresh_token)
    assert (old.refresh(pair.refresh_token)).refresh_token == successor.refresh_token


def test_no_two_databases_have_a_key_of_the_same_name(tmp_path):
    kids = []
    for n in range(2):
        with World(lambda clock, n=n: SQLiteStore(tmp_path / f"{n}.db", clock)) as world:
            one, other = world.sessions(), world.sessions()
            assert one.jwks() == other.jwks()
            kids += [key["kid"] for key in one.jwks()["keys"]]
    assert len(set(kids)) == len(kids) == 2


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
