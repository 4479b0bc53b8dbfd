"""WebSockets and event streams of any framework: who may open one, and when it ends.

A browser sends cookies with every WebSocket handshake, also with that of a foreign page, and no CORS rule keeps the
foreign page from reading the answers. So a handshake that shows a cookie must come from a page of ours, by its
``Origin`` (RFC 6455, 10.2). One that shows a ticket, or a token in ``Authorization``, was meant.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from reseal._async.page_loads import admit
from reseal._async.reseal import AsyncReseal
from reseal._async.session import AsyncSession
from reseal.core.claims import ClaimCheck
from reseal.core.errors import Refusal, ResealError, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.settings import Settings
from reseal.watch import Connection, Watch
from reseal.web import answers, ticket
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

SESSION_ENDED: Final = 4001
"""Close code: the session is over; the reason says why, as far as a page may know. From the range for applications."""
TRY_AGAIN_LATER: Final = 1013
"""Close code (IANA registry): nobody can say whether the session lives; open the WebSocket again later."""
DENIAL: Final = "websocket.http.response"
"""The extension of ASGI by which a server answers a handshake with a response."""
ENDED_EVENT: Final = "session-ended"
_END: Final = object()


def ended_text(reason: str) -> str:
    """Write the last event of a stream whose session has ended."""
    return f"event: {ENDED_EVENT}\ndata: {reason}\n\n"


class Socket(Protocol):
    """A WebSocket that a page asks for, in the terms of its framework."""

    async def accept(self, subprotocol: str | None) -> None:
        """Open it."""

    async def close(self, code: int, reason: str) -> None:
        """Close it; nothing happens where the page has gone."""


@asynccontextmanager
async def guarded(
    reseal: AsyncReseal,
    watch: Watch,
    socket: Socket,
    request: RequestFacts,
    *,
    subprotocols: Iterable[str],
    claims: Iterable[ClaimCheck],
    gone: tuple[type[Exception], ...] = (),
) -> AsyncIterator[AsyncSession]:
    """Admit a WebSocket, accept it, and run a block for as long as its session lives.

    What is raised before the WebSocket is accepted refuses the handshake. ``gone`` are the framework's exceptions that
    say that the page has closed it: they end the block quietly.
    """
    outbox = SessionHeaders()
    session = await admit(reseal.backend, reseal.context(request, outbox), claims)
    outbox.sent = True  # a handshake sets no cookies
    async with watch.following(session.get_handle(), session.get_user_id()) as connection:
        await socket.accept(ticket.choose(request, subprotocols))
        try:
            async with connection.lasting():
                yield session
        except gone:
            return
        except (Unauthorised, TokenTheftDetected) as error:
            await socket.close(SESSION_ENDED, _reason(error, reseal.settings))
        except StoreUnavailable:
            await socket.close(TRY_AGAIN_LATER, "session store unavailable")


async def guarded_events(
    watch: Watch,
    session: AsyncSession,
    events: AsyncIterator[Any],
    settings: Settings,
    ended: Callable[[str], object] = ended_text,
) -> AsyncGenerator[Any]:
    """Pass events on for as long as the session lives, then say that it has ended: ``ended`` gets the reason.

    A stream that ends without saying so was broken off: the page may open it again.
    """
    try:
        async with watch.following(session.get_handle(), session.get_user_id()) as connection:
            while (event := await _next(connection, events)) is not _END:
                yield event
    except (Unauthorised, TokenTheftDetected) as error:
        yield ended(_reason(error, settings))
    except StoreUnavailable:
        return
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


def refusal(error: ResealError, answer: WebResponse) -> WebResponse:
    """Turn the answer to an error into that of a handshake. A foreign page need not refresh: it gets status 403."""
    status = 403 if isinstance(error, Unauthorised) and error.reason is Refusal.CROSS_SITE else answer.status
    return WebResponse(status, (*answer.headers, ("cache-control", "no-store")), answer.body)


async def _next(connection: Connection, events: AsyncIterator[Any]) -> Any:
    async with connection.lasting():
        return await anext(events, _END)


def _reason(error: Unauthorised | TokenTheftDetected, settings: Settings) -> str:
    body = answers.answer(error, settings).body
    return str(body.get("reason", body["message"]))
