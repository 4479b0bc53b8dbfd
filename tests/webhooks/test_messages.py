"""Messages say what happened to which session, follow the published schemas, and show nothing else."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reseal.core.events import OUTBOX_EVENTS, Event, EventName, EventOutbox
from reseal.core.model import Device, Scope
from reseal.core.webhooks import TYPES, USUAL_TYPES
from reseal.webhooks.messages import message_of, trial_message

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "webhooks.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
HOUR = 3_600_000


def event(name, **changes):
    given = {
        "at": 1_700_000_000_001,
        "scope": Scope("shop", "eu"),
        "session_handle": "handle",
        "user_id": "alice",
        "reason": "signed_out",
        "device": Device("198.51.100.7", "Firefox"),
        "other_device": Device("203.0.113.9", "curl"),
        "correlation_id": "request-1",
        "id": "0123456789abcdef" * 2,
    }
    return Event(name, **(given | changes))


def test_every_event_of_the_outbox_has_a_type():
    assert TYPES.keys() == OUTBOX_EVENTS[EventOutbox.ALL]
    assert set(USUAL_TYPES) <= set(TYPES.values())


def test_the_end_of_a_session_says_until_when_its_tokens_can_be_valid():
    message = message_of(event(EventName.SESSION_REVOKED), HOUR)
    assert message.id == "0123456789abcdef0123456789abcdef"
    assert json.loads(message.body) == {
        "type": "session.revoked",
        "timestamp": "2023-11-14T22:13:20.001Z",
        "data": {
            "app_id": "shop",
            "tenant_id": "eu",
            "session_handle": "handle",
            "user_id": "alice",
            "reason": "signed_out",
            "access_exp": 1_700_003_601,
        },
    }


@pytest.mark.parametrize("name", TYPES)
def test_every_message_follows_its_schema_and_shows_no_device(name):
    body = message_of(event(name), HOUR).body
    VALIDATOR.validate(json.loads(body))
    assert len(body.encode()) < 20_000
    for private in ("198.51.100.7", "Firefox", "203.0.113.9", "curl", "request-1"):
        assert private not in body
    with_more = json.loads(body) | {"type": "session.other"}
    assert not VALIDATOR.is_valid(with_more)


def test_what_an_event_does_not_have_is_absent():
    message = message_of(event(EventName.SESSION_CREATED, user_id=None, reason=None), HOUR)
    assert json.loads(message.body)["data"] == {"app_id": "shop", "tenant_id": "eu", "session_handle": "handle"}
    VALIDATOR.validate(json.loads(message.body))


def test_a_test_message_follows_its_schema():
    message = trial_message("abc", 0)
    assert json.loads(message.body) == {"type": "webhook.test", "timestamp": "1970-01-01T00:00:00.000Z", "data": {}}
    VALIDATOR.validate(json.loads(message.body))


def test_messages_about_one_session_have_one_order_and_others_another():
    sessions = [
        message_of(event(name, scope=scope, session_handle=handle), HOUR).session
        for scope in (Scope("a", "b"), Scope("a", "c"), Scope("b", "b"))
        for handle in ("h", "i")
        for name in (EventName.SESSION_CREATED, EventName.SESSION_REVOKED)
    ]
    assert len(set(sessions)) == 6
