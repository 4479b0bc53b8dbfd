# ruff: noqa: PT017 - a machine goes on after an error, whatever that was
"""A state machine over the public engine: browsers, a thief, faults and clocks in every order Hypothesis thinks of.

The test keeps the ancestry of all tokens itself and works out from ``rotation.md`` what each refresh must lead to;
nothing is read from the server. An honest browser sends what its jar holds, refreshes only when its access token
is refused, repeats what got lost, and signs in again when it was away beyond the limits of its policy.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reseal import Engine, MemoryStore, Settings, SQLiteStore
from reseal.core.errors import Refusal, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.core.events import EventName
from reseal.testing import ManualClock, Recorder
from reseal.testing.material import DAY, HOUR, MINUTE

PROFILE = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
WINDOW = 30_000
IDLE = 3 * DAY
ABSOLUTE = 20 * DAY
BUDGET = 2
ACCESS = 60
"""Seconds: longer than the race window, as every access token is."""
JUMPS = st.sampled_from([-HOUR, -DAY, -1, 1, HOUR])
PAUSES = st.one_of(
    st.integers(1, 5 * MINUTE),
    st.sampled_from([WINDOW - 1, WINDOW, WINDOW + 1, ACCESS * 1000, HOUR, 8 * HOUR, DAY - 1, DAY, DAY + 1, IDLE]),
)


class Line:
    """What the test knows of one session: all its tokens in order, and the times that matter. The store's clock."""

    def __init__(self, pair, now):
        self.handle = pair.claims.sid
        self.tokens = [pair.refresh_token]
        self.csrf = [pair.anti_csrf]
        self.created_at = self.rotated_at = now
        self.confirmed = False
        self.counted = []
        """When each generation was first replayed outside the race window, in the present period."""
        self.counted_generation = None
        self.replayed = []
        """The generations that needed a replay."""
        self.over = None
        """Why the session was ended."""

    @property
    def generation(self):
        return len(self.tokens) - 1

    def ended(self, now):
        if self.over is not None:
            return self.over
        if now >= self.created_at + ABSOLUTE:
            return Refusal.ABSOLUTE_TIMEOUT
        return Refusal.EXPIRED if now >= self.rotated_at + IDLE else None

    def expected(self, generation, now, policy):  # noqa: PLR0911 - the rows of a table
        """Say what presenting the token of a generation must lead to."""
        if (reason := self.ended(now)) is not None:
            return reason
        if generation == self.generation:
            return "rotated"
        if generation < self.generation - 1:
            return "theft older"
        age = now - self.rotated_at
        if age < WINDOW:
            return "replayed"
        if policy == "classic":
            return "theft previous" if self.confirmed else "replayed"
        if self.confirmed or age >= DAY or not self.affordable(now):
            return "theft previous"
        return "replayed"

    def affordable(self, now):
        if self.counted_generation == self.generation:
            return True
        return len(self.spent(now)) < BUDGET

    def spent(self, now):
        in_a_row = self.counted_generation == self.generation - 1
        return self.counted if self.counted and (in_a_row or now - self.counted[0] < DAY) else []

    def note_replay(self, now, policy):
        """Count a replay; say whether this generation makes a streak that must be told."""
        if policy == "graceful" and now - self.rotated_at >= WINDOW and self.counted_generation != self.generation:
            self.counted = [*self.spent(now), now]
            self.counted_generation = self.generation
        if self.generation in self.replayed:
            return False
        self.replayed.append(self.generation)
        return {self.generation - 1, self.generation - 2} <= set(self.replayed)

    def note_rotation(self, pair, now):
        self.tokens.append(pair.refresh_token)
        self.csrf.append(pair.anti_csrf)
        self.rotated_at = now
        self.confirmed = False


class Jar:
    """The cookies of a browser; all its tabs share them."""

    def __init__(self, pair, generation=0):
        self.put(pair, generation)

    def put(self, pair, generation):
        self.access, self.anti_csrf, self.generation = pair.access_token, pair.anti_csrf, generation


class SessionMachine(RuleBasedStateMachine):
    policy = "graceful"
    persistent = False
    thief_around = False

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="reseal-machine-"))
        self.clock = ManualClock()
        self.now = self.clock.wall()
        """The store's time as it ought to be: it never goes back."""
        self.events = Recorder()
        self.settings = Settings(
            api_domain="https://api.example.com",
            rotation_policy=self.policy,
            theft_response="revoke_session",
            refresh_token_validity=IDLE / MINUTE,
            session_absolute_timeout=ABSOLUTE / MINUTE,
            access_token_validity=ACCESS,
            enable_anti_csrf=True,
        )
        self.memory = MemoryStore(self.clock)
        self.engines = [self.begin_engine()]
        self.payload = self.line = self.jar = self.loot = None
        self.held = []
        self.thefts = self.steps_told = 0

    def begin_engine(self):
        store = SQLiteStore(self.folder / "sessions.db", self.clock) if self.persistent else self.memory
        engine = Engine(self.settings, store, clock=self.clock, on_event=self.events)
        engine.open()
        return engine

    @property
    def engine(self):
        return self.engines[-1]

    @initialize()
    def sign_in_for_the_first_time(self):
        self.bystander = self.engine.create("user", {"by": "stander"})
        self.sign_in()

    def sign_in(self):
        """Begin anew: a session, a jar, nothing under way, nothing stolen."""
        pair = self.engine.create("user")
        self.line, self.jar, self.payload = Line(pair, self.now), Jar(pair), b"{}"
        self.held, self.loot = [], None

    # -- the one way to refresh, and what it must lead to ------------------------------------------------------------

    def refresh(self, generation, anti_csrf):
        """Present a token and compare with what the ancestry says; give the pair and its generation, if any."""
        expected = self.line.expected(generation, self.now, self.policy)
        token = self.line.tokens[generation]
        try:
            pair = self.engine.refresh(token, anti_csrf=anti_csrf, require_anti_csrf=True)
        except Unauthorised as error:
            assert error.reason is expected
            return None
        except TokenTheftDetected as error:
            assert f"theft {error.subtype}" == expected
            assert (error.session_handle, error.user_id) == (self.line.handle, "user")
            assert self.loot is not None, "an honest user was taken for a thief"
            self.thefts += 1
            self.line.over = Refusal.THEFT
            return None
        if expected == "rotated":
            assert pair.refresh_token not in self.line.tokens
            assert pair.anti_csrf not in self.line.csrf
            self.line.note_rotation(pair, self.now)
        else:
            assert expected == "replayed"
            assert (pair.refresh_token, pair.anti_csrf) == (self.line.tokens[-1], self.line.csrf[-1])
            self.steps_told += self.line.note_replay(self.now, self.policy)
        assert pair.claims.gen == self.line.generation
        assert bytes(pair.claims.payload) == self.payload
        assert pair.session_expires_at - self.clock.wall() == self.ends_at() - self.now
        return pair, self.line.generation

    def ends_at(self):
        return min(self.line.rotated_at + IDLE, self.line.created_at + ABSOLUTE)

    def call_api(self, jar):
        """Call the API as a party that holds a jar. Says whether its access token was refused."""
        try:
            claims = self.engine.verify(jar.access)
        except TryRefreshToken:
            return False
        if claims.unconfirmed:
            self.ask_the_store(jar, claims)
        return True

    def ask_the_store(self, jar, claims):
        try:
            record = self.engine.check(claims)
        except Unauthorised as error:
            assert error.reason is self.line.ended(self.now)
            return
        assert self.line.ended(self.now) is None
        if claims.gen == self.line.generation:
            self.line.confirmed = True
        jar.access = self.engine.reissue(claims, record).access_token

    # -- the victim's browser ----------------------------------------------------------------------------------------

    @rule(outcome=st.sampled_from(["delivered", "delivered", "delivered", "lost", "twice", "held"]))
    def a_tab_calls_the_api(self, outcome):
        if self.call_api(self.jar):
            return
        answer = self.refresh(self.jar.generation, self.jar.anti_csrf)
        if answer is None:
            self.sign_in()
            return
        if outcome == "twice":
            again = self.refresh(self.line.generation - 1, self.jar.anti_csrf)
            assert again is not None
        if outcome == "held":
            self.held.append((*answer, self.now))
        elif outcome != "lost":
            self.jar.put(*answer)
            assert self.call_api(self.jar)

    @rule(pause=st.sampled_from([WINDOW, HOUR, 8 * HOUR, DAY - 1]), rest=st.sampled_from([1, HOUR, DAY]))
    def a_response_gets_lost_and_is_asked_for_later(self, pause, rest):
        self.time_goes_by(ACCESS * 1000)
        self.a_tab_calls_the_api("lost")
        self.time_goes_by(pause)
        self.a_tab_calls_the_api("delivered")
        self.time_goes_by(rest)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_held_response_arrives(self, data):
        pair, generation, at = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if self.now - at < WINDOW:
            self.jar.put(pair, generation)

    @rule()
    def a_tab_asks_for_something_important(self):
        try:
            claims = self.engine.verify(self.jar.access)
        except TryRefreshToken:
            return
        self.ask_the_store(self.jar, claims)

    @rule(number=st.integers(0, 99))
    def the_application_changes_the_payload(self, number):
        try:
            record = self.engine.update(self.line.handle, jwt_payload={"n": number})
        except Unauthorised as error:
            assert error.reason is self.line.ended(self.now)
            return
        assert self.line.ended(self.now) is None
        self.payload = record.jwt_payload

    @rule(everything=st.booleans())
    def the_user_signs_out(self, everything):
        engine, live = self.engine, self.line.over is None
        if everything:
            ended = engine.revoke_user("user", keep=self.bystander.claims.sid)
            reason = Refusal.USER_REVOKED
        else:
            ended = engine.revoke([self.line.handle])
            reason = Refusal.REVOKED
        assert (self.line.handle in ended) is live
        if live:
            self.line.over = reason
        for generation, anti_csrf in enumerate(self.line.csrf):
            assert self.refresh(generation, anti_csrf) is None
        self.sign_in()

    # -- the thief ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.thief_around and self.loot is None and self.line.over is None)
    @rule()
    def a_thief_copies_the_jar(self):
        self.loot = Jar.__new__(Jar)
        self.loot.__dict__.update(self.jar.__dict__)

    @precondition(lambda self: self.loot is not None)
    @rule(use=st.booleans())
    def the_thief_refreshes(self, use):
        answer = self.refresh(self.loot.generation, self.loot.anti_csrf)
        if answer is not None:
            self.loot.put(*answer)
            if use:
                self.call_api(self.loot)

    @precondition(lambda self: self.loot is not None)
    @rule(back=st.integers(1, 5))
    def the_thief_tries_an_old_token(self, back):
        generation = max(0, self.loot.generation - back)
        self.refresh(generation, self.line.csrf[generation])

    # -- time and faults ---------------------------------------------------------------------------------------------

    @rule(pause=PAUSES)
    def time_goes_by(self, pause):
        if not self.may_wait(pause):
            return
        self.clock.advance(pause)
        self.now = max(self.clock.wall(), self.now + pause)

    def may_wait(self, pause):
        """An honest browser that lost a response comes back while it may."""
        if self.loot is not None or self.jar.generation == self.line.generation:
            return True
        later = max(self.clock.wall() + pause, self.now + pause)
        return self.line.expected(self.jar.generation, later, self.policy) in {"replayed", "rotated"}

    @precondition(lambda self: len(self.engines) == 1)
    @rule(jump=JUMPS)
    def the_clock_jumps(self, jump):
        """Only where one engine runs: of several, one learns of the others' time from what they have written."""
        if not self.may_wait(max(0, jump)):
            return
        self.held.clear()
        self.clock.jump(jump)
        self.now = max(self.now, self.clock.wall())

    @rule()
    def everything_restarts(self):
        for engine in self.engines:
            engine.close()
        self.engines = [self.begin_engine()]

    @precondition(lambda self: len(self.engines) < 3 and self.now == self.clock.wall())
    @rule()
    def another_engine_is_started(self):
        self.engines.append(self.begin_engine())

    @rule(turn=st.integers(1, 2))
    def the_requests_go_to_another_engine(self, turn):
        self.engines = self.engines[turn:] + self.engines[:turn]

    @rule()
    def the_signing_key_is_replaced(self):
        self.engine.rotate_keys()

    # -- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def theft_is_told_once_each_and_never_to_the_honest(self):
        assert len(self.events.named(EventName.TOKEN_THEFT)) == self.thefts
        assert len(self.events.named(EventName.SESSION_IN_STEP)) == self.steps_told
        if not self.thief_around:
            assert self.thefts == 0

    @invariant()
    def the_line_is_one_and_ends_are_final(self):
        if self.line is None:
            return
        live = {record.handle: record for record in self.engine.list_user("user")}
        assert (self.line.handle in live) is (self.line.ended(self.now) is None)
        if self.line.handle in live:
            record = live[self.line.handle]
            assert (record.generation, record.rotated_at) == (self.line.generation, self.line.rotated_at)
            assert (record.confirmed_at is not None) is self.line.confirmed
            assert (record.expires_at, record.jwt_payload) == (self.ends_at(), self.payload)

    @invariant()
    def other_sessions_are_left_alone(self):
        if self.line is None:
            return
        record = self.engine._store.get(self.settings.scope, self.bystander.claims.sid).record
        if record is None:
            assert self.now >= self.bystander.session_expires_at + DAY, "purged before its time"
            return
        assert (record.generation, record.version, record.end_reason) == (0, 1, None)
        assert record.jwt_payload == b'{"by":"stander"}'

    def teardown(self):
        for engine in self.engines:
            engine.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("thief_around", [False, True], ids=["honest", "with a thief"])
@pytest.mark.parametrize("persistent", [False, True], ids=["memory", "sqlite"])
@pytest.mark.parametrize("policy", ["graceful", "classic"])
def test_every_story_ends_as_the_design_says(policy, persistent, thief_around):
    named = {"policy": policy, "persistent": persistent, "thief_around": thief_around}
    run_state_machine_as_test(
        type("Machine", (SessionMachine,), named), settings=settings(PROFILE, max_examples=25 if persistent else 60)
    )
