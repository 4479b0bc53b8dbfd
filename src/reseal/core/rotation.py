"""The state machine of one line of refresh tokens: a table and one function.

A session has one row and one line of tokens, generation 0, 1, 2, …; never two different live successors.
What a presented token (already shown to be genuine by its MAC) leads to:

====================  ==========================================================  ==========================
presented token       and                                                         verdict
====================  ==========================================================  ==========================
any                   there is no such session                                    Refuse(unknown_session)
any                   the session was ended                                       Refuse(its end reason)
any                   past ``expires_at`` or ``absolute_expires_at``              Refuse(expired | absolute…)
current               —                                                           Rotate
previous              the attempt key is that of the rotation                     Replay, never counted
previous              within the race window of the rotation                      Replay
previous              successor unconfirmed, within the lost-response window,
                      and the register is not full with this generation           Replay, counted
previous              otherwise                                                   Reuse(previous)
older generation      —                                                           Reuse(older)
newer                 the store was rolled back, and ``rollback`` is ``adopt``    Adopt
newer                 the store was rolled back, and ``rollback`` is ``refuse``   Refuse(newer_than_store)
a stranger of the
same age              the store was rolled back, and the line forked since        Fork
====================  ==========================================================  ==========================

*Confirmed* means that the successor was seen in use: it was refreshed with, or an access token of it reached the
store. It closes the lost-response window at once and is never needed for correctness.

The registers count *generations* that needed a replay, not single replays: a client that asks five times for one lost
response learns nothing new, and must not be taken for a thief for its patience. Each step of the line moves them on.

To adopt is safe because nobody but us can have issued a newer generation, and complete because nothing else can be
newer. After it every other token is older, and its next use is found.

Time is the store's, in milliseconds, and is an argument.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from reseal.core import register
from reseal.core.errors import Refusal
from reseal.core.model import EndReason, NewSession, Policy, Rollback, Rotation, SessionRecord
from reseal.core.refresh_token import RefreshToken

IN_STEP: Final = 3
"""Generations in a row with a replay after which two parties in step are reported."""


class ReuseSubtype(StrEnum):
    """Which token came back: the one before the current one, or one from further back."""

    PREVIOUS = "previous"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class Rotate:
    """The token is current: advance the line, if its hash is still current at the moment of writing."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Hand out the same successor again. ``record`` is the very row that was read if nothing needs writing."""

    record: SessionRecord
    in_step: bool = False
    """Two parties seem to refresh in step: report it once for this generation."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """Two parties hold this session."""

    subtype: ReuseSubtype


@dataclass(frozen=True, slots=True)
class Adopt:
    """The store was rolled back: the line goes on from the presented token, if nobody writes to the row meanwhile."""


@dataclass(frozen=True, slots=True)
class Fork:
    """The line went on in two ways after a roll-back: end it, if nobody writes to the row meanwhile; accuse nobody."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The session cannot be refreshed; nobody is accused."""

    reason: Refusal


Verdict = Rotate | Replay | Reuse | Adopt | Fork | Refuse


def decide(  # noqa: PLR0911 - the rows of a table
    record: SessionRecord | None,
    presented: RefreshToken,
    now: int,
    policy: Policy,
    attempt_hash: bytes | None = None,
) -> Verdict:
    """Walk the table above. Pure; the caller writes what the verdict asks for, conditionally.

    ``attempt_hash``: of the attempt key that came with the token.
    """
    if record is None:
        return Refuse(Refusal.UNKNOWN_SESSION)
    ended = why_ended(record, now)
    if ended is not None:
        return Refuse(ended)
    if _same(presented.hash, record.current_hash):
        return Rotate()
    if record.previous_hash is not None and _same(presented.hash, record.previous_hash):
        return _met_again(record, now, policy, attempt_hash)
    if presented.generation < record.generation:
        return Reuse(ReuseSubtype.OLDER)
    if presented.generation == record.generation:
        return Fork()
    return Adopt() if policy.rollback is Rollback.ADOPT else Refuse(Refusal.NEWER_THAN_STORE)


def why_ended(record: SessionRecord, now: int) -> Refusal | None:
    """Say why a session is no longer live at ``now``, or ``None`` if it is."""
    if record.end_reason is not None:
        return Refusal(record.end_reason.value)
    if record.absolute_expires_at is not None and now >= record.absolute_expires_at:
        return Refusal.ABSOLUTE_TIMEOUT
    if now >= record.expires_at:
        return Refusal.EXPIRED
    return None


def begun(new: NewSession, now: int) -> SessionRecord:
    """The row of a new session: generation 0, confirmed by nobody yet."""
    absolute = None if new.absolute_ms is None else now + new.absolute_ms
    return SessionRecord(
        handle=new.handle,
        user_id=new.user_id,
        created_at=now,
        expires_at=now + new.idle_ms if absolute is None else min(now + new.idle_ms, absolute),
        absolute_expires_at=absolute,
        generation=0,
        current_hash=new.token_hash,
        previous_hash=None,
        successor_sealed=None,
        rotated_at=now,
        confirmed_at=None,
        attempt_hash=None,
        replayed=0,
        collided=0,
        estranged=0,
        jwt_payload=new.jwt_payload,
        session_data=new.session_data,
        use_static_key=new.use_static_key,
        device=new.device,
        last_seen_at=now,
        ended_at=None,
        end_reason=None,
        version=1,
    )


def advanced(record: SessionRecord, rotation: Rotation, now: int) -> SessionRecord:
    """The row after one step of the line. The caller has made sure that the presented hash was current."""
    idle_end, absolute = now + rotation.idle_ms, record.absolute_expires_at
    return replace(
        record,
        expires_at=idle_end if absolute is None else min(idle_end, absolute),
        generation=record.generation + 1,
        current_hash=rotation.successor_hash,
        previous_hash=record.current_hash,
        successor_sealed=rotation.successor_sealed,
        rotated_at=now,
        confirmed_at=None,
        attempt_hash=rotation.attempt_hash,
        replayed=register.aged(record.replayed),
        collided=register.aged(record.collided),
        estranged=register.aged(record.estranged),
        device=rotation.device,
        last_seen_at=now,
        version=record.version + 1,
    )


def adopted(record: SessionRecord, presented: RefreshToken, rotation: Rotation, now: int) -> SessionRecord:
    """Give the row that went on from a token newer than it, to be written over ``record``'s version."""
    lost = presented.generation - record.generation
    caught_up = replace(
        record,
        generation=presented.generation,
        current_hash=presented.hash,
        replayed=register.aged(record.replayed, lost),
        collided=register.aged(record.collided, lost),
        estranged=register.aged(record.estranged, lost),
    )
    return replace(advanced(caught_up, rotation, now), version=record.version)


def confirmed(record: SessionRecord, generation: int, now: int) -> SessionRecord:
    """Note that an access token of ``generation`` reached the store; the same row if there is nothing to note."""
    if record.confirmed_at is not None or generation != record.generation:
        return record
    return replace(record, confirmed_at=now)


def ended(record: SessionRecord, reason: EndReason, now: int) -> SessionRecord:
    """End a session. What could open its successor goes; the hashes stay, to tell the end reason later."""
    return replace(record, ended_at=now, end_reason=reason, successor_sealed=None)


def redated(record: SessionRecord, now: int) -> SessionRecord:
    """Take times that are still to come back to ``now``, and the ends with them; the same row if there is none."""
    times = (record.created_at, record.rotated_at, record.confirmed_at, record.last_seen_at, record.ended_at)
    if all(at is None or at <= now for at in times):
        return record
    absolute = record.absolute_expires_at
    return replace(
        record,
        expires_at=record.expires_at - max(0, record.rotated_at - now),
        absolute_expires_at=None if absolute is None else absolute - max(0, record.created_at - now),
        created_at=min(record.created_at, now),
        rotated_at=min(record.rotated_at, now),
        confirmed_at=None if record.confirmed_at is None else min(record.confirmed_at, now),
        last_seen_at=min(record.last_seen_at, now),
        ended_at=None if record.ended_at is None else min(record.ended_at, now),
    )


def _met_again(record: SessionRecord, now: int, policy: Policy, attempt_hash: bytes | None) -> Verdict:
    if attempt_hash is not None and record.attempt_hash is not None and _same(attempt_hash, record.attempt_hash):
        return Replay(record)
    age = now - record.rotated_at
    if age < policy.race_window:
        return _replay(record)
    if not _response_may_be_lost(record, age, policy):
        return Reuse(ReuseSubtype.PREVIOUS)
    counted = _count(record, another=attempt_hash is not None or record.attempt_hash is not None)
    if register.is_full(counted.collided, counted.estranged):
        return Reuse(ReuseSubtype.PREVIOUS)
    return _replay(counted)


def _response_may_be_lost(record: SessionRecord, age: int, policy: Policy) -> bool:
    if record.confirmed_at is not None:
        return False
    return policy.lost_response_window is None or age < policy.lost_response_window


def _count(record: SessionRecord, *, another: bool) -> SessionRecord:
    """Note the generation, once. ``another``: one of the two sent a key that the other did not, so they are not one."""
    collided, estranged = record.collided | 1, record.estranged | another
    if (collided, estranged) == (record.collided, record.estranged):
        return record
    return replace(record, collided=collided, estranged=estranged)


def _replay(record: SessionRecord) -> Replay:
    """Note the generation as replayed, once, and notice several in a row."""
    if record.replayed & 1:
        return Replay(record)
    noted = replace(record, replayed=record.replayed | 1)
    return Replay(noted, in_step=register.in_a_row(noted.replayed) >= IN_STEP)


def _same(a: bytes, b: bytes) -> bool:
    return hmac.compare_digest(a, b)
