"""A store with events, a receiver, and workers that deliver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from reseal._async.ports import AsyncStore
from reseal.core.deliveries import Attempted, ignore
from reseal.core.events import EventName
from reseal.core.model import Scope
from reseal.core.outbox import Occurrence, Report
from reseal.core.secret import Secret
from reseal.core.webhooks import WebhookEndpoint
from reseal.testing.material import hash_of
from reseal.webhooks.answers import Answer
from reseal.webhooks.delivering import Deliverer, Sender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
OK = Answer(200)
DOWN = Answer(problem="not reached (ConnectError)")


def endpoint(**changes: Any) -> WebhookEndpoint:
    given: dict[str, Any] = {"name": "crm", "url": "https://crm.example.com/hooks", "secrets": (Secret(SECRET),)}
    return WebhookEndpoint(**(given | changes))


async def access_lifetime(_: str) -> int:
    return HOUR


async def report(store: AsyncStore, number: int, session: str = "", name: EventName = EventName.SESSION_REVOKED) -> str:
    """Write an event; returns its id."""
    event_id = hash_of(f"event {number}")[:16]
    handle = session or f"h{number}"
    await store.append_event(Occurrence(Scope(), handle, "alice", Report(name=name, reason="signed_out"), event_id))
    return event_id.hex()


class Receiver(Sender):
    """Answers as told, and remembers what arrived."""

    def __init__(self) -> None:
        self.answer: Callable[[str], Answer] = lambda _: OK
        """Returns the answer to a message, by its id."""
        self.attempts: list[str] = []
        """The id of each attempt."""
        self.arrived: list[str] = []
        """The ids of those that it accepted, also again."""
        self.sessions: dict[str, str] = {}
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []

    async def send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        message_id = headers["webhook-id"]
        self.attempts.append(message_id)
        self.headers.append(headers)
        self.bodies.append(body)
        self.sessions[message_id] = json.loads(body).get("data", {}).get("session_handle", "")
        await asyncio.sleep(0)  # others may go on
        answer = self.answer(message_id)
        if answer.is_success:
            self.arrived.append(message_id)
        return answer

    async def close(self) -> None:
        """There is no connection."""


def worker(
    store: AsyncStore,
    receiver: Sender,
    name: str = "first",
    to: WebhookEndpoint | None = None,
    attempted: Attempted = ignore,
) -> Deliverer:
    how: dict[str, Any] = {"worker": name, "chance": lambda: 0.5, "attempted": attempted}
    return Deliverer(store, to or endpoint(), receiver, access_lifetime, **how)
