"""The state of one endpoint: who delivers, which messages are on their way, which have failed for good.

It is a document that workers write in turn by compare-and-write. A message enters it before its event is acknowledged
in the outbox, and leaves it after it was delivered: whatever happens to a worker, it is in one of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from reseal.core.notes import Note
from reseal.webhooks.answers import PATIENCE, Answer
from reseal.webhooks.messages import Message

MOST_ON_THEIR_WAY: Final = 100
"""Messages that have left the outbox: it bounds the size of the document. The others wait in the outbox."""
MOST_FAILED: Final = 100
"""Messages that failed for good and are kept."""
KEPT: Final = 30 * 24 * 3600 * 1000
"""Milliseconds for which they are kept, from their first attempt on: they name users."""
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DELAYS: Final = (
    5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Milliseconds after each failed attempt; the one after the last delay is the last attempt."""
JITTER: Final = 0.2
"""Delays are longer or shorter by up to this part, so that messages do not come back together."""
MOST_HELD: Final = 5 * MINUTE
"""Milliseconds: no worker delivers for longer without saying so again."""
PAUSE: Final = MINUTE
"""Milliseconds: the longest pause of a whole endpoint that asked for one without naming a time."""
_FARTHEST: Final = round(max(*DELAYS, PATIENCE) * (1 + JITTER))
Chance = Callable[[], float]
"""Gives numbers from 0 up to 1."""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document. Times are those of the store, in milliseconds; 0 is never."""

    held_by: str = ""
    """The worker that delivers."""
    held_until: int = 0
    messages: tuple[Message, ...] = ()
    """Messages on their way, in the order of their events."""
    cursor: int = 0
    """The number of the last event that a message was made of: if it was not acknowledged, it is read once more."""
    failed: tuple[Message, ...] = ()
    """Messages that are not tried any more, oldest first."""
    disabled: str = ""
    """Why nothing is sent; empty: it is."""
    paused_until: int = 0
    succeeded_at: int = 0
    failed_at: int = 0
    problem: str = ""
    """Of the last attempt that failed."""

    def is_free_for(self, worker: str, now: int) -> bool:
        """Return whether no other worker delivers."""
        return self.held_by in {"", worker} or _is_past(self.held_until, now, MOST_HELD)

    def held(self, worker: str, until: int) -> State:
        return replace(self, held_by=worker, held_until=until)

    @property
    def room(self) -> int:
        """How many messages may be added."""
        return max(0, MOST_ON_THEIR_WAY - len(self.messages))

    def joined_by(self, messages: Iterable[Message], cursor: int) -> State:
        """Add the messages about the events of the outbox up to ``cursor``."""
        return replace(self, messages=(*self.messages, *messages), cursor=cursor)

    def due(self, now: int, limit: int) -> tuple[Message, ...]:
        """Return the messages to be sent now: of each session the first one, if its time has come."""
        if self.disabled or not _is_past(self.paused_until, now, _FARTHEST):
            return ()
        first = {message.session: message for message in reversed(self.messages)}
        return tuple(
            message
            for message in self.messages
            if first[message.session] is message and _is_past(message.next_at, now, _FARTHEST)
        )[:limit]

    def after(self, answers: Mapping[str, Answer], now: int, chance: Chance) -> State:
        """Take account of what was answered to messages, by their ids, and forget failed ones of long ago."""
        state = replace(self, failed=tuple(each for each in self.failed if each.begun_at > now - KEPT))
        for message in self.messages:
            if message.id in answers:
                state = _answered(state, message, answers[message.id], now, chance)
        return state

    def enabled(self) -> State:
        """Send again, at once, and with all attempts."""
        return replace(self, disabled="", paused_until=0, messages=tuple(map(_fresh, self.messages)))

    def replayed(self, ids: frozenset[str] | None = None) -> State:
        """Send failed messages once more, before the others: those with these ids, or all."""
        meant = [each for each in self.failed if ids is None or each.id in ids]
        rest = tuple(each for each in self.failed if each not in meant)
        return replace(self, failed=rest, messages=(*map(_fresh, meant), *self.messages))


def _answered(state: State, message: Message, answer: Answer, now: int, chance: Chance) -> State:
    others = tuple(each for each in state.messages if each.id != message.id)
    if answer.is_success:
        return replace(state, messages=others, succeeded_at=now)
    state = replace(state, failed_at=now, problem=str(answer))
    if answer.why_disabled:
        return replace(state, disabled=answer.why_disabled)
    tried = replace(message, attempts=message.attempts + 1, begun_at=message.begun_at or now, problem=str(answer))
    if answer.is_final:
        return replace(state, messages=others, failed=(*state.failed, tried)[-MOST_FAILED:])
    if message.attempts >= len(DELAYS):
        return _given_up(replace(state, messages=others), tried)
    delay = round((answer.again_after or DELAYS[message.attempts]) * (1 - JITTER + 2 * JITTER * chance()))
    tried = replace(tried, next_at=now + max(delay, answer.retry_after or 0))
    pause = answer.retry_after or min(delay, PAUSE)
    return replace(
        state,
        messages=tuple(tried if each.id == message.id else each for each in state.messages),
        paused_until=max(state.paused_until, now + pause) if answer.slows_down else state.paused_until,
    )


def _given_up(state: State, message: Message) -> State:
    """Keep a message as failed. If no attempt has succeeded since its first one, the endpoint is out of order."""
    failed = (*state.failed, message)[-MOST_FAILED:]
    if state.succeeded_at >= message.begun_at:
        return replace(state, failed=failed)
    return replace(state, failed=failed, disabled=f"no attempt has succeeded since {_moment(message.begun_at)}")


def read(note: Note | None) -> State:
    return State() if note is None else msgspec.json.decode(note.text, type=State)


def written(state: State) -> str:
    return msgspec.json.encode(state).decode()


def _is_past(at: int, now: int, farthest: int) -> bool:
    """Return whether a time has come. One that is farther away than any was set is of a clock that was wrong."""
    return at <= now or at > now + farthest


def _fresh(message: Message) -> Message:
    return replace(message, attempts=0, begun_at=0, next_at=0)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
