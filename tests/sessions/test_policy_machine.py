# ruff: noqa: PT017 - a machine goes on after an error, whatever that was
"""A state machine over the public engine: policies, limits of sessions, levels, and changes of them all, in any order.

The test keeps a model of each session and works out from ``docs/how-to/policies.md`` what each call must lead to;
nothing of that is read from the engine. A changed table of policies counts from a session's next refresh on.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from reseal import Engine, MemoryStore, Reseal, SessionPolicy, Settings, SQLiteStore, TooManySessions
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.errors import Refusal, TokenTheftDetected, Unauthorised
from reseal.core.holding import SessionHeld
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock, Recorder
from reseal.testing._sync.waiting import together
from reseal.testing.material import DAY, HOUR, MINUTE

PROFILE = settings(
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
IDLE, WINDOW = 3 * DAY, 30_000
TABLES = (
    {"staff": {"refresh_token_validity": 60, "session_absolute_timeout": 300}, "kiosk": {"max_sessions": 2}},
    {"staff": {"refresh_token_validity": 600, "theft_response": "step_up"}, "kiosk": {"theft_response": "hold"}},
    {"staff": {"refresh_token_validity": 600, "max_sessions": 2}, "kiosk": {"max_sessions": 1, "at_limit": "refuse"}},
    {"default": {"max_sessions": 3, "refresh_token_validity": 600}, "staff": {"session_absolute_timeout": 90}},
    {"default": {"session_absolute_timeout": 120}, "kiosk": {"max_sessions": 3, "at_limit": "ask"}},
    {},
)
"""A table of policies each; the engine is restarted with another one."""
OF_ONE_CALL = (
    SessionPolicy(idle_ms=2 * HOUR, max_sessions=2),
    SessionPolicy(absolute_ms=HOUR),
    SessionPolicy(max_sessions=1, at_limit="refuse"),
)
USERS = st.sampled_from(["alice", "bob"])
CHOICES = st.sampled_from([None, None, "staff", "staff", "kiosk", *OF_ONE_CALL])
PAUSES = st.sampled_from([1, 1000, WINDOW, 20 * MINUTE, HOUR, 4 * HOUR, 9 * HOUR, DAY])
BASE = {"acr": "base"}


@dataclass
class Session:
    """What the store ought to know of a session, and what was given to its client."""

    user: str
    pair: TokenPair
    kept: str | SessionPolicy | None
    created: int
    absolute: int | None
    expires: int
    rotated: int
    over: Refusal | None = None
    before: list[TokenPair] = field(default_factory=list)
    """The tokens that it had, the latest last."""
    level: tuple[str, int, int] | None = None
    """Its name, its end, and the generation of the token that came with it."""
    is_replayed: bool = False
    held: str = ""
    """How it is held, if it is."""
    first: int = 0
    """The generation of its first token that is valid."""

    @property
    def handle(self):
        return self.pair.claims.sid

    def is_live(self, now):
        return self.over is None and now < self.expires

    def level_of(self, generation, now):
        if self.level is None or generation < self.level[2] or now // 1000 >= self.level[1] // 1000:
            return "base"
        return self.level[0]


class PolicyMachine(RuleBasedStateMachine):
    """Subclasses say how a store is made."""

    def make(self, clock):
        raise NotImplementedError

    @initialize(table=st.integers(0, len(TABLES) - 1))
    def begin(self, table):
        self.clock, self.events = ManualClock(), Recorder()
        self.store = self.make(self.clock)
        self.store.open()
        self.sessions, self.levels = {}, 0
        self.use(table)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()

    def use(self, table):
        self.table = TABLES[table]
        self.settings = self.settings_of(table)
        self.engine = Engine(self.settings, self.store, clock=self.clock, on_event=self.events, owns_store=False)
        self.engine.open()

    @staticmethod
    def settings_of(table):
        return Settings.from_mapping(
            {
                "api_domain": "https://api.example.com",
                "refresh_token_validity": IDLE / MINUTE,
                "theft_response": "report",
                "policies": TABLES[table],
            },
            source="a test",
        )

    # -- the model --------------------------------------------------------------------------------------------------

    @property
    def now(self):
        return self.clock.wall()

    @staticmethod
    def entry(kept, table):
        """Return idle limit, absolute limit, limit of sessions, what one more does, and whether the policy is known."""
        if isinstance(kept, SessionPolicy):
            return kept.idle_ms or IDLE, kept.absolute_ms, kept.max_sessions, kept.at_limit, True
        entry = table.get(kept, {}) if kept else {}
        idle = entry.get("refresh_token_validity")
        absolute = entry.get("session_absolute_timeout")
        return (
            idle * MINUTE if idle else IDLE,
            absolute * MINUTE if absolute else None,
            entry.get("max_sessions"),
            entry.get("at_limit", "evict_oldest"),
            kept is None or kept in table,
        )

    def response(self, session):
        """Return what the policy of a session does about a theft now."""
        entry = self.table.get(session.kept, {}) if isinstance(session.kept, str) else {}
        return entry.get("theft_response", "report")

    def bound(self, session, table=None):
        """Return the ends (absolute, the next one) that a session has by the table of now."""
        if session.kept is None:
            return session.absolute, session.expires
        idle, limit, _, _, is_known = self.entry(session.kept, self.table if table is None else table)
        absolute = None if limit is None else session.created + limit
        if not is_known:
            absolute = min((each for each in (absolute, session.absolute) if each is not None), default=None)
        ends = session.expires, session.rotated + idle, absolute
        return absolute, min(each for each in ends if each is not None)

    def why_over(self, session):
        absolute, expires = self.bound(session)
        if session.over is not None:
            return session.over
        if absolute is not None and self.now >= absolute:
            return Refusal.ABSOLUTE_TIMEOUT
        return Refusal.EXPIRED if self.now >= expires else None

    def live(self, user):
        own = [each for each in self.sessions.values() if each.user == user and each.is_live(self.now)]
        return sorted(own, key=lambda each: (each.created, each.handle))

    def end(self, session, reason):
        session.over = reason

    def add(self, user, pair, kept, lifetime_ms=None):
        idle, absolute, *_ = self.entry(kept, self.table)
        absolute = min([each for each in (absolute, lifetime_ms) if each is not None], default=None)
        end = None if absolute is None else self.now + absolute
        expires = min(each for each in (self.now + idle, end) if each is not None)
        self.sessions[pair.claims.sid] = Session(user, pair, kept, self.now, end, expires, self.now)

    def chosen(self, choice):
        """Return what a sign-in keeps of its choice; the table may not have it."""
        if choice is None:
            return "default" if "default" in self.table else None
        return choice

    def picked(self, number, fits=lambda _: True):
        """Return a session, if there is one. What a rule does is none of its preconditions: threads decide on that."""
        fitting = [each for each in self.sessions.values() if fits(each)]
        return fitting[number % len(fitting)] if fitting else None

    # -- signing in -------------------------------------------------------------------------------------------------

    @rule(user=USERS, choice=CHOICES)
    def sign_in(self, user, choice):
        if isinstance(choice, str) and choice not in self.table:
            return
        kept, live = self.chosen(choice), self.live(user)
        _, _, most, at_limit, _ = self.entry(kept, self.table)
        surplus = 0 if most is None else max(0, len(live) - most + 1)
        try:
            pair = self.engine.create(user, BASE, policy=choice)
        except TooManySessions as full:
            assert surplus
            assert at_limit != "evict_oldest"
            assert (full.limit, full.may_choose) == (most, at_limit == "ask")
            return
        assert not surplus or at_limit == "evict_oldest"
        for each in live[:surplus]:
            self.end(each, Refusal.LIMIT)
        self.add(user, pair, kept)

    @rule(user=USERS, number=st.integers(2, 8), choice=st.sampled_from(["kiosk", *OF_ONE_CALL]))
    def several_sign_in_at_once(self, user, number, choice):
        kept, live = self.chosen(choice), self.live(user)
        _, _, most, at_limit, is_known = self.entry(kept, self.table)
        if most is None or not is_known:
            return
        done = together([partial(self.engine.create, user, BASE, policy=choice)] * number)
        pairs = [each for each in done if isinstance(each, TokenPair)]
        for pair in pairs:
            self.add(user, pair, kept)
        if at_limit == "evict_oldest":
            assert len(pairs) == number
            gone = self.engine.why_ended(each.handle for each in self.live(user))
            assert set(gone.values()) <= {Refusal.LIMIT}
            assert len(gone) == max(0, len(live) + number - most)
            for handle in gone:
                self.end(self.sessions[handle], Refusal.LIMIT)
            survivors = [each for each in live if each.handle not in gone]
            assert survivors == live[len(live) - len(survivors) :], "an older session outlived a newer one"
        else:
            assert len(pairs) == max(0, min(number, most - len(live)))
            assert sum(isinstance(each, TooManySessions) for each in done) == number - len(pairs)

    @rule(user=USERS, lifetime=st.sampled_from([MINUTE, HOUR]))
    def begin_one_with_an_end_of_its_own(self, user, lifetime):
        """No policy, also not the default one, may move that end."""
        pair = self.engine.create(user, BASE, lifetime_ms=lifetime)
        self.add(user, pair, None, lifetime)

    # -- refreshing and levels --------------------------------------------------------------------------------------

    @rule(number=st.integers(0, 99))
    def refresh(self, number):
        session = self.picked(number)
        if session is not None:
            self.refresh_one(session)

    def refresh_one(self, session):
        pair = self.asked(session, lambda: self.engine.refresh(str(session.pair.refresh_token)))
        if pair is not None:
            self.stepped(session, pair)

    def asked(self, session, call):
        """Do a call that refreshes; ``None`` if the session is over, which it has to be then."""
        why = self.why_over(session)
        try:
            pair = call()
        except SessionHeld as error:
            assert why is None
            assert (error.reason, error.subtype) == (session.held, "")
            return None
        except Unauthorised as error:
            is_removed = error.reason is Refusal.UNKNOWN_SESSION and session.handle not in {
                each.handle for each in self.live(session.user)
            }
            assert error.reason is why or is_removed
            return None
        assert why is None, f"a session was refreshed that is over: {why}"
        assert not session.held or (session.held == "step_up" and "gold" in pair.claims.jwt_payload()["acr"])
        return pair

    def stepped(self, session, pair):
        idle = self.entry(session.kept, self.table)[0]
        session.absolute, _ = self.bound(session)
        ends = self.now + idle, session.absolute
        session.expires = min(each for each in ends if each is not None)
        session.rotated, session.is_replayed = self.now, False
        session.before.append(session.pair)
        session.pair = pair
        self.check(session, pair)

    def check(self, session, pair):
        assert pair.claims.jwt_payload()["acr"] == session.level_of(pair.claims.gen, self.now)
        assert pair.session_expires_at == session.expires
        assert pair.claims.exp * 1000 <= session.expires

    @rule(number=st.integers(0, 99))
    def present_the_token_of_before(self, number):
        session = self.picked(number, lambda each: each.before)
        before = session.before[-1] if session else None
        if before is None or self.now - session.rotated >= WINDOW or before.claims.gen < session.first:
            return
        pair = self.asked(session, lambda: self.engine.refresh(str(before.refresh_token)))
        if pair is None:
            return
        loses_level = session.level is not None and before.claims.gen < session.level[2]
        if loses_level:
            session.level = None
        if loses_level or not session.is_replayed:
            session.absolute, session.expires = self.bound(session)
        session.is_replayed = True
        assert (pair.refresh_token, pair.claims.gen) == (session.pair.refresh_token, session.pair.claims.gen)
        assert pair.claims.jwt_payload()["acr"] == session.level_of(pair.claims.gen, self.now)

    @rule(number=st.integers(0, 99), for_ms=st.sampled_from([MINUTE, HOUR, DAY]))
    def elevate(self, number, for_ms):
        session = self.picked(number)
        if session is not None:
            self.elevate_one(session, for_ms)

    def elevate_one(self, session, for_ms):
        name = self.new_level()
        pair = self.asked(session, lambda: self.engine.elevate(session.pair.claims, {"acr": name}, for_ms))
        if pair is not None:
            session.level = name, self.now + for_ms, pair.claims.gen
            if session.held:
                session.held, session.first = "", pair.claims.gen
            self.stepped(session, pair)

    @rule(number=st.integers(0, 99), back=st.integers(1, 3), is_confirmed=st.booleans())
    def a_thief_comes_with_an_old_token(self, number, back, is_confirmed):
        if TABLES[1] is not self.table and number % 2:
            self.change_the_policies(1)  # there thefts are answered by a hold
        if number % 3 == 0:
            self.sign_in("alice", "staff" if number % 2 else "kiosk")
        living = [each for each in self.sessions.values() if self.why_over(each) is None]
        if not living:
            return
        session = living[-1 - number % min(3, len(living))]
        while len(session.before) <= back and not session.held:
            self.refresh_one(session)
        if len(session.before) <= back:
            return
        token = session.before[-1 - back]
        self.present_stolen(session, token)
        if is_confirmed and session.held == "step_up":
            self.elevate_one(session, HOUR)
            self.present_stolen(session, token)

    def present_stolen(self, session, token):
        try:
            self.engine.refresh(str(token.refresh_token))
        except SessionHeld as error:
            assert token.claims.gen >= session.first or session.held
            assert (error.subtype == "") is bool(session.held)
            if not session.held:
                session.held = self.response(session)
                session.absolute, session.expires = self.bound(session)
            assert error.reason == session.held != "report"
        except TokenTheftDetected:
            assert not session.held
            assert self.response(session) == "report"
        except Unauthorised as error:
            assert error.reason is Refusal.THEFT
            assert token.claims.gen < session.first
            assert not session.held
        else:
            raise AssertionError("a thief was given a token")

    @rule(number=st.integers(0, 99))
    def an_administrator_releases(self, number):
        session = self.picked(number, lambda each: each.held)
        if session is None:
            return
        self.engine.close_case(session.handle, "", "ops", release=True)
        if session.is_live(self.now):
            session.held = ""

    def new_level(self):
        self.levels += 1
        return f"gold{self.levels}"

    @rule(number=st.integers(0, 99), others=st.integers(1, 3))
    def elevate_and_refresh_at_once(self, number, others):
        """Whoever has a token from before never gets the level, whichever of them is first."""
        session = self.picked(number, self.may_race)
        if session is None:
            return
        name, before = self.new_level(), session.pair
        level_before = session.level_of(before.claims.gen, self.now)
        refreshing = partial(self.engine.refresh, str(before.refresh_token))
        elevating = partial(self.engine.elevate, before.claims, {"acr": name}, HOUR)
        high, *refreshed = together([elevating, *[refreshing] * others])
        assert isinstance(high, TokenPair)
        pairs = [each for each in refreshed if isinstance(each, TokenPair)]
        assert all(isinstance(each, TokenPair | TokenTheftDetected) for each in refreshed)
        assert high.claims.jwt_payload()["acr"] == name
        assert {each.claims.jwt_payload()["acr"] for each in pairs} <= {level_before, "base"}
        session.level = name, self.now + HOUR, high.claims.gen
        for pair in pairs:
            if pair.refresh_token == high.refresh_token:
                session.level = None
        stepped = {each.claims.gen: each for each in (*pairs, high)}
        for generation in sorted(stepped):
            self.jumped(session, stepped[generation])
        session.is_replayed = True  # perhaps; the next rotation makes that certain again
        self.jumped(session, self.engine.refresh(str(session.pair.refresh_token)))
        session.is_replayed = False
        self.check(session, session.pair)

    def may_race(self, session):
        return self.why_over(session) is None and not session.held and self.response(session) == "report"

    def jumped(self, session, pair):
        level, session.level = session.level, None
        idle = self.entry(session.kept, self.table)[0]
        session.absolute, _ = self.bound(session)
        session.expires = min(each for each in (self.now + idle, session.absolute) if each is not None)
        session.rotated = self.now
        session.before.append(session.pair)
        session.pair, session.level = pair, level

    # -- ends, changes and time -------------------------------------------------------------------------------------

    @rule(number=st.integers(0, 99))
    def sign_out(self, number):
        session = self.picked(number)
        if session is None:
            return
        ended = self.engine.revoke([session.handle])
        if session.over is None and self.now < session.expires:
            assert ended == (session.handle,)
        if ended:
            self.end(session, Refusal.REVOKED)

    @rule(table=st.integers(0, len(TABLES) - 1))
    def change_the_policies(self, table):
        """As the preview says, so many sessions are over; and none of them for anybody who does not refresh."""
        ending = 0
        living = [each for each in self.sessions.values() if each.is_live(self.now)]
        for each in living:
            absolute, expires = self.bound(each, TABLES[table])
            is_over = self.now >= expires or (absolute is not None and self.now >= absolute)
            ending += each.kept is not None and is_over
        with Reseal(self.settings, sessions=self.engine) as reseal:
            assert reseal.preview_policies(self.settings_of(table)) == (len(living), ending)
        self.use(table)

    @rule(pause=PAUSES)
    def wait(self, pause):
        self.clock.advance(pause)

    @invariant()
    def the_store_has_what_the_model_has(self):
        for user in ("alice", "bob") if hasattr(self, "engine") else ():
            records = self.engine.list_user(user)
            assert [(each.handle, each.generation, each.expires_at, each.absolute_expires_at) for each in records] == [
                (each.handle, each.pair.claims.gen, each.expires, each.absolute) for each in self.live(user)
            ]


class OverMemory(PolicyMachine):
    def make(self, clock):
        return MemoryStore(clock)


class OverSQLite(PolicyMachine):
    def make(self, clock):
        self.folder = Path(tempfile.mkdtemp(prefix="reseal-"))
        return SQLiteStore(self.folder / "sessions.db", clock)

    def teardown(self):
        super().teardown()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize(("machine", "examples"), [(OverMemory, 80), (OverSQLite, 20)])
def test_policies_and_levels_do_what_they_say(machine, examples):
    run_state_machine_as_test(machine, settings=settings(PROFILE, max_examples=examples))


def test_policies_and_levels_do_what_they_say_over_postgres(postgres_uri):
    class OverPostgres(PolicyMachine):
        def make(self, clock):
            with psycopg.connect(postgres_uri, autocommit=True) as connection:
                [(schema,)] = connection.execute("SELECT current_schema()").fetchall()
                connection.execute(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")
            return PostgresStore(postgres_uri, clock=clock)

    run_state_machine_as_test(OverPostgres, settings=settings(PROFILE, max_examples=10))
