"""WebSockets of Django Channels: a session for each, and an end when that ends."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, cast
from weakref import WeakKeyDictionary

from reseal import guards
from reseal._async.forwarding import AsyncForwardingSessions
from reseal._async.ports import AsyncSessions
from reseal.asgi.connection import ASGIApp, Message, Receive, Scope, ScopeOnly, Send, facts
from reseal.asgi.wrapping import refuse
from reseal.core.claims import ClaimCheck
from reseal.core.errors import Refusal, ResealError, StoreUnavailable, Unauthorised
from reseal.django.sessions import Reseal, configured
from reseal.django.waiting import in_thread
from reseal.settings import Settings
from reseal.watch import Connection, Watch
from reseal.web import answers, ticket
from reseal.web.facts import RequestFacts

SESSION: Final = "reseal_session"
"""Where the scope has the session."""


class SessionGuard:
    """Demands a session of each WebSocket: ``SessionGuard(URLRouter([...]))`` for the protocol ``websocket``.

    The handshake shows a ticket for its path, a token in ``Authorization``, or a cookie from a page of ours; otherwise
    it is refused. The session is ``scope["reseal_session"]``. When it ends, the WebSocket is closed with code 4001, and
    the consumer disconnects, within ``session_check_interval``; where the store stays away for minutes, with 1013.
    """

    def __init__(self, inner: ASGIApp, *, claims: Iterable[ClaimCheck] = ()) -> None:
        self._inner = inner
        self._claims = tuple(claims)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._inner(scope, receive, send)
            return
        reseal, read = configured(), facts(ScopeOnly(scope))
        async with AsyncExitStack() as stack:
            try:
                session = await in_thread(reseal.admit)(read, self._claims)
                following = _watch(reseal).following(session.get_handle(), session.get_user_id())
                connection = await stack.enter_async_context(following)
            except ResealError as error:
                await refuse(scope, send, guards.refusal(error, reseal.answer_error(read, error)))
                return
            guarded = _Guarded(receive, send, connection, read, reseal.settings)
            await self._inner({**scope, SESSION: session}, guarded.receive, guarded.send)


class _Guarded(NamedTuple):
    """A WebSocket while its session lives."""

    receive_any: Receive
    send_any: Send
    connection: Connection
    read: RequestFacts
    settings: Settings

    async def receive(self) -> Message:
        """Wait for the page. The end of the session looks to the consumer as if the page had gone."""
        try:
            async with self.connection.lasting():
                return await self.receive_any()
        except Unauthorised as error:
            code, reason = guards.SESSION_ENDED, str(answers.answer(error, self.settings).body.get("reason", ""))
        except StoreUnavailable:
            code, reason = guards.TRY_AGAIN_LATER, "session store unavailable"
        await self.send_any({"type": "websocket.close", "code": code, "reason": reason})
        return {"type": "websocket.disconnect", "code": code}

    async def send(self, message: Message) -> None:
        """Send what the consumer says. Where the page has shown a ticket, one of its subprotocols has to be chosen."""
        if message["type"] == "websocket.accept" and not message.get("subprotocol"):
            message = {**message, "subprotocol": ticket.choose(self.read, ())}
        await self.send_any(message)


class _Lookup(AsyncForwardingSessions):
    """What a watch asks of sessions, in threads. Nothing else is asked of it."""

    def __init__(self, reseal: Reseal) -> None:
        super().__init__(cast("AsyncSessions", reseal.sessions.backend))
        self._ask = in_thread(reseal.sessions.backend.why_ended)

    async def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        return await self._ask(tuple(handles))


_WATCHES: Final[WeakKeyDictionary[Reseal, Watch]] = WeakKeyDictionary()


def _watch(reseal: Reseal) -> Watch:
    """Return the watch over the open WebSockets of this process."""
    found = _WATCHES.get(reseal)
    if found is None:
        found = _WATCHES[reseal] = Watch(_Lookup(reseal), reseal.settings.session_check_interval)
    return found
