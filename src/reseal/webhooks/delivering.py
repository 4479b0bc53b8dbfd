"""Delivery of the outbox to one endpoint, by one of any number of workers.

Each turn takes the document, puts the next events into it, acknowledges these, sends what is due, and writes what
became of it. It can be abandoned between any two steps: the next turn, of any worker, goes on from what is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from reseal._async.ports.events import AsyncEventStore
from reseal._async.ports.notes import AsyncNoteStore
from reseal.core.deliveries import Attempt, Attempted, ignore
from reseal.core.outbox import EventPage
from reseal.core.webhooks import Endpoint
from reseal.log import LOGGER
from reseal.webhooks.answers import Answer
from reseal.webhooks.forms import form_of
from reseal.webhooks.logout_tokens import Sessions
from reseal.webhooks.messages import Message
from reseal.webhooks.state import MOST_FAILED, Chance, State, read, written

AT_ONCE: Final = 16
"""Messages that are sent at the same time."""
POLL: Final = 1_000
"""Milliseconds between two looks at an outbox that was empty."""
_MARGIN: Final = 5_000
AccessLifetime = Callable[[str], Awaitable[int]]
"""Returns the longest lifetime of an access token of an app, in milliseconds."""


class DeliveryStore(AsyncEventStore, AsyncNoteStore, Sessions, Protocol):
    """The parts of a store that a delivery needs."""


class Sender(Protocol):
    """Sends messages to one endpoint."""

    async def send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        """Make one attempt. Errors become answers. ``now``: milliseconds, for dates in answers."""

    async def close(self) -> None:
        """Close all connections."""


def name_of(endpoint: Endpoint) -> str:
    """Return the name of its document, and of its consumer of the outbox."""
    return f"webhook:{endpoint.name}"


class Deliverer:
    """Delivers to one endpoint. ``worker`` names this worker among all."""

    def __init__(
        self,
        store: DeliveryStore,
        endpoint: Endpoint,
        sender: Sender,
        access_lifetime: AccessLifetime,
        *,
        worker: str,
        chance: Chance,
        attempted: Attempted = ignore,
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._form = form_of(endpoint, store)
        self._sender = sender
        self._access_lifetime = access_lifetime
        self._worker = worker
        self._chance = chance
        self._attempted = attempted
        self._name = name_of(endpoint)
        self._lease = round(2000 * endpoint.timeout) + _MARGIN
        """Milliseconds. Half of it covers one attempt."""

    async def turn(self) -> int:
        """Do what is to be done; returns after how many milliseconds to do so again.

        Raises ``StoreUnavailable``; nothing is lost by it.
        """
        note, now = await self._store.read_note(self._name), (await self._store.times()).now
        before, version = read(note), note.version if note else 0
        if before.disabled or not before.is_free_for(self._worker, now):
            return POLL
        page = await self._store.read_events(self._name, before.room) if before.room else None
        messages = await self._messages(page, before.cursor) if page else ()
        state = before.joined_by(messages, page.cursor) if page and messages else before
        if state != before or before.held_by != self._worker or before.held_until - now < self._lease // 2:
            state = state.held(self._worker, now + self._lease)
            if not await self._store.write_note(self._name, version, written(state)):
                return POLL  # another worker was first
            version += 1
        if page and (page.events or page.lost):
            await self._store.acknowledge_events(self._name, page.cursor)
        due = state.due(now, AT_ONCE)
        if due:
            await self._send(state, version, due)
        return 0 if due or (page and page.events) else POLL

    async def release(self) -> None:
        """Let other workers deliver at once."""
        note = await self._store.read_note(self._name)
        state = read(note)
        if note is not None and state.held_by == self._worker:
            await self._store.write_note(self._name, note.version, written(state.held("", 0)))

    async def _messages(self, page: EventPage, cursor: int) -> Sequence[Message]:
        """Write the messages about the events behind a cursor."""
        if page.lost:
            LOGGER.warning(
                "webhook %s: %d events were removed before they could be sent", self._endpoint.name, page.lost
            )
        names, numbered = self._endpoint.names, enumerate(page.events, page.cursor_after(1))
        wanted = [event for number, event in numbered if number > cursor and event.name in names]
        lifetimes = [await self._access_lifetime(event.scope.app_id) for event in wanted]
        return [
            each for event, ms in zip(wanted, lifetimes, strict=True) for each in await self._form.messages(event, ms)
        ]

    async def _send(self, state: State, version: int, due: Sequence[Message]) -> None:
        wall = (await self._store.times()).wall
        tried = await asyncio.gather(*(self._attempt(message, wall) for message in due))
        now = (await self._store.times()).now
        after = state.after({message.id: answer for message, answer, _ in tried}, now, self._chance)
        failed = {message.id for message in after.failed}
        for message, answer, times in tried:
            outcome = "ok" if answer.is_success else "given_up" if message.id in failed else "failed"
            self._attempted(Attempt(self._name, outcome, *times, answer.status, message.traceparent))
        if await self._store.write_note(self._name, version, written(after)):
            self._report(state, after)

    async def _attempt(self, message: Message, wall: int) -> tuple[Message, Answer, tuple[int, int]]:
        """Send a message once; returns its answer, and when it was sent and answered (ns)."""
        body, headers = self._form.packed(message, wall)
        began = time.time_ns()
        answer = await self._sender.send(body, headers, wall)
        return message, self._form.judged(answer, message), (began, time.time_ns())

    def _report(self, before: State, after: State) -> None:
        """Tell the operator what the endpoint cannot be told."""
        name = self._endpoint.name
        given_up = [message for message in after.failed if message not in before.failed]
        for message in given_up:
            LOGGER.error("webhook %s: gave up message %s: %s", name, message.id, message.problem)
        if len(before.failed) + len(given_up) > MOST_FAILED:
            LOGGER.error("webhook %s: more than %d messages failed; the oldest were dropped", name, MOST_FAILED)
        if after.disabled:
            LOGGER.error("webhook %s is disabled (%s): run reseal webhooks enable %s", name, after.disabled, name)
