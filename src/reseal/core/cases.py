"""Theft cases: one file for each session in which a token was met twice, and what is known about it.

A case says who presented which token, when, from where, and what each of them got. It has no token, and of the hash of
a token the first bytes alone: enough to see that two presented the same one, and of no use to anybody else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from reseal.core import ids
from reseal.core.errors import InvalidInput
from reseal.core.events import NO_DEVICE, EventName
from reseal.core.model import Device, Policy, Scope, SessionRecord, TheftResponse, printable
from reseal.core.refresh_token import RefreshToken
from reseal.core.selection import PAGE

MARK_BYTES: Final = 4
"""Bytes of the hash of a token by which a case tells tokens from one another."""
MOST_STEPS: Final = 100
"""Steps in the timeline of a case: it bounds what whoever holds many tokens of one session can have written."""
WORDS_MAX: Final = 256
"""Longest note, and longest name of who wrote it, in characters."""
_DIGITS: Final = 18
HOLDS: Final = "refused; the session is held"
FAR: Final = 1 << 62
"""A time (ms) that never comes."""


class StepKind(StrEnum):
    """What happened in a step of the timeline."""

    BEGUN = "begun"
    """The session began."""
    ISSUED = "issued"
    """A refresh issued the token that is the current one."""
    CONFIRMED = "confirmed"
    """The current token was seen in use."""
    PRESENTED = "presented"
    """A token was presented that is not the current one, or that of an ended or held session."""
    RELEASED = "released"
    """The session was held, and somebody confirmed it."""
    CLOSED = "closed"
    """Somebody closed the case."""


class CaseStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of the timeline. ``at``: the store's time, in ms."""

    at: int
    kind: StepKind
    generation: int | None = None
    """Of the token: 0 at the sign-in, one more with each refresh."""
    token_mark: str = ""
    """The first bytes of its hash, in hexadecimal digits."""
    outcome: str = ""
    """What the client got."""
    ip: str | None = None
    user_agent: str | None = None
    correlation_id: str | None = None
    by: str = ""
    """Who closed the case, or confirmed the session."""
    note: str = ""

    @property
    def device(self) -> Device:
        """The client, as far as ``client_details`` lets it be kept."""
        return Device(self.ip, self.user_agent)


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case. Times are the store's, in ms."""

    id: str
    """The handle of the session."""
    user_id: str
    app_id: str
    tenant_id: str
    verdict: str
    """``token_theft``, or ``session_in_step`` while it is a suspicion only."""
    subtype: str | None = None
    """Of a theft: ``previous`` or ``older``, for the token that was presented."""
    response: str | None = None
    """The policy that was followed: ``report``, ``revoke_session``, ``revoke_user``, ``hold`` or ``step_up``."""
    race_window: int = 0
    """In ms: for so long after a refresh the previous token counts as that of another tab."""
    lost_response_window: int | None = None
    """In ms: for so long it counts as a repetition after a lost answer; ``None``: until the session expires."""
    opened_at: int
    updated_at: int
    closed_at: int | None = None
    """``None`` while it is open. A later theft opens it again; a refused token is added to it without."""
    timeline: tuple[CaseStep, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def clients(self) -> tuple[Device, ...]:
        """The clients in it, in the order in which they came. Which of them is the user is not known."""
        known = (step.device for step in self.timeline if step.device != NO_DEVICE)
        return tuple(dict.fromkeys(known))


class StoredCase(NamedTuple):
    """A case as stored."""

    handle: str
    user_id: str
    opened_at: int
    is_closed: bool
    version: int
    text: str


class CaseFilter(NamedTuple):
    """Which cases are listed."""

    user_id: str | None = None
    """``None``: those of all users."""
    open_only: bool = False


class CasePlace(NamedTuple):
    """A paging cursor in a list of cases, newest first: the page starts after this case."""

    opened_at: int = FAR
    handle: str = ""


class Sighting(NamedTuple):
    """A token that was presented where it should not have been."""

    scope: Scope
    name: EventName
    record: SessionRecord
    """The session before anything was done about it."""
    token: RefreshToken
    device: Device
    correlation_id: str | None
    now: int
    outcome: str
    subtype: str | None = None
    first_device: Device | None = None
    """The client that signed in, if that is kept."""


class CasePage(NamedTuple):
    """A page of cases, newest first."""

    cases: tuple[Case, ...]
    next_page: str | None = None
    """Names the page behind it; ``None`` if there is none."""


def read(stored: StoredCase) -> Case:
    """Read a case as stored."""
    return msgspec.json.decode(stored.text, type=Case)


def written(case: Case, version: int) -> StoredCase:
    """Return a case as it is stored over a version."""
    text = msgspec.json.encode(case).decode()
    return StoredCase(case.id, case.user_id, case.opened_at, not case.is_open, version, text)


def extended(case: Case | None, seen: Sighting, policy: Policy) -> Case:
    """Open a case for a sighting, or add it to the case; returns the same case if it is in there already."""
    before = case or _opened(seen, policy)
    steps = [each for each in (*_of_record(seen), _presented(seen)) if not _is_known(before, each)]
    is_theft = seen.name is EventName.TOKEN_THEFT
    is_full = len(before.timeline) >= MOST_STEPS
    if case is not None and (is_full or not steps) and (case.verdict == seen.name or not is_theft):
        return case
    return replace(
        before,
        verdict=EventName.TOKEN_THEFT.value if is_theft else before.verdict,
        subtype=before.subtype or seen.subtype,
        response=policy.theft_response.value if is_theft else before.response,
        updated_at=seen.now,
        closed_at=before.closed_at if seen.name is EventName.REFRESH_REFUSED else None,
        timeline=tuple(sorted((*before.timeline, *steps), key=lambda step: step.at)),
    )


def closed(case: Case, now: int, by: str, note: str) -> Case:
    """Close a case; returns the same case if it is closed."""
    if not case.is_open:
        return case
    step = CaseStep(at=now, kind=StepKind.CLOSED, by=by, note=note)
    return replace(case, closed_at=now, updated_at=now, timeline=(*case.timeline, step))


def released(case: Case, now: int, by: str) -> Case:
    """Note in a case that its session is held no longer."""
    step = CaseStep(at=now, kind=StepKind.RELEASED, by=by)
    return replace(case, updated_at=now, timeline=(*case.timeline, step))


def page_of(found: tuple[Case, ...], limit: int) -> CasePage:
    """Return a page, with the name of the next one if this one is full."""
    last = found[-1] if len(found) == limit else None
    return CasePage(found, None if last is None else f"{last.opened_at}:{last.id}")


def place_of(page: str | None) -> CasePlace:
    """Read the name of a page. Raises ``InvalidInput``."""
    if page is None:
        return CasePlace()
    at, _, handle = page.partition(":") if isinstance(page, str) else ("", "", "")
    if not (at.isascii() and at.isdigit() and len(at) <= _DIGITS and printable(handle) == handle):
        raise InvalidInput("page", "must be the next_page of another page")
    return CasePlace(int(at), handle)


def checked_limit(limit: int) -> int:
    """Return the size of a page. Raises ``InvalidInput``."""
    if not isinstance(limit, int) or not 1 <= limit <= PAGE:
        raise InvalidInput("limit", f"must be between 1 and {PAGE}")
    return limit


def checked_filter(which: CaseFilter) -> CaseFilter:
    """Return which cases are listed, the user id as plain text. Raises ``InvalidInput``."""
    return which if which.user_id is None else which._replace(user_id=ids.user_id(which.user_id))


def checked(argument: str, text: str) -> str:
    """Return the words of whoever closes a case. Raises ``InvalidInput``."""
    if not isinstance(text, str) or len(text) > WORDS_MAX or printable(text) != text:
        raise InvalidInput(argument, f"must be text of up to {WORDS_MAX} printable characters")
    return text


def outcome_of(response: TheftResponse) -> str:
    """Say what whoever presents a stolen token gets."""
    return {
        TheftResponse.REPORT: "refused; the session goes on",
        TheftResponse.REVOKE_SESSION: "refused; the session was ended",
        TheftResponse.REVOKE_USER: "refused; all sessions of the user were ended",
        TheftResponse.HOLD: HOLDS,
        TheftResponse.STEP_UP: HOLDS,
    }[response]


def _opened(seen: Sighting, policy: Policy) -> Case:
    return Case(
        id=seen.record.handle,
        user_id=seen.record.user_id,
        app_id=seen.scope.app_id,
        tenant_id=seen.scope.tenant_id,
        verdict=seen.name.value,
        race_window=policy.race_window,
        lost_response_window=policy.lost_response_window,
        opened_at=seen.now,
        updated_at=seen.now,
    )


def _of_record(seen: Sighting) -> list[CaseStep]:
    """Return what the row of a session tells about its past."""
    record = seen.record
    first = seen.first_device or (record.device if record.generation == 0 else NO_DEVICE)
    steps = [CaseStep(at=record.created_at, kind=StepKind.BEGUN, generation=0, **first._asdict())]
    if record.generation > 0:
        steps.append(_of_current(record, record.rotated_at, StepKind.ISSUED, record.device))
    if record.confirmed_at is not None:
        steps.append(_of_current(record, record.confirmed_at, StepKind.CONFIRMED, NO_DEVICE))
    return steps


def _of_current(record: SessionRecord, at: int, kind: StepKind, device: Device) -> CaseStep:
    mark = _mark(record.current_hash)
    return CaseStep(at=at, kind=kind, generation=record.generation, token_mark=mark, **device._asdict())


def _presented(seen: Sighting) -> CaseStep:
    return CaseStep(
        at=seen.now,
        kind=StepKind.PRESENTED,
        generation=seen.token.generation,
        token_mark=_mark(seen.token.hash),
        outcome=seen.outcome,
        correlation_id=seen.correlation_id,
        **seen.device._asdict(),
    )


def _is_known(case: Case, step: CaseStep) -> bool:
    """Whether a step is in the case; a token that is presented several times by one client is one step."""
    return _identity(step) in map(_identity, case.timeline)


def _identity(step: CaseStep) -> tuple[object, ...]:
    if step.kind is StepKind.PRESENTED:
        return step.kind, step.token_mark, step.generation, step.outcome, step.device
    return step.kind, step.token_mark, step.generation


def _mark(token_hash: bytes) -> str:
    return token_hash[:MARK_BYTES].hex()
