"""WebSockets and event streams for Starlette: who may open one, and when it ends.

A browser sends cookies with every WebSocket handshake, also with that of a foreign page, and no CORS rule keeps the
foreign page from reading the answers. So a handshake that shows a cookie must come from a page of ours, by its
``Origin`` (RFC 6455, 10.2). One that shows a ticket, or a token in ``Authorization``, was meant.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

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
ENDED_EVENT: Final = "session-ended"
_DENIAL: Final = "websocket.http.response"
_OPEN: Final = "reseal.open"
_END: Final = object()


@asynccontextmanager
async def guarded(
    reseal: AsyncReseal,
    watch: Watch,
    websocket: WebSocket,
    request: RequestFacts,
    *,
    subprotocols: Iterable[str],
    claims: Iterable[ClaimCheck],
) -> AsyncIterator[AsyncSession]:
    """Admit a WebSocket, accept it, and run a block for as long as its session lives.

    What is raised before the WebSocket is accepted refuses the handshake.
    """
    outbox = SessionHeaders()
    session = await admit(reseal.backend, reseal.context(request, outbox), claims)
    outbox.sent = True  # a handshake sets no cookies
    async with watch.following(session.get_handle(), session.get_user_id()) as connection:
        await websocket.accept(ticket.choose(request, subprotocols))
        try:
            async with connection.lasting():
                yield session
        except WebSocketDisconnect:
            return  # the page has gone
        except (Unauthorised, TokenTheftDetected) as error:
            await _close(websocket, SESSION_ENDED, _reason(error, reseal.settings))
        except StoreUnavailable:
            await _close(websocket, TRY_AGAIN_LATER, "session store unavailable")


async def guarded_events(
    watch: Watch, session: AsyncSession, events: AsyncIterator[Any], settings: Settings
) -> AsyncGenerator[Any]:
    """Pass events on for as long as the session lives, then say that it has ended.

    A stream that ends without saying so was broken off: the page may open it again.
    """
    try:
        async with watch.following(session.get_handle(), session.get_user_id()) as connection:
            while (event := await _next(connection, events)) is not _END:
                yield event
    except (Unauthorised, TokenTheftDetected) as error:
        yield f"event: {ENDED_EVENT}\ndata: {_reason(error, settings)}\n\n"
    except StoreUnavailable:
        return
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _next(connection: Connection, events: AsyncIterator[Any]) -> Any:
    async with connection.lasting():
        return await anext(events, _END)


async def refuse(websocket: WebSocket, error: ResealError, answer: WebResponse) -> None:
    """Answer a handshake as a request would be answered; a server that cannot do so answers with status 403.

    A page's script sees neither status nor body: they are for logs, and for clients that are no browsers. Where the
    WebSocket is open already nothing can be answered: the error goes on to the server, which closes it and says so.
    """
    if websocket.application_state is not WebSocketState.CONNECTING or _OPEN in websocket.scope:
        websocket.scope[_OPEN] = True  # the next handler gets a new WebSocket object: the scope remembers
        raise error
    if _DENIAL not in websocket.scope.get("extensions", {}):
        await websocket.close()
        return
    status = 403 if isinstance(error, Unauthorised) and error.reason is Refusal.CROSS_SITE else answer.status
    headers = dict(answer.headers) | {"Cache-Control": "no-store"}
    await websocket.send_denial_response(Response(answer.body, status, headers))


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    if WebSocketState.DISCONNECTED in {websocket.client_state, websocket.application_state}:
        return
    with suppress(WebSocketDisconnect):  # the page went at the same moment
        await websocket.close(code, reason)


def _reason(error: Unauthorised | TokenTheftDetected, settings: Settings) -> str:
    told = answers.answer(error, settings).body
    return str(told.get("reason", told["message"]))
