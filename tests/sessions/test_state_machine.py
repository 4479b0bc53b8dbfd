# ruff: noqa: PT017 - a machine goes on after an error, whatever that was
"""A state machine over the public engine: browsers, a thief, faults and clocks in every order Hypothesis thinks of.

The test keeps the ancestry of all tokens itself and works out from ``rotation.md`` what each refresh must lead to;
nothing is read from the server. An honest browser sends what its jar holds, refreshes only when its access token
is refused, repeats what got lost, and signs in again when it was away beyond the limits of its policy. Some keep an
attempt key for each of their tokens, and may then come back with the jar of before their last refresh.

The store may forget its last writes, or be set back to a backup; what the test knows of it is set back with it.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
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
from reseal.core.errors import RefreshOvertaken, Refusal, TokenTheftDetected, TryRefreshToken, Unauthorised
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
BURST = 16
IDLE = 3 * DAY
ABSOLUTE = 20 * DAY
LOST = 2 * DAY
ACCESS = 60
"""Seconds: longer than the race window, as every access token is."""
JUMPS = st.sampled_from([-HOUR, -DAY, -1, 1, 20_000])
"""Forward by less than a store believes at once; what becomes of larger jumps, the suite of the stores shows."""
KINDLY = {"rotated", "adopted", "replayed", "counted", "shown to be the same"}
PAUSES = st.one_of(
    st.integers(1, 5 * MINUTE),
    st.sampled_from(
        [WINDOW - 1, WINDOW, WINDOW + 1, ACCESS * 1000, HOUR, 8 * HOUR, DAY, LOST - 1, LOST, LOST + 1, IDLE]
    ),
)


@dataclass(frozen=True)
class Token:
    """One refresh token that was given out, with the anti-CSRF token that belongs to it."""

    text: str
    csrf: str
    generation: int


@dataclass(frozen=True)
class Line:
    """What the store ought to know of one session, and when. The store's clock."""

    handle: str
    current: Token
    created_at: int
    rotated_at: int
    previous: Token | None = None
    key: str | None = None
    """The attempt key with which the current token was made."""
    confirmed: bool = False
    replayed: frozenset = frozenset()
    """The generations that needed a replay."""
    worth: dict = field(default_factory=dict)
    """Those that needed one outside the race window from who did not show the key: what each is worth."""
    payload: bytes = b"{}"
    over: Refusal | None = None

    @property
    def generation(self):
        return self.current.generation

    def ended(self, now):
        if self.over is not None:
            return self.over
        if now >= self.created_at + ABSOLUTE:
            return Refusal.ABSOLUTE_TIMEOUT
        return Refusal.EXPIRED if now >= self.rotated_at + IDLE else None

    def expected(self, token, key, now, policy):
        """Say what presenting a token must lead to."""
        if (reason := self.ended(now)) is not None:
            return reason
        if token == self.current:
            return "rotated"
        if token == self.previous:
            return self.expected_again(key, now, policy)
        if token.generation > self.generation:
            return "adopted"
        if token.generation == self.generation:
            return Refusal.FORKED
        is_burst = now - self.rotated_at < WINDOW and self.generation - token.generation <= BURST
        return "overtaken" if key and is_burst else "theft older"

    def expected_again(self, key, now, policy):
        if key is not None and key == self.key:
            return "shown to be the same"
        age = now - self.rotated_at
        if age < WINDOW:
            return "replayed"
        if self.confirmed or (policy == "graceful" and age >= LOST) or self.is_full_with(key):
            return "theft previous"
        return "counted"

    def is_full_with(self, key):
        worth = self.worth_with(key)

        def of_last(count):
            return sum(worth.get(self.generation - ago, 0) for ago in range(count))

        run = next(ago for ago in range(40) if self.generation - ago not in worth)
        return of_last(run) >= 3 or of_last(8) >= 4 or of_last(32) >= 7

    def worth_with(self, key):
        worth = 1 if key is None and self.key is None else 2
        return self.worth | {self.generation: max(worth, self.worth.get(self.generation, 0))}

    def is_in_step(self):
        """Say whether a replay of this generation, if it is the first, makes three in a row."""
        return self.generation not in self.replayed and {self.generation - 1, self.generation - 2} <= self.replayed

    def stepped(self, presented, successor, key, now):
        return replace(self, current=successor, previous=presented, key=key, rotated_at=now, confirmed=False)


class Jar:
    """The cookies of a browser, and the attempt keys that it keeps; all its tabs share them."""

    def __init__(self, pair, token):
        self.keys = {}
        self.before = None
        """The jar as it was before the last refresh."""
        self.put(pair, token)

    def put(self, pair, token):
        self.access, self.token = pair.access_token, token

    def copy(self):
        copied = Jar.__new__(Jar)
        copied.__dict__.update(self.__dict__, keys=dict(self.keys))
        return copied


class SessionMachine(RuleBasedStateMachine):
    policy = "graceful"
    persistent = False
    thief_around = False
    keyed = False

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
            lost_response_window=LOST / 1000,
            enable_anti_csrf=True,
        )
        self.memory = MemoryStore(self.clock)
        self.engines = [self.begin_engine()]
        self.line = self.jar = self.loot = None
        self.held, self.history, self.backup = [], [], None
        self.thefts = self.steps_told = self.adoptions = self.keys_made = 0

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
        """Begin anew: a session, a jar, nothing under way, nothing stolen, nothing that a backup could know."""
        pair = self.engine.create("user")
        token = Token(pair.refresh_token, pair.anti_csrf, 0)
        self.line, self.jar = Line(pair.claims.sid, token, self.now, self.now), Jar(pair, token)
        self.held, self.loot, self.history, self.backup, self.given = [], None, [], None, [token]

    # -- the one way to refresh, and what it must lead to ------------------------------------------------------------

    def refresh(self, token, key):
        """Present a token and compare with what the ancestry says; give the pair and its token, if any."""
        line = self.line
        expected = line.expected(token, key, self.now, self.policy)
        try:
            pair = self.engine.refresh(
                token.text, anti_csrf=token.csrf, require_anti_csrf=True, attempt_key=key or None
            )
        except Unauthorised as error:
            assert error.reason is expected or self.may_be_forgotten(error)
            if expected is Refusal.FORKED and line.over is None:
                self.line = replace(line, over=Refusal.FORKED)
            return None
        except RefreshOvertaken:
            assert expected == "overtaken"
            return None
        except TokenTheftDetected as error:
            assert f"theft {error.subtype}" == expected
            assert (error.session_handle, error.user_id) == (line.handle, "user")
            assert self.loot is not None, "an honest user was taken for a thief"
            self.thefts += 1
            self.line = replace(line, over=Refusal.THEFT)
            return None
        given = Token(pair.refresh_token, pair.anti_csrf, pair.claims.gen)
        if expected in {"rotated", "adopted"}:
            assert given.generation == token.generation + 1
            assert all(pair.refresh_token != other.text and pair.anti_csrf != other.csrf for other in self.given)
            self.given.append(given)
            self.adoptions += expected == "adopted"
            self.line = line.stepped(token, given, key, self.now)
        else:
            assert given == line.current
            self.note_replay(expected, key)
        assert bytes(pair.claims.payload) == self.line.payload
        assert pair.session_expires_at - self.clock.wall() == self.ends_at() - self.now
        return pair, given

    def note_replay(self, expected, key):
        line = self.line
        assert expected in {"replayed", "counted", "shown to be the same"}
        if expected == "shown to be the same":
            return
        self.steps_told += line.is_in_step()
        worth = line.worth_with(key) if expected == "counted" else line.worth
        self.line = replace(line, replayed=line.replayed | {line.generation}, worth=worth)

    def ends_at(self):
        return min(self.line.rotated_at + IDLE, self.line.created_at + ABSOLUTE)

    def is_in_its_last_second(self):
        """An access token ends with its session, in whole seconds."""
        return self.ends_at() - self.now < 1000

    def may_be_forgotten(self, error):
        """Say whether a session was removed, a day after its end."""
        return error.reason is Refusal.UNKNOWN_SESSION and self.may_be_removed()

    def may_be_removed(self):
        return self.now >= self.ends_at() + DAY

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
            assert error.reason is self.line.ended(self.now) or self.may_be_forgotten(error)
            return
        assert self.line.ended(self.now) is None
        if claims.gen == self.line.generation:
            self.line = replace(self.line, confirmed=True)
        jar.access = self.engine.reissue(claims, record).access_token

    # -- the victim's browser ----------------------------------------------------------------------------------------

    def key_of(self, jar):
        """Give the attempt key that belongs to the token in a jar; it is made before it is needed first."""
        if not self.keyed:
            return None
        if jar.token.text not in jar.keys:
            self.keys_made += 1
            jar.keys[jar.token.text] = f"key-{self.keys_made}"
        return jar.keys[jar.token.text]

    @rule(outcome=st.sampled_from(["delivered", "delivered", "delivered", "lost", "twice", "held"]))
    def a_tab_calls_the_api(self, outcome):
        self.remember()
        if self.call_api(self.jar):
            return
        token, key = self.jar.token, self.key_of(self.jar)
        answer = self.refresh(token, key)
        if answer is None:
            self.sign_in()
            return
        if outcome == "twice":
            assert self.refresh(token, key) is not None
        if outcome == "held":
            self.held.append((*answer, self.now))
        elif outcome != "lost":
            before = self.jar.copy()
            self.jar.put(*answer)
            self.jar.before = before
            assert self.call_api(self.jar) or self.is_in_its_last_second()

    @rule(pause=st.sampled_from([WINDOW, HOUR, 8 * HOUR, DAY - 1]), rest=st.sampled_from([1, HOUR, DAY]))
    def a_response_gets_lost_and_is_asked_for_later(self, pause, rest):
        self.time_goes_by(ACCESS * 1000)
        self.a_tab_calls_the_api("lost")
        self.time_goes_by(pause)
        self.a_tab_calls_the_api("delivered")
        self.time_goes_by(rest)

    @rule(times=st.integers(2, 5), pause=st.sampled_from([MINUTE, HOUR]))
    def responses_get_lost_in_a_spell(self, times, pause):
        for _ in range(times):
            self.a_response_gets_lost_and_is_asked_for_later(pause, 1)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_held_response_arrives(self, data):
        pair, token, at = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if self.now - at < WINDOW:
            self.jar.put(pair, token)

    @precondition(lambda self: self.keyed and self.jar.before is not None)
    @rule()
    def the_browser_comes_back_with_the_jar_of_before_its_last_refresh(self):
        """Its keys it finds again where it kept them, and none was made since."""
        if self.line.expected(self.jar.before.token, self.key_of(self.jar.before), self.now, self.policy) in KINDLY:
            self.jar, keys = self.jar.before, self.jar.keys
            self.jar.keys = keys
            self.held = []

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
            assert error.reason is self.line.ended(self.now) or self.may_be_forgotten(error)
            return
        assert self.line.ended(self.now) is None
        self.line = replace(self.line, payload=record.jwt_payload)

    @rule(everything=st.booleans())
    def the_user_signs_out(self, everything):
        engine, live = self.engine, self.line.over is None
        if everything:
            ended = engine.revoke_user("user", keep=self.bystander.claims.sid)
            reason = Refusal.USER_REVOKED
        else:
            ended = engine.revoke([self.line.handle])
            reason = Refusal.REVOKED
        assert (self.line.handle in ended) is live or self.may_be_removed()
        if live:
            self.line = replace(self.line, over=reason)
        for token in self.given:
            assert self.refresh(token, None) is None
        self.sign_in()

    # -- the thief ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.thief_around and self.loot is None and self.line.over is None)
    @rule()
    def a_thief_copies_jar_and_storage(self):
        self.loot = self.jar.copy()

    @precondition(lambda self: self.loot is not None)
    @rule(use=st.booleans(), sends_keys=st.booleans())
    def the_thief_refreshes(self, use, sends_keys):
        answer = self.refresh(self.loot.token, self.key_of(self.loot) if sends_keys else None)
        if answer is not None:
            self.loot.put(*answer)
            if use:
                self.call_api(self.loot)

    @precondition(lambda self: self.loot is not None)
    @rule(back=st.integers(1, 5))
    def the_thief_tries_an_old_token(self, back):
        self.refresh(self.given[max(0, len(self.given) - 1 - back)], None)

    # -- a store that is set back ------------------------------------------------------------------------------------

    def remember(self):
        """Note what the store knows, so that it can forget what comes after."""
        if not self.persistent:
            sessions = {scope: dict(records) for scope, records in self.memory._sessions.items()}
            self.history = [*self.history[-9:], (sessions, self.line)]

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def the_store_forgets_its_last_writes(self, data):
        kept = data.draw(st.integers(0, len(self.history) - 1))
        sessions, self.line = self.history[kept]
        self.memory._sessions = {scope: dict(records) for scope, records in sessions.items()}
        self.history, self.held = self.history[:kept], []

    @precondition(lambda self: self.persistent and self.now == self.clock.wall())
    @rule()
    def a_backup_is_made(self):
        self.stop()
        shutil.copy(self.folder / "sessions.db", self.folder / "backup.db")
        self.backup = self.line
        self.engines = [self.begin_engine()]

    @precondition(lambda self: self.backup is not None and self.now == self.clock.wall())
    @rule()
    def the_backup_is_restored(self):
        self.stop()
        for leftover in self.folder.glob("sessions.db*"):
            leftover.unlink()
        shutil.copy(self.folder / "backup.db", self.folder / "sessions.db")
        self.line, self.held = self.backup, []
        self.engines = [self.begin_engine()]

    # -- time and faults ---------------------------------------------------------------------------------------------

    @rule(pause=PAUSES)
    def time_goes_by(self, pause):
        if not self.may_wait(pause):
            return
        self.clock.advance(pause)
        self.now = max(self.clock.wall(), self.now + pause)

    def may_wait(self, pause):
        """An honest browser that lost a response comes back while it may."""
        if self.loot is not None or self.jar.token.generation >= self.line.generation:
            return True
        later = max(self.clock.wall() + pause, self.now + pause)
        return self.line.expected(self.jar.token, self.key_of(self.jar), later, self.policy) in KINDLY

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
        self.stop()
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
        told = [event.reason for event in self.events.named(EventName.STORE_ROLLED_BACK)]
        assert told.count("adopted") == self.adoptions
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
            assert (record.expires_at, record.jwt_payload) == (self.ends_at(), self.line.payload)
            ages = [self.line.generation - generation for generation in self.line.worth]
            assert record.collided == sum(1 << age for age in ages if age < 32)

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

    def stop(self):
        for engine in self.engines:
            engine.close()

    def teardown(self):
        self.stop()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("keyed", [False, True], ids=["without keys", "with keys"])
@pytest.mark.parametrize("thief_around", [False, True], ids=["honest", "with a thief"])
@pytest.mark.parametrize("persistent", [False, True], ids=["memory", "sqlite"])
@pytest.mark.parametrize("policy", ["graceful", "classic"])
def test_every_story_ends_as_the_design_says(policy, persistent, thief_around, keyed):
    named = {"policy": policy, "persistent": persistent, "thief_around": thief_around, "keyed": keyed}
    run_state_machine_as_test(
        type("Machine", (SessionMachine,), named), settings=settings(PROFILE, max_examples=15 if persistent else 40)
    )
