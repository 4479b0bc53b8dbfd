"""What callers may store: it comes back exactly as it was given, or it is refused loudly."""

from __future__ import annotations

import enum
import json
import math
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TypedDict
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reseal import AccessTokenTooLarge, GeneralError, InvalidInput, MemoryStore, SQLiteStore
from reseal.core import payload
from reseal.testing import ManualClock
from tests.security.material import HOSTILE, App

CANARY = "canary-7f31"
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | UNICODE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(UNICODE, inner, max_size=4),
    max_leaves=20,
)
COOKIE_LIMIT = 4096


def exactly(a, b):
    """Equality that keeps 1, 1.0, True and -0.0 apart."""
    return a == b and repr(a) == repr(b)


def nested(depth, *, in_dicts):
    value = 1
    for _ in range(depth):
        value = {"a": value} if in_dicts else [value]
    return value


def cycle():
    value = {}
    value["again"] = [value]
    return value


class Colour(enum.StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Broken(Mapping):
    """A mapping whose values cannot be read."""

    def __getitem__(self, name):
        raise KeyError(name)

    def __iter__(self):
        return iter(["a"])

    def __len__(self):
        return 1


CHANGED_BY_JSON = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "NaN inside": [1, {"b": math.nan}],
    "tuple": (1, 2),
    "tuple inside": [{"b": (1,)}],
    "set": {1, 2},
    "number as a name": {1: "one"},
    "true as a name": {True: 1},
    "null as a name": {None: 1},
    "bytes as a name": {b"a": 1},
    "bytes": b"raw",
    "bytearray": bytearray(b"raw"),
    "memoryview": memoryview(b"raw"),
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "date": date(2026, 1, 1),
    "decimal": Decimal("0.1"),
    "UUID": UUID(int=1),
    "enumeration": Colour.RED,
    "subclass of text": Text("a"),
    "subclass of int": Number(1),
    "subclass of dict": OrderedDict(a=1),
    "object": object(),
    "class": dict,
    "function": len,
    "complex": 1j,
    "2**64": 2**64,
    "below -2**63": -(2**63) - 1,
    "ten thousand digits": 10**10_000,
    "lone surrogate": "\ud800",
    "surrogate pair as two": "\ud83d\ude00",
    "lone surrogate as a name": {"\udfff": 1},
    "100,000 lists deep": nested(100_000, in_dicts=False),
    "100,000 objects deep": nested(100_000, in_dicts=True),
    "a cycle": cycle(),
}


@pytest.mark.parametrize("name", CHANGED_BY_JSON)
@pytest.mark.parametrize("field", ["jwt_payload", "session_data"])
def test_what_json_would_change_is_refused(name, field):
    with pytest.raises(InvalidInput) as caught:
        payload.encode(field, {"fine": CANARY, "a": CHANGED_BY_JSON[name]})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize("name", CHANGED_BY_JSON)
def test_a_refusal_carries_nothing_of_the_value(name):
    with pytest.raises(InvalidInput) as caught:
        payload.encode("jwt_payload", {"fine": CANARY, "a": [CANARY, CHANGED_BY_JSON[name]]})
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert CANARY not in f"{error!s}{error!r}{error.args!r}{vars(error)!r}"


@pytest.mark.parametrize(
    "value", [[], [("a", 1)], "{}", b"{}", 1, 1.5, True, (), {"a"}, object()], ids=lambda value: type(value).__name__
)
def test_only_an_object_is_a_payload(value):
    with pytest.raises(InvalidInput, match="must be a JSON object"):
        payload.encode("jwt_payload", value)


def test_nothing_is_the_empty_object():
    assert payload.encode("jwt_payload", None) == payload.encode("jwt_payload", {}) == b"{}"
    assert payload.decode(b"{}") == {}


def test_any_mapping_will_do_at_the_top():
    assert payload.encode("jwt_payload", MappingProxyType({"a": 1})) == b'{"a":1}'
    assert payload.encode("jwt_payload", OrderedDict(b=1, a=2)) == b'{"b":1,"a":2}'
    with pytest.raises(KeyError):
        payload.encode("jwt_payload", Broken())


@settings(deadline=None)
@given(st.dictionaries(UNICODE, JSON, max_size=6))
def test_json_objects_come_back_equal(value):
    text = payload.encode("jwt_payload", value)
    assert exactly(payload.decode(text), value)
    assert json.loads(text.decode("utf-8", "strict")) == value
    assert payload.encode("jwt_payload", payload.decode(text)) == text


@pytest.mark.parametrize("number", [0, -0.0, 1, 1.0, True, 2**53 + 1, 2**63, 2**64 - 1, -(2**63), 5e-324, 1.7e308, 0.1])
def test_numbers_keep_their_kind(number):
    assert exactly(payload.decode(payload.encode("jwt_payload", {"n": number})), {"n": number})


@pytest.mark.parametrize("in_dicts", [True, False])
@pytest.mark.parametrize("depth", [1, 10, 100, 250, 400, 1000, 10_000])
def test_what_is_accepted_can_be_read_again_from_deeper_in_the_stack(depth, in_dicts):
    def deeper(levels, text):
        return payload.decode(text) if levels == 0 else deeper(levels - 1, text)

    value = {"a": nested(depth, in_dicts=in_dicts)}
    try:
        text = payload.encode("jwt_payload", value)
    except InvalidInput:
        assert depth > 100
    else:
        assert depth <= 400
        assert deeper(200, text) == value


def test_hostile_text_survives_as_a_name_and_as_a_value():
    value = {text: [text, {text: text}] for text in HOSTILE}
    assert exactly(payload.decode(payload.encode("session_data", value)), value)


def test_each_reader_gets_a_copy():
    text = payload.encode("jwt_payload", {"a": []})
    payload.decode(text)["a"].append(1)
    assert payload.decode(text) == {"a": []}


# -- user ids (S81) -------------------------------------------------------------------------------------------------


FOLDED = (
    "Alice",
    "alice",
    "ALICE",
    "a",
    "a ",
    " a",
    "a\t",
    "a\n",
    "\u00e5",
    "a\u030a",
    "\u212b",
    "\uff41",
    "i",
    "\u0130",
)
FOLDED += (
    "\u0131",
    "I",
    "ss",
    "\u00df",
    "a\u200b",
    "a\ufeff",
    "\U0001d41a",
    "\U0001f511",
    "0",
    "00",
    "0.0",
    "None",
    "null",
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    clock = ManualClock()
    return MemoryStore(clock) if request.param == "memory" else SQLiteStore(tmp_path / "ids.db", clock)


def test_user_ids_are_kept_byte_for_byte_and_never_match_each_other(store):
    app = App(store=store)
    ids = list(dict.fromkeys([*FOLDED, *(text for text in HOSTILE if text and "\0" not in text)]))
    assert len({unicodedata.normalize("NFKC", text).casefold().strip() for text in ids}) < len(ids)
    owners = {app.engine.create(text).claims.sid: text for text in ids}
    for sid, text in owners.items():
        (record,) = app.engine.list_user(text)
        assert (record.handle, record.user_id) == (sid, text)
    assert app.engine.revoke_user("Alice") == tuple(sid for sid, text in owners.items() if text == "Alice")
    assert len(app.engine.list_user("alice")) == 1
    app.engine.close()


@pytest.mark.parametrize("user_id", ["a", "x" * 512, "\U0001f511" * 512, " ", "\n"])
def test_user_ids_of_1_to_512_characters_are_taken(user_id):
    assert payload.check_user_id(user_id) is user_id
    assert App().engine.create(user_id).claims.sub == user_id


@pytest.mark.parametrize(
    "user_id", ["", "x" * 513, "\0", "a\0", "\0a", "\ud800", "a\udfffb", "\ud83d\ude00"], ids=ascii
)
def test_user_ids_that_no_store_can_keep_are_refused(user_id):
    app = App()
    with pytest.raises(InvalidInput, match="user_id") as caught:
        app.engine.create(user_id)
    assert caught.value.field == "user_id"
    assert len(app.store._sessions[app.settings.scope]) == 1


@pytest.mark.parametrize("user_id", [None, 1, b"a", ["a"], {"a": 1}, True, 1.5], ids=repr)
def test_user_ids_are_text(user_id):
    with pytest.raises(InvalidInput, match="must be text"):
        App().engine.create(user_id)


# -- size (S28) -----------------------------------------------------------------------------------------------------


def largest_that_fits(app, create):
    """Let the payload grow byte by byte; give the last session that fits and the error of the next."""
    pair = None
    for size in range(1800, 3200):
        try:
            pair = create(size)
        except AccessTokenTooLarge as error:
            return pair, size, error
    raise AssertionError("no payload was too large")


@pytest.mark.parametrize("changes", [{}, {"enable_anti_csrf": True}, {"rotation_policy": "classic"}], ids=str)
def test_a_payload_grows_until_it_is_refused_loudly_and_nothing_is_stored(changes):
    app = App(**changes)
    name = len(app.settings.access_cookie_name)
    sessions = app.store._sessions[app.settings.scope]
    last, size, error = largest_that_fits(app, lambda n: app.engine.create("user-2", {"little": 1, "big": "x" * n}))
    assert name + len(last.access_token) <= COOKIE_LIMIT
    assert name + len(last.access_token) > COOKIE_LIMIT - 60
    assert (error.largest, error.field, error.limit < error.size) == ("big", "jwt_payload", True)
    assert "'big'" in str(error)
    assert len(sessions) == 1 + size - 1800
    told = len(app.events)
    with pytest.raises(AccessTokenTooLarge):
        app.engine.create("user-2", {"big": "x" * size, "little": 1})
    assert (len(sessions), len(app.events)) == (1 + size - 1800, told)


@pytest.mark.parametrize("changes", [{}, {"enable_anti_csrf": True}, {"rotation_policy": "classic"}], ids=str)
def test_a_session_near_the_limit_lives_on_for_a_thousand_generations(changes):
    app = App(**changes)
    pair, _, _ = largest_that_fits(app, lambda n: app.engine.create("user-2", {"big": "x" * n}))
    name, longest = len(app.settings.access_cookie_name), 0
    for _ in range(1000):
        app.clock.advance(3_600_000)
        pair = app.engine.refresh(pair.refresh_token)
        longest = max(longest, name + len(pair.access_token))
    assert pair.claims.gen == 1000
    assert longest <= COOKIE_LIMIT
    assert app.engine.verify(pair.access_token).sid == pair.claims.sid


def test_an_update_that_would_not_fit_changes_nothing():
    app = App()
    handle = app.pair.claims.sid
    before = app.engine.get(handle)
    with pytest.raises(AccessTokenTooLarge) as caught:
        app.engine.update(handle, session_data={"new": 1}, jwt_payload={"a": 1, "much": ["x" * 4000]})
    assert caught.value.largest == "much"
    assert app.engine.get(handle) == before


def test_session_data_has_no_such_limit():
    app = App()
    pair = app.engine.create("user-2", None, {"big": "x" * 100_000})
    assert len(payload.decode(app.engine.get(pair.claims.sid).session_data)["big"]) == 100_000


@pytest.mark.parametrize(("value", "name"), [({}, ""), ({"a": 1}, "a"), ({"long": 1, "b": "xxxxxx"}, "b")])
def test_the_largest_member_is_named(value, name):
    assert payload.largest_member(payload.encode("jwt_payload", value)) == name


class Cart(TypedDict):
    items: int


def test_a_stored_object_is_read_as_a_type_that_it_matches():
    assert payload.decode_as("session_data", b'{"items":3}', Cart) == {"items": 3}
    with pytest.raises(GeneralError, match="session_data: the stored object does not match Cart"):
        payload.decode_as("session_data", b'{"items":"three"}', Cart)


def test_typed_data_become_a_json_object_or_are_refused():
    assert payload.plain("session_data", Cart(items=3)) == {"items": 3}
    with pytest.raises(InvalidInput, match="must be a JSON object, not list"):
        payload.plain("session_data", [1])
    with pytest.raises(InvalidInput, match="is not JSON"):
        payload.plain("session_data", {"items": object()})
