"""No secret is printed: not by a log at any level, not by ``repr``, not by an error (S93).

A traceback that prints local variables shows what the caller passed in: the token that was presented, the payload.
Those are the caller's own variables. It must show nothing else: no key and no credential that was not presented.
"""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode

import pytest

from reseal import (
    AccessTokenTooLarge,
    ConfigurationError,
    Engine,
    HasClaim,
    InvalidInput,
    Reseal,
    ResealError,
    SessionHeaders,
    SQLiteStore,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    log_event,
)
from reseal.core.keys import Wrapping
from reseal.core.model import NewSession, Rotation
from reseal.core.refresh_token import parse
from reseal.core.rotation import advanced, begun
from reseal.testing import ManualClock
from reseal.web.facts import RequestFacts
from tests.security.material import API, SECRET_KEY, refresh_key, secret_of, settings, stored_keys

PAYLOAD = "canary-in-the-payload-5b1d"
DATA = "canary-in-the-session-data-9e2c"


def spellings(secret):
    """The ways in which a secret would show in print."""
    raw = secret.encode() if isinstance(secret, str) else secret
    text = raw.decode("latin-1")
    return {
        *(text, repr(raw)[2:-1], repr(text)[1:-1], raw.hex(), raw.hex().upper()),
        *(urlsafe_b64encode(raw).decode().rstrip("="), b64encode(raw).decode().rstrip("=")),
    }


class World:
    """A life of sessions, with everything that it handed out and every error that it raised."""

    def __init__(self, tmp_path):
        self.clock, self.events = ManualClock(), []
        self.settings = settings(secret_key=SECRET_KEY, enable_anti_csrf=True)
        self.store = SQLiteStore(tmp_path / "silence.db", self.clock)
        self.engine = Engine(self.settings, self.store, clock=self.clock, on_event=self.tell)
        self.reseal = Reseal(self.settings, sessions=self.engine, clock=self.clock, on_event=self.tell)
        self.pairs, self.errors, self.shown = [], [], []

    def tell(self, event):
        self.events.append(event)
        log_event(event)

    def fails(self, expected, call, *arguments, **options):
        with pytest.raises(expected) as caught:
            call(*arguments, **options)
        self.errors.append(caught.value)

    def request(self, path, pair, method="POST"):
        cookies = {
            self.settings.access_cookie_name: pair.access_token,
            self.settings.refresh_cookie_name: pair.refresh_token,
        }
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        headers = [("cookie", cookie), ("origin", API), ("anti-csrf", pair.anti_csrf)]
        request = RequestFacts.of(method, path, headers, "192.0.2.1")
        self.shown.append(request)
        return request

    def live(self):
        engine = self.engine
        engine.open()
        first = engine.create("user-1", {"seen": PAYLOAD}, {"kept": DATA})
        second = engine.refresh(first.refresh_token)
        again = engine.refresh(first.refresh_token)
        engine.update(first.claims.sid, jwt_payload={"seen": PAYLOAD, "more": 1}, session_data={"kept": DATA * 2})
        record = engine.check(engine.verify(second.access_token))
        reissued = engine.reissue(second.claims, record)
        third = engine.refresh(second.refresh_token)
        self.pairs += [first, second, again, reissued, third]
        engine.rotate_keys()
        self.clock.advance(7_200_000)
        fourth = engine.refresh(third.refresh_token)
        self.pairs.append(fourth)
        headers, outbox = SessionHeaders(), SessionHeaders()
        session = self.reseal.get_session(self.request("/", fourth, "GET"), headers)
        signed_in = self.reseal.create_new_session(self.request("/signin", fourth), outbox, "user-3", {"a": PAYLOAD})
        self.shown += [session, signed_in, headers, outbox, record, engine, engine._verifier, engine._keeper]
        self.shown += [self.reseal, self.settings, self.settings.secret_key, self.settings.policy, self.store]
        self.shown += [engine._keeper.ring, engine._keeper._wrapping, *self.store.keys("public"), first.claims]
        self.shown += [
            *stored_keys(self.store, self.settings).values(),
            self.store.get(self.settings.scope, record.handle),
        ]
        self.shown += [parse(self.settings.scope, refresh_key(self.store, self.settings), third.refresh_token)]
        self.shown += [HasClaim("seen", True), headers.touched]
        self.go_wrong(first, fourth)
        return self

    def go_wrong(self, first, fourth):
        engine, store = self.engine, self.store
        for token in (first.access_token, fourth.access_token[:-4] + "AAAA", fourth.refresh_token, "x" * 9000):
            self.fails(TryRefreshToken, engine.verify, token)
        for token in (fourth.access_token, fourth.refresh_token[:-4] + "AAAA", fourth.claims.sid):
            self.fails(Unauthorised, engine.refresh, token)
        self.fails(Unauthorised, engine.refresh, fourth.refresh_token, anti_csrf="wrong", require_anti_csrf=True)
        self.fails(InvalidInput, engine.create, "user-2", {"seen": PAYLOAD, "bad": "\ud800" + PAYLOAD})
        self.fails(InvalidInput, engine.create, "user-2", {"seen": (PAYLOAD,)})
        self.fails(InvalidInput, engine.create, "user-2", {}, {"kept": {DATA}})
        self.fails(InvalidInput, engine.create, "\0" + PAYLOAD)
        self.fails(AccessTokenTooLarge, engine.create, "user-2", {"seen": PAYLOAD * 300})
        request = self.request("/", fourth, "GET")
        self.fails(ResealError, self.reseal.get_session, request, SessionHeaders(), claims=[HasClaim("seen", DATA)])
        for other in ({}, {"secret_key": SECRET_KEY + PAYLOAD}):
            self.fails(ConfigurationError, Engine(settings(**other), store, clock=self.clock)._keeper.open)
        for name, call in {"rotate": engine.refresh, "get": engine.get}.items():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(store, name, silent)
                self.fails(StoreUnavailable, call, fourth.refresh_token if name == "rotate" else fourth.claims.sid)
        unused = engine.create("user-4")
        self.pairs.append(unused)
        for _ in range(2):
            unused = engine.refresh(unused.refresh_token)
            self.pairs.append(unused)
        self.fails(TokenTheftDetected, engine.refresh, self.pairs[-3].refresh_token)
        self.fails(Unauthorised, engine.refresh, unused.refresh_token)
        self.fails(ConfigurationError, settings, secret_key=PAYLOAD[:12])
        engine.close()
        self.fails(StoreUnavailable, engine.get, fourth.claims.sid)

    def keys(self):
        """Secrets that nobody presents: they must not show anywhere, not even among local variables."""
        self.store.open()
        wrapping = Wrapping(SECRET_KEY.encode())
        secrets = [SECRET_KEY, wrapping.pepper, refresh_key(self.store, self.settings)]
        for key in stored_keys(self.store, self.settings).values():
            scalar = key.private.private_numbers().private_value
            secrets += [scalar.to_bytes(32, "big"), str(scalar)]
        self.store.close()
        return {spelling for secret in secrets for spelling in spellings(secret)}

    def credentials(self):
        texts = []
        for pair in self.pairs:
            _, body, signature = pair.access_token.split(".")
            texts += [pair.access_token, signature, body]
            if pair.refresh_token:
                texts += [pair.refresh_token, pair.refresh_token.rpartition(".")[2]]
                texts += [pair.anti_csrf]
        secrets = [secret_of(pair.refresh_token) for pair in self.pairs if pair.refresh_token]
        return {spelling for secret in [*texts, *secrets] for spelling in spellings(secret)}


def silent(*_):
    raise StoreUnavailable


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    records = []
    handler = logging.Handler(logging.NOTSET)
    handler.emit = records.append
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    world = World(tmp_path_factory.mktemp("silence")).live()
    root.removeHandler(handler)
    root.setLevel(level)
    world.logged = "\n".join(f"{r.getMessage()} {r.args!r} {r.msg!r} {vars(r)!r}" for r in records)
    return world


def hits(text, secrets):
    return [secret for secret in secrets if secret in text]


def every_secret(world):
    return world.keys() | world.credentials() | {PAYLOAD, DATA}


def test_the_life_has_shown_everything_there_is(world):
    names = {type(error) for error in world.errors}
    assert names >= {
        TryRefreshToken,
        Unauthorised,
        TokenTheftDetected,
        InvalidInput,
        ConfigurationError,
        StoreUnavailable,
    }
    assert len({event.name for event in world.events}) >= 7
    assert hits(f"{world.pairs[0].access_token} {SECRET_KEY}", every_secret(world))
    assert len(world.keys()) > 15
    assert len(world.credentials()) > 100


def test_nothing_is_logged_at_any_level(world):
    assert world.logged.count("session_refreshed") > 3
    assert hits(world.logged, every_secret(world)) == []


def test_nothing_is_shown_by_any_object_that_is_printed(world):
    shown = [*world.shown, *world.pairs, *world.events, world.pairs, world.events, tuple(world.shown), vars(world)]
    for each in shown:
        for text in (repr(each), str(each), f"{each}"):
            assert hits(text, every_secret(world)) == []


def test_rows_and_steps_show_neither_hashes_nor_payloads(world):
    new = NewSession(
        handle="h",
        user_id="u",
        token_hash=b"\xab" * 32,
        idle_ms=1,
        absolute_ms=None,
        jwt_payload=PAYLOAD.encode(),
        session_data=DATA.encode(),
        device=None,
    )
    step = Rotation(
        handle="h",
        presented_hash=b"\xab" * 32,
        successor_hash=b"\xab" * 32,
        successor_sealed=b"\xab" * 60,
        idle_ms=1,
        device=None,
    )
    row = advanced(begun(new, 0), step, 1)
    for each in (new, step, row):
        assert "handle='h'" in repr(each)
        assert hits(f"{each!r} {each} {each.__rich_repr__()}", {PAYLOAD, DATA, r"\xab\xab"}) == []
        assert pickle.loads(pickle.dumps(each)) == copy.deepcopy(each) == each


def chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_no_error_carries_a_secret_in_its_text_or_its_attributes(world):
    secrets = every_secret(world)
    for error in world.errors:
        for each in chain(error):
            facts = f"{each!s} {each!r} {each.args!r} {vars(each)!r} {getattr(each, '__notes__', None)!r}"
            facts += repr([repr(vars(f)) if hasattr(f, "__dict__") else repr(f) for f in getattr(each, "failures", ())])
            assert hits(facts, secrets) == []
        assert hits("".join(traceback.format_exception_only(error)), secrets) == []


def of_the_library(error):
    """A traceback with local variables, of the library's own frames: the test's are full of its canaries."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    parts = []
    while told is not None:
        frames = [frame for frame in told.stack if "/reseal/" in frame.filename and "/tests/" not in frame.filename]
        parts += [f"{frame.name}: {frame.locals}" for frame in frames] + list(told.format_exception_only())
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    return "\n".join(parts)


def test_a_traceback_with_local_variables_shows_no_key(world):
    shown = "\n".join(of_the_library(error) for error in world.errors)
    assert "presented" in shown
    assert hits(shown, world.keys()) == []


def test_a_traceback_with_local_variables_shows_no_credential_that_was_not_presented(world):
    """A refresh that fails at the store has made a successor by then: its text must not be readable."""
    failed = [error for error in world.errors if isinstance(error, StoreUnavailable | TokenTheftDetected)]
    presented = {world.pairs[5].refresh_token, world.pairs[-3].refresh_token}
    assert len(failed) == 4
    for error in failed:
        shown = of_the_library(error)
        for pair in world.pairs:
            if pair.refresh_token and pair.refresh_token not in presented:
                assert hits(shown, spellings(secret_of(pair.refresh_token)) | {pair.refresh_token}) == []
            assert pair.access_token not in shown
        assert "successor" not in shown or "RefreshToken(handle=" in shown
