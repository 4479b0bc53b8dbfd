"""What a stolen database, log or handle is worth: nothing (S01 to S06, S40)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from reseal import (
    AsyncEngine,
    AsyncSQLiteStore,
    ConfigurationError,
    Engine,
    MemoryStore,
    SQLiteStore,
    TryRefreshToken,
    Unauthorised,
)
from reseal.core import refresh_token
from reseal.core.events import Caller
from reseal.core.model import Device, Scope
from reseal.core.session_keys import RELOAD_EVERY
from reseal.testing import ManualClock
from tests.security.material import (
    HOSTILE,
    SECRET_KEY,
    App,
    handle_of,
    opened,
    refresh_key,
    secret_of,
    settings,
    stored_keys,
)

MINTER = Path(__file__).parent / "minter.py"
PKCS8 = (bytes.fromhex("30818702010030"), bytes.fromhex("3041020100301306072a8648ce3d0201"), b"PRIVATE KEY", b'"d":')
EC_OIDS = (bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06032b6570"), bytes.fromhex("06092a864886f70d010101"))


# -- S01: where randomness comes from -------------------------------------------------------------------------------


def test_a_hundred_thousand_secrets_of_four_processes_are_all_different_and_even():
    """Two processes of their own and two that fork from one that had minted already."""
    done = subprocess.run(
        [sys.executable, str(MINTER), "25000"], capture_output=True, text=True, check=True, timeout=100
    )
    minted = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(minted) == 4
    assert len({each["process"] for each in minted}) == 4
    for kind, size in {"refresh": 32, "anti_csrf": 32, "handle": 16}.items():
        values = [value for each in minted for value in each[kind]]
        raw = [bytes.fromhex(value) for value in values]
        assert len(values) == 100_000
        assert {len(value) for value in raw} == {size}
        assert len(set(raw)) == len(raw)
        for position in range(size if kind != "handle" else 6):  # then come the version and variant of a UUID
            seen = Counter(value[position] for value in raw)
            for bit in range(8):
                share = sum(times for byte, times in seen.items() if byte >> bit & 1) / len(raw)
                assert abs(share - 0.5) < 0.01


def test_the_engine_asks_the_system_for_randomness():
    asked = []

    def counted(n):
        asked.append(n)
        return os.urandom(n)

    clock = ManualClock()
    engine = Engine(settings(), MemoryStore(clock), clock=clock, random=counted)
    assert Engine.__init__.__kwdefaults__["random"] is os.urandom
    assert AsyncEngine.__init__.__kwdefaults__["random"] is os.urandom
    with opened(engine):
        asked.clear()
        pair = engine.create("user-1")
        assert asked == [16 + 32]
        asked.clear()
        engine.refresh(pair.refresh_token)
        assert asked == [32]


def test_each_generation_has_a_new_secret_and_anti_csrf_token():
    app = App(enable_anti_csrf=True)
    pair, secrets, csrf = app.pair, set(), set()
    for _ in range(200):
        secrets.add(secret_of(pair.refresh_token))
        csrf.add(pair.anti_csrf)
        pair = app.engine.refresh(pair.refresh_token)
    assert len(secrets) == len(csrf) == 200
    assert {len(secret) for secret in secrets} == {32}


# -- S02: the handle ------------------------------------------------------------------------------------------------


def test_a_handle_is_no_credential_anywhere():
    app = App(enable_anti_csrf=True)
    handle, good = handle_of(app.pair), app.pair.refresh_token.split(".")
    before = dict(app.store._sessions[app.settings.scope])
    for text in (handle, f"r1.{handle}", f"r1.{handle}.0", f"r1.{handle}.0..", f"{handle}.{handle}.{handle}"):
        assert not app.accepts(text)
        assert app.refuses_refresh(text)
        assert not app.engine.check_anti_csrf(app.pair.claims, text)
    for part in (3, 4):
        forged = ".".join([*good[:part], "A" * 43, *good[part + 1 :]])
        assert app.refuses_refresh(forged)
    with pytest.raises(Unauthorised, match="anti_csrf"):
        app.engine.refresh(app.pair.refresh_token, anti_csrf=handle, require_anti_csrf=True)
    assert app.store._sessions[app.settings.scope] == before


# -- S03: what rests in the database and in the logs ----------------------------------------------------------------


def traces(secret):
    """Every 16-byte slice of a secret: raw, in hex, and in base64 at each of the three alignments."""
    for n in range(len(secret) - 15):
        piece = secret[n : n + 16]
        yield from (piece, piece.hex().encode(), piece.hex().upper().encode())
    for encode in (urlsafe_b64encode, b64encode):
        for shift in range(3):
            text = encode(bytes(shift) + secret)[4:].rstrip(b"=")
            yield text[: len(text) // 2]
            yield text[-22:-1]


def windows(haystack, needles):
    """Which of the needles occur; each is looked up by its first bytes, so that thousands cost one pass."""
    by_start = {}
    for needle in needles:
        by_start.setdefault(needle[:8], []).append(needle)
    return [
        needle
        for n in range(len(haystack) - 7)
        for needle in by_start.get(haystack[n : n + 8], ())
        if haystack.startswith(needle, n)
    ]


def test_the_search_finds_what_is_there():
    secret = os.urandom(32)
    for text in (secret, secret.hex().encode(), urlsafe_b64encode(secret), b64encode(b"xy" + secret)):
        assert windows(b"before" + text + b"behind", traces(secret))
    assert not windows(os.urandom(5000), traces(secret))


async def test_neither_database_nor_logs_hold_a_token_or_a_piece_of_its_secret(tmp_path, caplog):
    import asyncio

    caplog.set_level(logging.DEBUG)
    path = tmp_path / "sessions.db"
    engine = AsyncEngine(settings(enable_anti_csrf=True), AsyncSQLiteStore(path))
    pairs = []
    async with engine:
        caller = Caller(Device("192.0.2.1", "agent"), "request-1")
        first = await asyncio.gather(*(engine.create(f"user-{n}", {"n": n}, caller=caller) for n in range(1000)))
        second = await asyncio.gather(*(engine.refresh(pair.refresh_token, caller=caller) for pair in first))
        again = await asyncio.gather(*(engine.refresh(pair.refresh_token) for pair in first[:20]))
        assert [pair.refresh_token for pair in again] == [pair.refresh_token for pair in second[:20]]
        pairs += [*first, *second]
        rest = b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))
        logged = "\n".join(record.getMessage() for record in caplog.records).encode()
    assert {file.name for file in tmp_path.iterdir()} >= {"sessions.db"}
    assert len(rest) > 500_000
    assert logged.count(b"session_refreshed") == 1000
    assert handle_of(first[0]).encode() in rest
    assert hashlib.sha256(second[0].refresh_token.encode()).digest() in rest
    needles = {needle for pair in pairs for needle in traces(secret_of(pair.refresh_token))}
    needles |= {pair.refresh_token.encode() for pair in pairs} | {pair.access_token.encode() for pair in pairs}
    needles |= {pair.anti_csrf.encode() for pair in pairs}
    needles |= {pair.access_token.rpartition(".")[2].encode() for pair in pairs}
    needles |= {pair.refresh_token.rpartition(".")[2].encode() for pair in pairs}
    assert windows(rest, needles) == []
    assert windows(logged, needles) == []


# -- S04: a stolen database -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ES256", "EdDSA", "RS256"])
def test_a_database_without_the_secret_key_holds_no_key(tmp_path, name):
    clock, path = ManualClock(), tmp_path / "stolen.db"
    given = settings(secret_key=SECRET_KEY, access_token_signing_algorithm=name)
    store = SQLiteStore(path, clock)
    with opened(Engine(given, store, clock=clock)) as engine:
        engine.create("user-1")
        private = next(iter(stored_keys(store, given).values())).private
        mac_key = refresh_key(store, given)
        dump = b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))
        encrypted = [key.secret for key in store.keys("public")]
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert all(secret[:100] in dump for secret in encrypted)
    assert len(encrypted) == 2
    needles = {*PKCS8, *EC_OIDS, mac_key, SECRET_KEY.encode(), *raw_numbers(private)}
    needles |= {needle for raw in (mac_key, *raw_numbers(private)) for needle in traces(raw)} | {der[:32], der[-32:]}
    assert [needle for needle in needles if needle in dump] == []


def raw_numbers(private):
    if hasattr(private, "private_bytes_raw"):
        return [private.private_bytes_raw()]
    numbers = private.private_numbers()
    found = [numbers.private_value] if hasattr(numbers, "private_value") else [numbers.p, numbers.q, numbers.d]
    return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in found]


def test_without_a_secret_key_the_same_search_finds_the_keys(tmp_path):
    """What the search above is worth, and what `secret_key` is for."""
    clock, path = ManualClock(), tmp_path / "open.db"
    store = SQLiteStore(path, clock)
    with opened(Engine(settings(), store, clock=clock)):
        (private,) = [key.private for key in stored_keys(store, settings()).values()]
        dump = b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))
    assert raw_numbers(private)[0] in dump
    assert any(oid in dump for oid in EC_OIDS)


def test_no_candidate_built_from_stored_columns_is_accepted():
    app = App(secret_key=SECRET_KEY, enable_anti_csrf=True)
    second = app.engine.refresh(app.pair.refresh_token)
    (record,) = app.store._sessions[app.settings.scope].values()
    columns = [getattr(record, name) for name in record.__slots__]
    for key in app.store.keys("public"):
        columns += list(key)
    raw = [value if isinstance(value, bytes) else str(value).encode() for value in columns if value is not None]
    raw += [hashlib.sha256(value).digest() for value in raw]
    texts = {encode(value).decode().rstrip("=") for value in raw for encode in (urlsafe_b64encode, b64encode)}
    texts |= {value.hex() for value in raw} | {value.decode("latin-1") for value in raw}
    scope, handle = Scope(), record.handle
    candidates = {f"r1.{handle}.{gen}.{one}.{two}" for gen in (0, 1, 2) for one in texts for two in sorted(texts)[:20]}
    secrets = [value[:32].ljust(32, b"\0") for value in raw]
    forged = {refresh_token.mint(scope, key, handle, gen, s).text for key in raw for s in secrets for gen in (1, 2)}
    headers = {app.key.header, *texts}
    jwts = {f"{head}.{body}.{sig}" for head in headers for body in texts for sig in sorted(texts)[:4]}
    assert min(len(texts), len(candidates), len(forged), len(jwts)) > 50
    assert app.engine.newest([*texts, *candidates, *forged]) == ()
    for text in [*texts, *jwts]:
        assert not app.accepts(text)
        assert not app.engine.check_anti_csrf(second.claims, text)
    for text in [*texts, *sorted(candidates)[:500], *sorted(forged)[:500]]:
        assert app.refuses_refresh(text)
    assert app.engine.refresh(second.refresh_token).claims.gen == 2


def test_what_is_stored_does_not_give_the_successor():
    app = App(secret_key=SECRET_KEY)
    first = app.pair.refresh_token
    app.engine.refresh(first)
    (record,) = app.store._sessions[app.settings.scope].values()
    mac_key = refresh_key(app.store, app.settings)
    presented = refresh_token.parse(Scope(), mac_key, first)
    assert record.previous_hash == presented.hash
    for pepper in (b"", b"\0" * 32, record.current_hash, record.previous_hash):
        by_hash = msgspec.structs.replace(presented, text=record.previous_hash.hex())
        for known in (presented, by_hash):
            guess = refresh_token.successor_of(Scope(), mac_key, known, pepper, record.successor_sealed)
            assert guess.hash != record.current_hash


# -- S06, S40: tokens that are not from here ------------------------------------------------------------------------


def test_a_well_formed_token_of_nobody_opens_no_session():
    app = App()
    body = f"r1.{handle_of(app.pair)}.0.{'A' * 43}"
    unknown = "00000000-0000-4000-8000-000000000000"
    mac_key = refresh_key(app.store, app.settings)
    genuine = refresh_token.mint(app.settings.scope, mac_key, unknown, 0, os.urandom(32)).text
    rows = dict(app.store._sessions[app.settings.scope])
    for text in (f"{body}.{'A' * 43}", f"r1.{unknown}.0.{'A' * 43}.{'A' * 43}", genuine):
        assert app.refuses_refresh(text)
    with pytest.raises(Unauthorised, match="unknown_session"):
        app.engine.get(unknown)
    assert app.engine.revoke([unknown]) == ()
    assert app.store._sessions[app.settings.scope] == rows
    assert app.engine.refresh(app.pair.refresh_token).claims.gen == 1


def test_an_access_token_of_an_unknown_session_dies_at_the_store():
    app = App()
    claims = app.engine.verify(app.sign(app.members(sid='"00000000-0000-4000-8000-000000000000"')))
    with pytest.raises(Unauthorised, match="unknown_session"):
        app.engine.check(claims)
    assert len(app.store._sessions[app.settings.scope]) == 1


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_a_refusal_in_every_place_of_a_credential(text):
    app = App(enable_anti_csrf=True)
    parts = app.pair.refresh_token.split(".")
    for n in range(5):
        assert app.refuses_refresh(".".join([*parts[:n], text, *parts[n + 1 :]]))
    for presented in (text, text + "\ud800"):
        assert app.refuses_refresh(presented)
        assert not app.accepts(presented)
        assert not app.engine.check_anti_csrf(app.pair.claims, presented)
        with pytest.raises(Unauthorised, match="anti_csrf"):
            app.engine.refresh(app.pair.refresh_token, anti_csrf=presented, require_anti_csrf=True)
    assert {event.name.value for event in app.events} == {"key_published", "session_created", "refresh_refused"}


def test_an_engine_that_was_not_opened_accepts_nothing():
    """Its ring has an empty key: a token made with that key must not pass."""
    clock = ManualClock()
    engine = Engine(settings(), MemoryStore(clock), clock=clock)
    forged = refresh_token.mint(Scope(), b"", "00000000-0000-4000-8000-000000000000", 0, bytes(32)).text
    with pytest.raises(RuntimeError, match="not open"):
        engine.refresh(forged)
    with pytest.raises(TryRefreshToken):
        engine.verify(App().pair.access_token)
    assert engine._store._sessions == {}


def test_an_engine_whose_store_lost_its_keys_says_so_and_hands_out_nothing():
    app = App()
    app.store._keys.clear()
    app.clock.advance(RELOAD_EVERY)
    with pytest.raises(ConfigurationError, match="no refresh key"):
        app.engine.refresh(app.pair.refresh_token)
    assert app.engine.get(handle_of(app.pair)).generation == 0
