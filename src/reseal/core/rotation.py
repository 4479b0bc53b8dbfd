"""The state machine of one refresh-token family: a table and one function.

A session has one row and one token family, generation 0, 1, 2, …; never two different live successors.
The verdict on a presented token, which its MAC has already proved genuine:

====================  ==========================================================  ==========================
presented token       and                                                         verdict
====================  ==========================================================  ==========================
any                   no such session                                             Refuse(unknown_session)
any                   the session was ended                                       Refuse(its end reason)
any                   past ``expires_at`` or ``absolute_expires_at``              Refuse(expired | absolute…)
current               —                                                           Rotate
previous              with the attempt key of the rotation                        Replay, never counted
previous              within the race window of the rotation                      Replay
previous              successor unconfirmed, within the lost-response window,
                      and the register is not full with this generation           Replay, counted
previous              otherwise                                                   Reuse(previous)
older generation      with an attempt key, a few behind, within the race window   Overtaken
older generation      otherwise                                                   Reuse(older)
newer                 the store was rolled back, and ``rollback`` is ``adopt``    Adopt
newer                 the store was rolled back, and ``rollback`` is ``refuse``   Refuse(newer_than_store)
same generation,
different token       the store was rolled back, and the family forked since      Fork
====================  ==========================================================  ==========================

*Confirmed* means that the successor was seen in use: it was itself refreshed, or an access token of its generation
reached the store. Confirmation closes the lost-response window at once; correctness never depends on it.

The registers count *generations* that needed a replay, not single replays: a client that retries five times for one
lost response learns nothing new, and its retries must not count as theft. Each rotation shifts the registers.

Tabs without locks may rotate more than once while the first token is still on its way. A client that keeps attempt
keys is told to ask again: its other requests hold newer tokens. A thief who sends a key gets nothing either, and is
detected when he asks again. So that nobody hides by rotating all the time, only a few generations are excused.

Adopting is safe because only we can have issued a newer generation. Afterwards every other token of the family is
older, and its next use is detected.

Time is the store's, in milliseconds, and is an argument.
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from reseal.core import register
from reseal.core.errors import Refusal
from reseal.core.model import EndReason, NewSession, Policy, Rollback, Rotation, SessionRecord
from reseal.core.refresh_token import RefreshToken

IN_STEP: Final = 3
"""Consecutive generations with a replay after which two parties in step are reported."""


BURST: Final = 16
"""Generations that may pass within one race window before an older token counts as reused."""


class ReuseSubtype(StrEnum):
    """Which token was reused: the one before the current one, or an older one."""

    PREVIOUS = "previous"
    OLDER = "older"


class ReplayCause(StrEnum):
    """Why a client presented a previous token: another tab was first, or the response with its successor was lost.

    Within the race window the two cannot be distinguished, except by an attempt key: they count as a race.
    """

    RACE = "race"
    LOST_RESPONSE = "lost_response"


class Rotate(msgspec.Struct, frozen=True):
    """The token is current: rotate it, if its hash is still current at the time of the write."""


class Replay(msgspec.Struct, frozen=True):
    """Return the same successor again. ``record`` is the same object that was read if nothing needs writing."""

    record: SessionRecord
    cause: ReplayCause
    in_step: bool = False
    """Two parties seem to refresh in step: report it once per generation."""


class Reuse(msgspec.Struct, frozen=True):
    """Two parties hold this session."""

    subtype: ReuseSubtype


class Overtaken(msgspec.Struct, frozen=True):
    """Newer tokens of a race replaced it already: change nothing, and have the client ask again."""


class Adopt(msgspec.Struct, frozen=True):
    """The store was rolled back: continue from the presented token, if the row is unchanged when it is written."""


class Fork(msgspec.Struct, frozen=True):
    """The family forked after a roll-back: end the session, if the row is unchanged when it is written. Not theft."""


class Refuse(msgspec.Struct, frozen=True):
    """The session cannot be refreshed. Not theft."""

    reason: Refusal


Verdict = Rotate | Replay | Reuse | Overtaken | Adopt | Fork | Refuse


def decide(  # noqa: PLR0911 - the rows of a table
    record: SessionRecord | None,
    presented: RefreshToken,
    now: int,
    policy: Policy,
    attempt_hash: bytes | None = None,
) -> Verdict:
    """Apply the table above. Pure; the caller carries the verdict out by a conditional write.

    ``attempt_hash``: hash of the attempt key that came with the token.
    """
    if record is None:
        return Refuse(Refusal.UNKNOWN_SESSION)
    ended = why_ended(record, now)
    if ended is not None:
        return Refuse(ended)
    if _same(presented.hash, record.current_hash):
        return Rotate()
    if record.previous_hash is not None and _same(presented.hash, record.previous_hash):
        return _previous_presented(record, now, policy, attempt_hash)
    if presented.generation < record.generation:
        asks_again = attempt_hash is not None and record.generation - presented.generation <= BURST
        in_race = asks_again and now - record.rotated_at < policy.race_window
        return Overtaken() if in_race else Reuse(ReuseSubtype.OLDER)
    if presented.generation == record.generation:
        return Fork()
    return Adopt() if policy.rollback is Rollback.ADOPT else Refuse(Refusal.NEWER_THAN_STORE)


def why_ended(record: SessionRecord, now: int) -> Refusal | None:
    """Return why a session is no longer live at ``now``, or ``None`` if it is live."""
    if record.end_reason is not None:
        return Refusal(record.end_reason.value)
    if record.absolute_expires_at is not None and now >= record.absolute_expires_at:
        return Refusal.ABSOLUTE_TIMEOUT
    if now >= record.expires_at:
        return Refusal.EXPIRED
    return None


def begun(new: NewSession, now: int) -> SessionRecord:
    """Return the row of a new session: generation 0, not yet confirmed."""
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
        about=new.about,
        policy=new.policy,
    )


def advanced(record: SessionRecord, rotation: Rotation, now: int) -> SessionRecord:
    """Return the row after one rotation. The caller has made sure that the presented hash was current."""
    idle_end, absolute = now + rotation.idle_ms, record.absolute_expires_at
    record = _aged(record, 1)
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
        device=rotation.device,
        last_seen_at=now,
        version=record.version + 1,
    )


def adopted(record: SessionRecord, presented: RefreshToken, rotation: Rotation, now: int) -> SessionRecord:
    """Return the row continued from a token newer than it, to be written over ``record``'s version."""
    aged = _aged(record, presented.generation - record.generation)
    caught_up = replace(aged, generation=presented.generation, current_hash=presented.hash)
    return replace(advanced(caught_up, rotation, now), version=record.version)


def _aged(record: SessionRecord, generations: int) -> SessionRecord:
    """Shift the registers for new generations; those of most sessions are empty."""
    if not (record.replayed or record.collided or record.estranged):
        return record
    return replace(
        record,
        replayed=register.aged(record.replayed, generations),
        collided=register.aged(record.collided, generations),
        estranged=register.aged(record.estranged, generations),
    )


def confirmed(record: SessionRecord, generation: int, now: int) -> SessionRecord:
    """Mark ``generation`` as confirmed; return the same row if nothing changes."""
    if record.confirmed_at is not None or generation != record.generation:
        return record
    return replace(record, confirmed_at=now)


def ended(record: SessionRecord, reason: EndReason, now: int, note: str | None = None) -> SessionRecord:
    """End a session. The seal of its token is deleted; the hashes stay, so that the reason can be reported later."""
    return replace(record, ended_at=now, end_note=note, end_reason=reason, successor_sealed=None)


def redated(record: SessionRecord, now: int) -> SessionRecord:
    """Move future times back to ``now``, and the expiries with them; return the same row if there are none."""
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


def _previous_presented(record: SessionRecord, now: int, policy: Policy, attempt_hash: bytes | None) -> Verdict:
    if attempt_hash is not None and record.attempt_hash is not None and _same(attempt_hash, record.attempt_hash):
        return Replay(record, ReplayCause.LOST_RESPONSE)
    age = now - record.rotated_at
    if age < policy.race_window:
        return _replay(record, ReplayCause.RACE)
    if not _response_may_be_lost(record, age, policy):
        return Reuse(ReuseSubtype.PREVIOUS)
    counted = _count(record, another=attempt_hash is not None or record.attempt_hash is not None)
    if register.is_full(counted.collided, counted.estranged):
        return Reuse(ReuseSubtype.PREVIOUS)
    return _replay(counted, ReplayCause.LOST_RESPONSE)


def _response_may_be_lost(record: SessionRecord, age: int, policy: Policy) -> bool:
    if record.confirmed_at is not None:
        return False
    return policy.lost_response_window is None or age < policy.lost_response_window


def _count(record: SessionRecord, *, another: bool) -> SessionRecord:
    """Count the generation, once. ``another``: the attempt keys differ, so these are two clients."""
    collided, estranged = record.collided | 1, record.estranged | another
    if (collided, estranged) == (record.collided, record.estranged):
        return record
    return replace(record, collided=collided, estranged=estranged)


def _replay(record: SessionRecord, cause: ReplayCause) -> Replay:
    """Mark the generation as replayed, once, and detect several in a row."""
    if record.replayed & 1:
        return Replay(record, cause)
    noted = replace(record, replayed=record.replayed | 1)
    return Replay(noted, cause, in_step=register.in_a_row(noted.replayed) >= IN_STEP)


def _same(a: bytes, b: bytes) -> bool:
    return hmac.compare_digest(a, b)
