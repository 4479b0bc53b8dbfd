"""The inventory of events: each is told once, with what it must tell, and a line cannot be forged (S92, S94)."""

from __future__ import annotations

import io
import json
import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reseal import (
    Event,
    EventName,
    Reseal,
    SessionHeaders,
    StoreUnavailable,
    TokenTheftDetected,
    Unauthorised,
    log_event,
)
from reseal.core import binding, refresh_token
from reseal.core.events import CORRELATION_ID_MAX, OUTBOX_EVENTS, Caller, EventOutbox
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Device, EndReason, Scope
from reseal.core.session_policy import Replaced
from reseal.log import LOGGER, as_json
from reseal.testing import ManualClock
from reseal.web.facts import RequestFacts
from tests.security.material import HOSTILE, App, refresh_key
from tests.support.device import Device as BrowserKey

INVENTORY = Path(__file__).parents[2] / "docs" / "reference" / "event-inventory.md"
ALWAYS = {"event", "time", "app_id", "tenant_id"}
CALLER = Caller(Device("192.0.2.7", "Browser/1.0"), "request-7")
HOUR = 3_600_000


def inventory():
    text = INVENTORY.read_text(encoding="utf-8").partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    table = {}
    for event, level, always, known, meaning in rows[1:]:
        assert meaning.strip()
        names = [frozenset(re.findall(r"`([^`]+)`", cell)) for cell in (always, known)]
        table[event.strip(" `")] = (level.strip(), *names)
    return table


def created(app):
    app.engine.create("user-2", caller=CALLER)


def from_a_new_device(app):
    app.engine.settings = replace(app.engine.settings, new_device_events=True)
    app.engine.create("user-1", caller=CALLER)


def converted(app):
    visitor = app.engine.create(ANONYMOUS)
    app.engine.create("user-2", caller=CALLER, replaced=Replaced((), visitor.claims.sid))


def refreshed(app):
    app.engine.refresh(app.pair.refresh_token, caller=CALLER)


def replayed(app):
    refreshed(app)
    refreshed(app)


def in_step(app):
    pair = app.pair
    for _ in range(3):
        app.engine.refresh(pair.refresh_token, caller=CALLER)
        pair = app.engine.refresh(pair.refresh_token, caller=CALLER)


def reissued(app):
    record = app.engine.update(app.pair.claims.sid, jwt_payload={"a": 2})
    app.engine.reissue(app.pair.claims, record)


def revoked(app):
    app.engine.revoke([app.pair.claims.sid, app.pair.claims.sid])
    app.engine.revoke([app.pair.claims.sid], EndReason.SIGNED_OUT)


def all_revoked(app):
    app.engine.revoke_user("user-1")
    app.engine.revoke_user("user-1")


def bound(app):
    device, session = BrowserKey(), app.pair.claims.sid
    challenge = binding.challenge(Scope(), refresh_key(app.store, app.settings), session, 0, app.clock.wall() + HOUR)
    app.engine.bind(app.pair.refresh_token, device.proof(challenge, brings_key=True), caller=CALLER)


def refused_for_its_key(app):
    bound(app)
    with pytest.raises(Unauthorised, match="binding"):
        app.engine.refresh(app.pair.refresh_token, proof=BrowserKey().proof("", brings_key=False), caller=CALLER)


def stolen_previous(app):
    refreshed(app)
    app.engine.check(app.engine.verify(app.engine.refresh(app.pair.refresh_token).access_token))
    app.clock.advance(HOUR)
    with pytest.raises(TokenTheftDetected):
        refreshed(app)
    with pytest.raises(Unauthorised, match="theft"):
        refreshed(app)


def stolen_older(app):
    second = app.engine.refresh(app.pair.refresh_token)
    app.engine.refresh(second.refresh_token)
    with pytest.raises(TokenTheftDetected):
        refreshed(app)
    with pytest.raises(Unauthorised, match="theft"):
        refreshed(app)


def refused(app):
    with pytest.raises(Unauthorised, match="malformed"):
        app.engine.refresh("garbage", caller=CALLER)


def refused_with_a_handle(app):
    app.engine.revoke([app.pair.claims.sid])
    with pytest.raises(Unauthorised, match="revoked"):
        refreshed(app)


def rolled_back(app):
    mac_key = refresh_key(app.store, app.settings)
    newer = refresh_token.mint(app.settings.scope, mac_key, app.pair.claims.sid, 5, bytes(32))
    assert app.engine.refresh(newer.text, caller=CALLER).claims.gen == 6


def forked(app):
    mac_key = refresh_key(app.store, app.settings)
    stranger = refresh_token.mint(app.settings.scope, mac_key, app.pair.claims.sid, 0, bytes(32))
    with pytest.raises(Unauthorised, match="forked"):
        app.engine.refresh(stranger.text, caller=CALLER)


def cross_site(app):
    web = Reseal(app.settings, sessions=app.engine, clock=app.clock, on_event=app.events.append)
    headers = [
        ("cookie", f"{app.settings.access_cookie_name}={app.pair.access_token}"),
        ("origin", "https://evil.example"),
        ("user-agent", "Browser/1.0"),
        ("x-request-id", "request-7"),
    ]
    with pytest.raises(Unauthorised, match="cross_site"):
        web.get_session(RequestFacts.of("POST", "/", headers, "192.0.2.7"), SessionHeaders())


def cookie_missing(app):
    web = Reseal(app.settings, sessions=app.engine, clock=app.clock, on_event=app.events.append)
    headers = [
        ("cookie", f"{app.settings.access_cookie_name}={app.pair.access_token}"),
        ("origin", app.settings.api_domain),
        ("user-agent", "Browser/1.0"),
        ("x-request-id", "request-7"),
    ]
    request = RequestFacts.of("POST", app.settings.refresh_api_path, headers, "192.0.2.7")
    with pytest.raises(Unauthorised, match="no_token"):
        web.refresh_session(request, SessionHeaders())


def published(app):
    app.engine.rotate_keys()


def retired(app):
    app.engine.rotate_keys()
    app.clock.advance(2 * HOUR)
    app.engine.keep_fresh()
    app.engine.keep_fresh()


def unavailable(app):
    def silent(app_id):
        raise StoreUnavailable

    app.store.keys = silent
    app.clock.advance(60_000)
    app.engine.keep_fresh()
    app.engine.keep_fresh()


def acting(app):
    """Let user-1 act as user-2; gives the sessions and a request with the tokens of that."""
    web = Reseal(app.settings, sessions=app.engine, clock=app.clock, on_event=app.events.append)
    device = [("user-agent", CALLER.device.user_agent), ("x-request-id", CALLER.correlation_id)]

    def request(token):
        return RequestFacts.of("POST", "/act", [("authorization", f"Bearer {token}"), *device], CALLER.device.ip)

    web.impersonate(request(app.pair.access_token), response := SessionHeaders(), "user-2", reason="ticket 4711")
    return web, request(dict(response.items())["st-access-token"])


def stopped_acting(app):
    web, request = acting(app)
    web.stop_impersonating(request, SessionHeaders())


SCENARIOS = {
    acting: "impersonation_begun",
    stopped_acting: "impersonation_ended",
    created: "session_created",
    converted: "session_converted",
    from_a_new_device: "new_device",
    refreshed: "session_refreshed",
    replayed: "session_replayed",
    in_step: "session_in_step",
    reissued: "access_token_reissued",
    revoked: "session_revoked",
    all_revoked: "session_revoked",
    stolen_previous: "token_theft",
    stolen_older: "token_theft",
    refused: "refresh_refused",
    refused_with_a_handle: "refresh_refused",
    bound: "session_bound",
    refused_for_its_key: "binding_refused",
    rolled_back: "store_rolled_back",
    forked: "store_rolled_back",
    cross_site: "cross_site_refused",
    cookie_missing: "refresh_cookie_missing",
    published: "key_published",
    retired: "key_retired",
    unavailable: "store_unavailable",
}


def test_the_inventory_lists_every_event_and_no_other():
    assert inventory().keys() == {name.value for name in EventName}
    assert set(SCENARIOS.values()) == inventory().keys()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_an_event_is_told_once_with_everything_it_must_tell(scenario, caplog):
    app, name = App(device_binding="offer"), SCENARIOS[scenario]
    app.events.clear()
    scenario(app)
    (event,) = [event for event in app.events if event.name == name]
    level, required, possible = inventory()[name]
    members = json.loads(as_json(event)).keys() - ALWAYS
    assert members >= required
    assert members <= required | possible
    assert datetime.fromisoformat(json.loads(as_json(event))["time"]).utcoffset() == datetime.now(UTC).utcoffset()
    assert event.at == app.clock.wall()
    if possible >= {"ip"}:
        assert (event.device, event.correlation_id) == CALLER
    with caplog.at_level(logging.DEBUG):
        log_event(event)
    assert [record.levelname.lower() for record in caplog.records] == [level]


def test_every_event_of_every_scenario_fits_the_inventory():
    told = 0
    for scenario in SCENARIOS:
        app = App(device_binding="offer")
        scenario(app)
        for event in app.events:
            _, required, possible = inventory()[event.name]
            members = json.loads(as_json(event)).keys() - ALWAYS
            assert required <= members <= required | possible
            told += 1
    assert told > 2 * len(SCENARIOS)


def test_each_subtype_of_theft_is_told():
    for scenario, subtype in {stolen_previous: "previous", stolen_older: "older"}.items():
        app = App()
        scenario(app)
        assert [event.reason for event in app.events if event.name == "token_theft"] == [subtype]


def test_every_event_that_has_members_has_fields_for_them():
    names = set(Event.__struct_fields__)
    assert names == {
        *("name", "at", "scope", "session_handle", "user_id", "reason", "device", "other_device", "correlation_id"),
        *("by", "note", "id", "traceparent", "response"),
    }


def test_the_inventory_says_which_events_the_outbox_keeps():
    text = INVENTORY.read_text(encoding="utf-8").partition("## Events in the outbox\n")[2].partition("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in text.splitlines() if line.startswith("| `")]
    assert {event for event, security, _ in rows if security} == OUTBOX_EVENTS[EventOutbox.SECURITY]
    assert {event for event, _, everything in rows if everything} == OUTBOX_EVENTS[EventOutbox.ALL]
    assert OUTBOX_EVENTS[EventOutbox.OFF] == frozenset()


# -- S94: forging a line --------------------------------------------------------------------------------------------


@pytest.fixture
def lines():
    """What reaches a log file, line by line as the strictest reader splits it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    before = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    yield lambda: stream.getvalue().splitlines()
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(before)


HOSTILE_LINES = [*HOSTILE, "\ud800", "a" * 1_000_000, "\u2028" * 1000, '"}\n{"event": "session_created"}', "%s %d {0}"]


@pytest.mark.parametrize("text", HOSTILE_LINES, ids=range(len(HOSTILE_LINES)))
def test_a_line_is_one_json_object_that_parses_back_equal(lines, text):
    device, other = Device(text, text), Device(text[::-1], text[::-1])
    event = Event(
        name=EventName.TOKEN_THEFT,
        at=ManualClock().wall(),
        scope=Scope(text, text),
        session_handle=text,
        user_id=text,
        reason=text,
        device=device,
        other_device=other,
        correlation_id=text,
    )
    log_event(event)
    (line,) = lines()
    assert line.isascii()
    assert line.isprintable()
    parsed = json.loads(line)
    assert (parsed["event"], parsed["user_id"], parsed["user_agent"]) == ("token_theft", text, text)
    assert {name: value for name, value in parsed.items() if name not in {"event", "time"}} == {
        **dict.fromkeys(("app_id", "tenant_id", "session_handle", "user_id", "reason", "correlation_id"), text),
        **dict.fromkeys(("ip", "user_agent"), text),
        **dict.fromkeys(("other_ip", "other_user_agent"), text[::-1]),
    }


def test_hostile_ids_and_browsers_give_one_line_each_through_the_engine(lines):
    app = App()
    app.engine._families._emitter._listener = log_event
    ids = [text for text in HOSTILE if text and "\0" not in text]
    for text in ids:
        app.engine.create(text, caller=Caller(Device(text, text), text))
    parsed = [json.loads(line) for line in lines()]
    assert [(each["user_id"], each.get("user_agent"), each["correlation_id"]) for each in parsed] == [
        (t, Device.of(t, t).user_agent, t[:CORRELATION_ID_MAX]) for t in ids
    ]


def test_a_garbage_token_is_not_repeated_in_the_log(lines):
    app = App()
    app.engine._families._emitter._listener = log_event
    for text in ("garbage-canary", app.pair.refresh_token[:-3] + "AAA", app.pair.access_token):
        with pytest.raises(Unauthorised):
            app.engine.refresh(text)
        assert text not in "".join(lines())
    assert [json.loads(line)["event"] for line in lines()] == ["refresh_refused"] * 3
