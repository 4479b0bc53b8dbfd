"""The harness must bite: known mistakes, each built in on purpose, are caught by the suites as they are shipped.

Every mutant is run through named checks of the suites; it counts as killed when one of them fails. The genuine
engine and store pass the same checks, so that none of them fails at everything.
"""

from __future__ import annotations

import threading
import time

import pytest
from msgspec.structs import replace

from reseal import Engine, MemoryStore, SQLiteStore
from reseal._sync.token_families import Step, TokenFamilies
from reseal.clock import SteadyClock
from reseal.core import refresh_token, rotation
from reseal.core.errors import Refusal, ResealError, StoreUnavailable, Unauthorised
from reseal.core.rotation import Reuse, advanced, why_ended
from reseal.testing import ManualClock
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.store_suite import StoreSuite
from reseal.testing._sync.world import World

# -- mutants of the store -------------------------------------------------------------------------------------------


class NonAtomicRotate(MemoryStore):
    """Reads, lets others go first, and then writes whatever it decided."""

    def rotate(self, scope, rotation, reports=()):
        record, now = self.get(scope, rotation.handle)
        if record is None or why_ended(record, now) or record.current_hash != rotation.presented_hash:
            return None
        time.sleep(0.001)
        with self._lock:
            self._sessions[scope][rotation.handle] = rotated = advanced(record, rotation, now)
        return rotated


class ClockFromProcessStart(SQLiteStore):
    """Takes the wall clock as it is after each start, whatever was written before."""

    def open(self):
        super().open()
        self._steady = SteadyClock(self._clock)

    def _now(self, db):
        return self._steady.now()


class WallClock(MemoryStore):
    """Believes the wall clock at any moment."""

    class Believer:
        def __init__(self, clock):
            self.now = clock.wall

    def __init__(self, clock):
        super().__init__(clock)
        self._steady = self.Believer(clock)


class EndsWithoutVersion(MemoryStore):
    """Ends a session without counting its version up, so that an old reader writes it alive again."""

    def _end(self, scope, handle, reason, reports, note=None):
        done = super()._end(scope, handle, reason, reports, note)
        if done:
            record = self._sessions[scope][handle]
            self._sessions[scope][handle] = replace(record, version=record.version - 1)
        return done


class UserIdsWithoutCase(MemoryStore):
    """Compares user ids as some databases do by default."""

    def list_user(self, scope, user_id, after, limit):
        of_all = (r.user_id for r in list(self._sessions.get(scope, {}).values()))
        same = dict.fromkeys(u for u in of_all if u.casefold().rstrip() == user_id.casefold().rstrip())
        return tuple(
            record for u in same for record in super(UserIdsWithoutCase, self).list_user(scope, u, after, limit)
        )[:limit]


# -- mutants of the engine ------------------------------------------------------------------------------------------


class LineOfNewChildren(TokenFamilies):
    def _replay(self, verdict, found, token, caller):
        keys, seal = self._secrets(), self._random(32)
        successor = refresh_token.successor_of(self._scope, keys.refresh_key, token, keys.pepper, seal)
        record = replace(verdict.record, current_hash=successor.hash, successor_sealed=seal)
        if not self._store.replace(self._scope, record):
            return None
        return Step(record, successor, found.now)


class NewChildPerReplay(Engine):
    """Answers a repeated refresh with a fresh successor and forgets the one that was handed out."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._families.__class__ = LineOfNewChildren


class StoreFaultIsLogout(Engine):
    """Takes a store that does not answer for a session that does not exist."""

    def refresh(self, presented, **named):
        try:
            return super().refresh(presented, **named)
        except StoreUnavailable:
            raise Unauthorised(Refusal.UNKNOWN_SESSION) from None


class OneRuleLess(Engine):
    """Walks the table without one of its rows: ``decide`` is given another row or another attempt."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._families.__class__ = self.line


class NothingCountedLine(TokenFamilies):
    def _follow(self, verdict, record, *rest):
        if isinstance(verdict, rotation.Replay) and verdict.record is not record:
            verdict = replace(verdict, record=replace(verdict.record, collided=0, estranged=0))
        return super()._follow(verdict, record, *rest)


class CountsNothing(OneRuleLess):
    """Forgets which generations had to be given out again."""

    line = NothingCountedLine


class DeafLine(TokenFamilies):
    def advance(self, token, caller, attempt_key=None, proof=None):
        return super().advance(token, caller, proof=proof)


class KnowsNoKeys(OneRuleLess):
    """Does not look at attempt keys."""

    line = DeafLine


class AnyKeyLine(TokenFamilies):
    def advance(self, token, caller, attempt_key=None, proof=None):
        return super().advance(token, caller, attempt_key and "same-for-all", proof)


class TakesAnyKey(OneRuleLess):
    """Takes every attempt key for every other."""

    line = AnyKeyLine


class ForgetfulLine(TokenFamilies):
    known = False

    def _follow(self, verdict, record, now, token, caller, attempt_hash):
        if isinstance(verdict, Reuse) and not self.known:
            raise self.refused(Refusal.UNKNOWN_SESSION, record.handle, caller)
        return super()._follow(verdict, record, now, token, caller, attempt_hash)


class ReuseKnownInMemoryOnly(Engine):
    """Remembers used tokens in the process, so that a restart forgets them."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._used, self._guard = set(), threading.Lock()
        self._families.__class__ = ForgetfulLine

    def refresh(self, presented, **named):
        with self._guard:
            known = presented in self._used
            self._used.add(presented)
        self._families.known = known
        return super().refresh(presented, **named)


class RevokeIgnoresFaults(Engine):
    """Says that a session was ended although the store did not."""

    def revoke(self, handles, *reason):
        try:
            return super().revoke(handles, *reason)
        except StoreUnavailable:
            return tuple(handles)


class GarbageIsTheft(Engine):
    """Believes the handle in a token before its MAC is checked."""

    def refresh(self, presented, **named):
        try:
            return super().refresh(presented, **named)
        except Unauthorised as error:
            handle = presented.split(".")[1]
            record = self._store.get(self.settings.scope, handle).record
            if error.reason is Refusal.MALFORMED and record is not None and record.end_reason is None:
                verdict = Reuse(rotation.ReuseSubtype.OLDER)
                families = self._families
                thefts, end_user = families._thefts, families.end_user
                raise thefts.respond(verdict, record, 0, None, named["caller"], end_user) from None
            raise


class RefusingLine(TokenFamilies):
    def _follow(self, verdict, record, now, token, caller, attempt_hash):
        if isinstance(verdict, Reuse):
            raise self.refused(Refusal.THEFT, record.handle, caller)
        return super()._follow(verdict, record, now, token, caller, attempt_hash)


class TheftIsOnlyRefused(Engine):
    """Refuses a used token and tells nobody."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._families.__class__ = RefusingLine


STORES = {
    NonAtomicRotate: ["test_only_the_first_of_several_rotators_wins"],
    ClockFromProcessStart: ["test_the_time_does_not_go_back_over_a_restart"],
    WallClock: ["test_the_store_s_time_does_not_go_back_with_the_wall_s"],
    EndsWithoutVersion: ["test_what_was_read_before_the_end_does_not_revive_a_session"],
    UserIdsWithoutCase: ["test_user_ids_that_look_alike_are_different_users"],
}
ENGINES = {
    NewChildPerReplay: ["test_a_lost_response_is_given_again_after_a_restart"],
    StoreFaultIsLogout: ["test_a_silent_store_is_no_logout"],
    ReuseKnownInMemoryOnly: ["test_theft_is_found_after_a_restart_whatever_the_clock_says"],
    RevokeIgnoresFaults: ["test_revoked_is_only_said_if_the_store_said_so"],
    GarbageIsTheft: ["test_garbage_that_names_a_session_accuses_nobody"],
    CountsNothing: ["test_the_third_collision_in_a_row_is_theft_however_often_each_was_repeated"],
    KnowsNoKeys: ["test_who_repeats_its_attempt_key_is_given_the_successor_again_whatever_happened"],
    TakesAnyKey: ["test_another_attempt_key_is_theft_at_the_second_collision_in_a_row"],
    TheftIsOnlyRefused: ["test_theft_met_by_many_at_once_is_told_once"],
}
ARGUMENTS = {
    "test_only_the_first_of_several_rotators_wins": {"callers": 64},
    "test_the_time_does_not_go_back_over_a_restart": {"last_call": "rotate"},
    "test_a_lost_response_is_given_again_after_a_restart": {"jump": 0},
    "test_another_attempt_key_is_theft_at_the_second_collision_in_a_row": {"first": "key", "second": "another"},
    "test_theft_is_found_after_a_restart_whatever_the_clock_says": {"jump": 0},
}


def check_store(kind, check, path):
    """Run one check of the store suite over a kind of store."""
    clock = ManualClock()
    persistent = issubclass(kind, SQLiteStore)
    shared = None if persistent else kind(clock)

    def make_store(clock):
        return kind(path / "sessions.db", clock) if persistent else shared

    available = {"make_store": make_store, "clock": clock} | ARGUMENTS.get(check, {})
    call = getattr(StoreSuite(), check)
    wanted = call.__code__.co_varnames[1 : call.__code__.co_argcount]
    if "store" not in wanted:
        call(**{name: available[name] for name in wanted})
        return
    store = make_store(clock)
    store.open()
    try:
        call(store=store, **{name: available[name] for name in wanted if name != "store"})
    finally:
        store.close()


def check_engine(kind, check, path):
    """Run one check of the sessions suite over a kind of engine."""

    class MutantWorld(World):
        def make_sessions(self, settings, store):
            return kind(settings, store, clock=self.clock, on_event=self.events)

    with MutantWorld(lambda clock: SQLiteStore(path / "sessions.db", clock)) as world:
        getattr(SessionsSuite(), check)(world, **ARGUMENTS.get(check, {}))


def fails(check, *arguments):
    """Whether a check finds fault; any other error is a mistake in the mutant and no kill."""
    try:
        check(*arguments)
    except (AssertionError, ResealError, pytest.fail.Exception):
        return True
    return False


def test_the_checks_pass_without_a_mutant(tmp_path):
    for n, (kind, checks) in enumerate(STORES.items()):
        genuine = SQLiteStore if issubclass(kind, SQLiteStore) else MemoryStore
        for check in checks:
            (tmp_path / f"store-{n}").mkdir()
            check_store(genuine, check, tmp_path / f"store-{n}")
    for n, check in enumerate(check for checks in ENGINES.values() for check in checks):
        (tmp_path / f"engine-{n}").mkdir()
        check_engine(Engine, check, tmp_path / f"engine-{n}")


def test_every_mutant_is_killed(tmp_path):
    survivors = []
    for run, mutants in ((check_store, STORES), (check_engine, ENGINES)):
        for kind, checks in mutants.items():
            (tmp_path / kind.__name__).mkdir()
            if not any(fails(run, kind, check, tmp_path / kind.__name__) for check in checks):
                survivors.append(kind.__name__)
    total = len(STORES) + len(ENGINES)
    print(f"\nmutants killed {total - len(survivors)}/{total}")  # noqa: T201 - the number is the result
    assert survivors == []
