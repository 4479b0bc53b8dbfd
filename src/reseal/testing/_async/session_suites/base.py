# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""The fixtures, constants and helpers of these suites."""

from __future__ import annotations

import random
from collections.abc import Iterable
from enum import Enum
from functools import partial
from typing import Any, Final

import pytest

from reseal._async.ports import AsyncSessions
from reseal.core.errors import (
    Refusal,
    ResealError,
    Unauthorised,
)
from reseal.core.events import Caller
from reseal.core.model import Device
from reseal.core.tokens import TokenPair
from reseal.testing._async.world import AsyncWorld

SECOND: Final = 1000
WINDOW: Final = 30 * SECOND
"""The race window of ``graceful`` as it comes."""
OWNER: Final = Caller(Device("192.0.2.1", "Owner/1"), "request-1")
THIEF: Final = Caller(Device("203.0.113.9", "Thief/1"), "request-2")
B64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class KindOfText(str, Enum):  # noqa: UP042 - the kind whose str() is not what it holds
    USER = "alice"


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class AsyncSessionTests:
    @pytest.fixture
    async def world(self) -> AsyncWorld:
        raise NotImplementedError("the subclass says where its sessions live")


def token_of(pair: TokenPair) -> str:
    assert pair.refresh_token is not None
    return pair.refresh_token


async def family_of(sessions: AsyncSessions, pair: TokenPair, steps: int) -> list[str]:
    """Refresh several times; give all refresh tokens from ``pair``'s on."""
    line = [token_of(pair)]
    for _ in range(steps):
        line.append(token_of(await sessions.refresh(line[-1])))
    return line


async def caught(call: Any, *arguments: object, **named: object) -> ResealError | None:
    try:
        await call(*arguments, **named)
    except ResealError as error:
        return error
    return None


async def error_of(sessions: AsyncSessions, token: str, caller: Caller = OWNER) -> ResealError:
    error = await caught(sessions.refresh, token, caller=caller)
    assert error is not None, "the refresh succeeded"
    return error


async def refusal_of(sessions: AsyncSessions, token: str) -> Refusal:
    error = await error_of(sessions, token)
    assert isinstance(error, Unauthorised), repr(error)
    return error.reason


async def reason_of(call: Any, *arguments: object) -> Refusal:
    error = await caught(call, *arguments)
    assert isinstance(error, Unauthorised), repr(error)
    return error.reason


def errors_in(results: Iterable[object]) -> list[BaseException]:
    return [result for result in results if isinstance(result, BaseException)]


def all_calls(sessions: AsyncSessions, pair: TokenPair) -> list[Any]:
    sid = pair.claims.sid
    return [
        partial(sessions.create, "user"),
        partial(sessions.refresh, token_of(pair)),
        partial(sessions.check, pair.claims),
        partial(sessions.get, sid),
        partial(sessions.list_user, "user"),
        partial(sessions.why_ended, [sid]),
        partial(sessions.issue_ticket, pair.claims, "/live"),
        partial(sessions.update, sid, session_data={}),
        partial(sessions.revoke, [sid]),
        partial(sessions.revoke_user, "user"),
    ]


def mutated(randomness: random.Random, token: str) -> str:
    """Change a genuine token so that it still names its session."""
    parts = token.split(".")
    where = randomness.choice((2, 3, 4))
    match randomness.randrange(4):
        case 0:
            at = randomness.randrange(len(parts[where]))
            parts[where] = parts[where][:at] + randomness.choice(B64) + parts[where][at + 1 :]
        case 1:
            parts[where] = (
                "".join(randomness.choices(B64, k=42)) + "A" if where > 2 else str(randomness.randrange(10**9))
            )
        case 2:
            parts[where] = parts[where][: randomness.randrange(len(parts[where]))]
        case _:
            parts[where] += randomness.choice((*B64, "=", ".", " ", "\n", "\0", "é"))
    return ".".join(parts)
