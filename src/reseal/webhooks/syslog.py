"""Messages to a syslog server (RFC 5424): the facts of an event as structured data.

Nothing in an event can end a message, begin another one or leave its parameter: characters that are not printable are
replaced, and the three that mean something in a parameter are escaped.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from reseal.core.events import Event
from reseal.core.syslog import FACILITIES, SyslogEndpoint
from reseal.core.webhooks import TYPES
from reseal.webhooks.answers import Answer
from reseal.webhooks.messages import Message, order_of

TRIAL: Final = "reseal.test"
VALUE_MAX: Final = 255
"""Bytes of a value, except for user ids: a message stays below the 8 kB that servers take."""
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SEVERITIES: Final[Mapping[str, int]] = {
    "session.theft_detected": 2,
    "session.store_rolled_back": 3,
    "session.in_step": 4,
    "session.new_device": 5,
    "session.impersonation_begun": 5,
}
_INFORMATIONAL: Final = 6
_IN_TEXT: Final = ("user_id", "session_handle", "reason", "response", "ip")
"""What the text repeats of the structured data, since many servers are configured to write the text alone."""
_SPECIAL: Final = re.compile(r'(["\\\]])')
_UNNAMED: Final = re.compile(r"[^\x21-\x7e]")
_HOST_MAX: Final = 255


class Syslog:
    """The messages to one server."""

    def __init__(self, endpoint: SyslogEndpoint) -> None:
        self._endpoint = endpoint
        self._facility = FACILITIES[endpoint.facility]
        self._host = _UNNAMED.sub("", socket.gethostname())[:_HOST_MAX] or "-"

    async def messages(self, event: Event, access_ms: int) -> Sequence[Message]:  # noqa: ARG002 - of the other formats
        facts: dict[str, str | None] = {
            "id": event.id,
            "app_id": event.scope.app_id,
            "tenant_id": event.scope.tenant_id,
            "session_handle": event.session_handle,
            "user_id": event.user_id,
            "reason": event.reason,
            "response": event.response,
            "by": event.by,
            "note": event.note,
            "correlation_id": event.correlation_id,
        }
        if self._endpoint.client_addresses:
            facts |= {"ip": event.device.ip, "user_agent": event.device.user_agent}
            if event.other_device is not None:
                facts |= {"other_ip": event.other_device.ip, "other_user_agent": event.other_device.user_agent}
        body = _body(TYPES[event.name], event.at, facts)
        own: dict[str, Any] = {"at": event.at, "traceparent": event.traceparent, "session": order_of(event)}
        return (Message(id=str(event.id), body=body, **own),)

    def trial(self, message_id: str, at: int) -> Message:
        return Message(id=message_id, body=_body(TRIAL, at, {"id": message_id}))

    def packed(self, message: Message, wall: int) -> tuple[bytes, Mapping[str, str]]:  # noqa: ARG002 - the event's time
        kind, at, facts = msgspec.json.decode(message.body, type=tuple[str, int, dict[str, str]])
        own = self._endpoint
        priority = 8 * self._facility + _SEVERITIES.get(kind, _INFORMATIONAL)
        moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        parameters = {name: f'{name}="{_escaped(value)}"' for name, value in facts.items()}
        text = " ".join((kind, *(parameters[name] for name in _IN_TEXT if name in parameters)))
        data = " ".join((own.structured_data_id, *parameters.values()))
        line = f"<{priority}>1 {moment} {self._host} {own.app_name} - {kind} [{data}] {text}"
        return line.encode(), {}

    def judged(self, answer: Answer, message: Message) -> Answer:  # noqa: ARG002 - of another format
        return answer


def _body(kind: str, at: int, facts: Mapping[str, str | None]) -> str:
    kept = {
        name: _bounded(name, _UNPRINTABLE.sub("\ufffd", value)) for name, value in facts.items() if value is not None
    }
    return msgspec.json.encode((kind, at, kept)).decode()


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", value)


def _bounded(name: str, value: str) -> str:
    return value if name == "user_id" else value.encode()[:VALUE_MAX].decode("utf-8", "ignore")
