"""Security event tokens reach a receiver that verifies them, at least once, in the order of each session."""

import asyncio
import json
import logging

import jwt
import pytest

from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.events import Event, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Scope
from reseal.core.secret import Secret
from reseal.core.shared_signals import Subject, documents
from reseal.testing import ManualClock
from reseal.webhooks.delivering import POLL, name_of
from reseal.webhooks.security_events import SharedSignals
from reseal.webhooks.sending import HttpSender
from reseal.webhooks.state import read, written
from tests.support.mortal import Killed, Mortal
from tests.webhooks.material import HOUR, MINUTE, SECOND, report, worker
from tests.webhooks.signals import AUDIENCE, ISSUER, key, listening, receiver_at

LEASE = 15 * SECOND
AT = 1_700_000_000_001


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request, clock, tmp_path):
    match request.param:
        case "memory":
            store = AsyncMemoryStore(clock)
        case "sqlite":
            store = AsyncSQLiteStore(tmp_path / "s.db", clock)
        case _:
            store = AsyncPostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def site():
    with listening() as site:
        site.trust(receiver_at(site.url))
        yield site


@pytest.fixture
async def deliverer(store, site):
    endpoint = receiver_at(site.url)
    sender = HttpSender(endpoint)
    yield worker(store, sender, to=endpoint)
    await sender.close()


async def rest(deliverer):
    while await deliverer.turn() < POLL:
        pass


async def spend(deliverer, clock, milliseconds, step=MINUTE):
    for _ in range(0, milliseconds, step):
        await rest(deliverer)
        clock.advance(step)
    await rest(deliverer)


async def state_of(store):
    return read(await store.read_note(name_of(receiver_at(""))))


async def enable(store):
    note = await store.read_note("webhook:idp")
    assert await store.write_note("webhook:idp", note.version, written(read(note).enabled()))


def event(name, **changes):
    given = {"at": AT, "scope": Scope("public", "eu"), "session_handle": "h1", "user_id": "alice", "id": "ab" * 16}
    return Event(name, **(given | changes))


def tokens(happened, **changes):
    """Return the claims of the tokens about an event, as verified with the published key."""
    endpoint = receiver_at("https://receiver.example.net", **changes)
    form = SharedSignals(endpoint)
    [key] = jwt.PyJWKSet.from_dict(dict(documents([endpoint])["/ssf/jwks.json"])).keys
    packed = [form.packed(each, AT)[0] for each in asyncio.run(form.messages(happened, HOUR))]
    return [jwt.decode(each, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER) for each in packed]


# -- tokens ---------------------------------------------------------------------------------------------------------


def test_the_end_of_a_session_names_session_user_and_tenant():
    [claims] = tokens(event(EventName.SESSION_REVOKED, reason="signed_out"))
    assert claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "jti": "ab" * 16,
        "iat": AT // 1000,
        "txn": "ab" * 16,
        "sub_id": {
            "format": "complex",
            "session": {"format": "opaque", "id": "h1"},
            "user": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"},
            "tenant": {"format": "opaque", "id": "eu"},
        },
        "events": {
            "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
                "event_timestamp": AT // 1000,
                "initiating_entity": "user",
                "reason_admin": {"en": "The user signed out."},
            }
        },
    }


def kinds(found):
    return [next(iter(each["events"])).rpartition("/")[2] for each in found]


def test_a_theft_is_the_end_of_the_session_and_a_risk_with_one_transaction():
    found = tokens(event(EventName.TOKEN_THEFT, reason="race", response="revoke_session", correlation_id="request-1"))
    assert kinds(found) == ["session-revoked", "risk-level-change"]
    assert [each["txn"] for each in found] == ["request-1", "request-1"]
    assert len({each["jti"] for each in found}) == 2
    [risk] = found[1]["events"].values()
    assert (risk["principal"], risk["current_level"], risk["initiating_entity"]) == ("SESSION", "HIGH", "policy")
    assert risk["risk_reason"] == risk["reason_admin"]["en"]


@pytest.mark.parametrize("response", ["report", "hold", "step_up"])
def test_a_theft_that_ends_no_session_is_a_risk_alone(response):
    assert kinds(tokens(event(EventName.TOKEN_THEFT, response=response))) == ["risk-level-change"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [(EventName.SESSION_CREATED, "session-established"), (EventName.SESSION_REFRESHED, "session-presented")],
)
def test_sessions_begin_and_are_used(name, kind):
    assert kinds(tokens(event(name), events=(kind,))) == [kind]


@pytest.mark.parametrize(
    ("reason", "by", "entity"),
    [
        ("signed_out", None, "user"),
        ("user_revoked", None, "admin"),
        ("user_revoked", "user:alice", "user"),
        ("limit", None, "policy"),
        ("replaced", "api_key:shop", "system"),
        ("revoked", "operator:root", "admin"),
        ("provider_logout", "provider:https://idp.example.org", "system"),
        ("of a later version", None, "admin"),
    ],
)
def test_who_ended_a_session_is_told_with_a_reason(reason, by, entity):
    [claims] = tokens(event(EventName.SESSION_REVOKED, reason=reason, by=by))
    [members] = claims["events"].values()
    assert members["initiating_entity"] == entity
    assert members["reason_admin"]["en"]


@pytest.mark.parametrize(
    ("by", "entity"), [(None, "user"), ("api_key:shop", "user"), ("user:alice", "user"), ("user:support", "admin")]
)
def test_who_acts_as_a_user_is_not_the_user_who_signed_in(by, entity):
    [claims] = tokens(event(EventName.SESSION_CREATED, by=by))
    [members] = claims["events"].values()
    assert members["initiating_entity"] == entity


def test_a_receiver_may_get_the_user_alone_as_its_subject():
    changes = {"subject": Subject.ISS_SUB, "user_issuer": "https://idp.example.org"}
    [claims] = tokens(event(EventName.SESSION_REVOKED), **changes)
    assert claims["sub_id"] == {"format": "iss_sub", "iss": "https://idp.example.org", "sub": "alice"}
    assert tokens(event(EventName.SESSION_REVOKED, user_id=ANONYMOUS), **changes) == []


def test_a_visitor_is_no_user_and_another_app_is_named():
    [claims] = tokens(event(EventName.SESSION_REVOKED, user_id=ANONYMOUS, scope=Scope("shop", "eu")))
    assert claims["sub_id"].keys() == {"format", "session", "tenant", "application"}


def test_tokens_name_no_address_and_no_device(store):
    assert "203.0.113" not in str(tokens(event(EventName.TOKEN_THEFT, device=("203.0.113.1", "Firefox"))))


def test_the_first_key_signs_and_all_are_published():
    old, new = Secret(key(1)), Secret(key(2))
    endpoints = [
        receiver_at("https://a.example", signing_keys=(new, old)),
        receiver_at("https://b.example", signing_keys=(new,)),
    ]
    published = documents(endpoints)["/ssf/jwks.json"]["keys"]
    assert len(published) == 2
    assert all(each.keys() == {"kty", "kid", "n", "e", "alg", "use"} for each in published)
    text = SharedSignals(endpoints[0])
    [message] = asyncio.run(text.messages(event(EventName.SESSION_REVOKED), HOUR))
    assert jwt.get_unverified_header(text.packed(message, AT)[0])["kid"] == published[0]["kid"]


def test_the_transmitter_is_published_at_the_place_of_its_issuer():
    endpoints = [
        receiver_at("https://a.example"),
        receiver_at("https://b.example", issuer="https://x.example:8443/auth/eu"),
    ]
    endpoints += [receiver_at("https://c.example", issuer="https://x.example:8443/auth/eu", subject=Subject.ISS_SUB)]
    found = documents(endpoints)
    assert found.keys() == {
        "/.well-known/ssf-configuration", "/ssf/jwks.json",
        "/.well-known/ssf-configuration/auth/eu", "/auth/eu/ssf/jwks.json",
    }  # fmt: skip
    assert found["/.well-known/ssf-configuration/auth/eu"] == {
        "spec_version": "1_0",
        "issuer": "https://x.example:8443/auth/eu",
        "jwks_uri": "https://x.example:8443/auth/eu/ssf/jwks.json",
        "delivery_methods_supported": ["urn:ietf:rfc:8935"],
        "default_subjects": "ALL",
        "critical_subject_members": ["session"],
    }
    assert "critical_subject_members" not in documents([endpoints[2]])["/.well-known/ssf-configuration/auth/eu"]
    assert documents([]) == {}


# -- delivery -------------------------------------------------------------------------------------------------------


async def test_nothing_is_lost_while_the_receiver_is_down_for_an_hour(store, deliverer, site, clock):
    site.refusal = 503, b""
    ids = [await report(store, n, f"h{n % 3}") for n in range(9)]
    await spend(deliverer, clock, HOUR, 5 * MINUTE)
    assert site.accepted == []
    ids += [await report(store, n, f"h{n % 3}") for n in range(9, 12)]
    site.refusal = None
    await spend(deliverer, clock, 2 * HOUR, 5 * MINUTE)
    assert site.problems == []
    assert sorted(each.jti for each in site.accepted) == sorted(ids)
    for session in ("h0", "h1", "h2"):
        assert [each.jti for each in site.accepted if each.session == session] == ids[int(session[1]) :: 3]
    assert (await store.purge_events(100)).removed == len(ids)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 3, 4, 6, 7])
async def test_a_worker_may_be_killed_at_any_call(store, site, clock, at, done):
    ids = [await report(store, n, f"h{n % 2}", EventName.TOKEN_THEFT) for n in range(4)]
    endpoint = receiver_at(site.url)
    sender = HttpSender(endpoint)
    with pytest.raises(Killed):
        await rest(worker(Mortal(store, at=at, done=done), sender, to=endpoint))
    await spend(worker(store, sender, "second", to=endpoint), clock, LEASE, SECOND)
    await sender.close()
    assert sorted(each.jti for each in site.once()) == sorted([*ids, *(f"{each}-risk" for each in ids)])
    for session in ("h0", "h1"):
        of_session = [each for each in site.once() if each.session == session]
        assert [each.kind for each in of_session] == ["session-revoked", "risk-level-change"] * 2
        assert [each.claims["txn"] for each in of_session[::2]] == [each.claims["txn"] for each in of_session[1::2]]
    for again in site.accepted:
        assert [each.text for each in site.accepted if each.jti == again.jti] == [again.text] * len(
            [each for each in site.accepted if each.jti == again.jti]
        )


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_token_that_was_accepted_is_not_sent_again(store, deliverer, site, clock, status):
    site.status = status
    await report(store, 1)
    await spend(deliverer, clock, HOUR)
    assert len(site.asked) == 1


async def test_a_token_that_is_refused_is_given_up_at_once_and_does_not_hold_up_its_session(
    store, deliverer, site, clock, caplog
):
    ids = [await report(store, n, "h") for n in range(2)]
    refusal = {"err": "invalid_request", "description": "no such user\n\x1b[31m"}
    site.refusal = 400, json.dumps(refusal).encode()
    with caplog.at_level(logging.ERROR, "reseal"):
        await deliverer.turn()
    site.refusal = None
    await spend(deliverer, clock, HOUR)
    assert (len(site.asked), [each.jti for each in site.accepted]) == (2, [ids[1]])
    state = await state_of(store)
    assert [(each.id, each.problem) for each in state.failed] == [
        (ids[0], "status 400: invalid_request no such user[31m")
    ]
    assert state.disabled == ""
    assert f"webhook idp: gave up message {ids[0]}: status 400: invalid_request" in caplog.text
    note = await store.read_note("webhook:idp")
    await store.write_note("webhook:idp", note.version, written(state.replayed()))
    await rest(deliverer)
    assert site.accepted[-1].jti == ids[0]


@pytest.mark.parametrize(
    "error", ["invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied"]
)
async def test_a_fault_of_the_configuration_stops_the_endpoint_and_loses_nothing(store, site, clock, caplog, error):
    wrong = receiver_at(site.url, authorization=Secret("Bearer other"), audience="https://other.example")
    sender = HttpSender(wrong)
    site.refusal = 400, json.dumps({"err": error}).encode()
    ids = [await report(store, n) for n in range(20)]
    with caplog.at_level(logging.ERROR, "reseal"):
        await spend(worker(store, sender, to=wrong), clock, HOUR)
    await sender.close()
    assert len(site.asked) == 16
    assert f"webhook idp is disabled (the endpoint answered {error}): run reseal webhooks enable idp" in caplog.text
    site.refusal = None
    await enable(store)
    right = receiver_at(site.url)
    sender = HttpSender(right)
    await rest(worker(store, sender, to=right))
    await sender.close()
    assert site.problems == []
    assert sorted(each.jti for each in site.accepted) == sorted(ids)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"err": 7}', b'{"err": ""}', b"[" * 60_000, b"\xff"])
async def test_a_400_without_an_error_is_of_somebody_else_and_is_tried_again(store, deliverer, site, clock, body):
    site.refusal = 400, body
    event_id = await report(store, 1)
    await rest(deliverer)
    site.refusal = None
    await spend(deliverer, clock, MINUTE)
    assert [each.jti for each in site.accepted] == [event_id]


async def test_only_the_chosen_events_are_sent(store, site, clock):
    endpoint = receiver_at(site.url, events=("risk-level-change",))
    sender = HttpSender(endpoint)
    theft = await report(store, 1, name=EventName.TOKEN_THEFT)
    await report(store, 2)
    await rest(worker(store, sender, to=endpoint))
    await sender.close()
    assert [each.jti for each in site.accepted] == [f"{theft}-risk"]
    assert (await store.purge_events(10)).removed == 2


async def test_a_trial_is_a_verification_event(site):
    endpoint = receiver_at(site.url)
    form, sender = SharedSignals(endpoint), HttpSender(endpoint)
    assert (await sender.send(*form.packed(form.trial("t1", AT), AT), AT)).is_success
    await sender.close()
    [token] = site.accepted
    assert token.claims["events"] == {"https://schemas.openid.net/secevent/ssf/event-type/verification": {}}
    assert token.claims["sub_id"] == {"format": "opaque", "id": "idp"}
