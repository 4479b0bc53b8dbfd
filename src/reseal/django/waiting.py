"""Calls that wait, in an event loop: refused where they would stop it, and run in a thread where that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from reseal._sync.ports import Sessions
from reseal.core.access_token import Claims
from reseal.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
_REFUSAL: Final = (
    "a call of Reseal that waits for the session store was made in async code, where it would stop every other "
    "request: await its twin, whose name begins with a (aget_session, acreate_new_session), or use sync_to_async"
)


class WouldWait(SynchronousOnlyOperation):
    """A call that waits for the store was made in an event loop. Nothing was done."""


def in_thread(call: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Make a call that waits in a thread of its own kind, beside the others: the database of Django is not used."""
    return sync_to_async(call, thread_sensitive=False)


def _waiting(
    call: Callable[Concatenate[Sessions, P], T],
) -> Callable[Concatenate[_ThreadSessions, P], T]:
    name = call.__name__

    def refusing(sessions: _ThreadSessions, /, *args: P.args, **named: P.kwargs) -> T:
        if is_in_loop():
            raise WouldWait(_REFUSAL)
        result: T = getattr(sessions.inner, name)(*args, **named)
        return result

    return refusing


def is_in_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def outside_loops(inner: Sessions) -> Sessions:
    """Return sessions of which only what does not wait may be called in an event loop."""
    return _ThreadSessions(inner)


def anywhere(sessions: Sessions) -> Sessions:
    """Return the same sessions for a caller that is in no event loop, or has looked."""
    return sessions.inner if isinstance(sessions, _ThreadSessions) else sessions


class _ThreadSessions:
    """Sessions of which only what does not wait may be called in an event loop."""

    def __init__(self, inner: Sessions) -> None:
        self.inner = inner
        # Every request calls these two: they are taken over, so that they cost nothing more here.
        self._kills: Any = getattr(inner, "kills", None)
        self.keep_fresh: Callable[[], None] = inner.keep_fresh if self._kills is None else self._keep_fresh
        self.verify: Callable[..., Claims] = inner.verify
        self.proofs = inner.proofs

    def _keep_fresh(self) -> None:
        if is_in_loop() and self._kills.is_due():  # twice a second, and for as long as a silent store takes
            raise WouldWait(_REFUSAL)
        self.inner.keep_fresh()

    @property
    def settings(self) -> Settings:
        return self.inner.settings

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        return self.inner.check_anti_csrf(claims, anti_csrf)

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        return self.inner.newest(presented)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return self.inner.jwks()

    def close(self) -> None:
        self.inner.close()

    open = _waiting(Sessions.open)
    rotate_keys = _waiting(Sessions.rotate_keys)
    create = _waiting(Sessions.create)
    refresh = _waiting(Sessions.refresh)
    check = _waiting(Sessions.check)
    reissue = _waiting(Sessions.reissue)
    bind = _waiting(Sessions.bind)
    elevate = _waiting(Sessions.elevate)
    get = _waiting(Sessions.get)
    why_ended = _waiting(Sessions.why_ended)
    issue_ticket = _waiting(Sessions.issue_ticket)
    redeem_ticket = _waiting(Sessions.redeem_ticket)
    list_user = _waiting(Sessions.list_user)
    list_ended = _waiting(Sessions.list_ended)
    update = _waiting(Sessions.update)
    rename = _waiting(Sessions.rename)
    revoke = _waiting(Sessions.revoke)
    revoke_user = _waiting(Sessions.revoke_user)
    end_before = _waiting(Sessions.end_before)
    preview_some = _waiting(Sessions.preview_some)
    read_events = _waiting(Sessions.read_events)
    acknowledge_events = _waiting(Sessions.acknowledge_events)
    list_cases = _waiting(Sessions.list_cases)
    read_case = _waiting(Sessions.read_case)
    close_case = _waiting(Sessions.close_case)
    erase_cases = _waiting(Sessions.erase_cases)
    end_by_provider, remember_client = _waiting(Sessions.end_by_provider), _waiting(Sessions.remember_client)
