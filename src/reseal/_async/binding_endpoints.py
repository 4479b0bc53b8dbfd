"""The answers to a browser that binds a session to its device, and refreshes it by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from reseal._async import token_selection
from reseal._async.refreshing import refresh
from reseal._async.reseal import AsyncReseal
from reseal.core.errors import ProofDemanded, RefreshElsewhere, RefreshLater, Refusal, TokenTheftDetected, Unauthorised
from reseal.core.holding import SessionHeld
from reseal.web import device_bound, moves, responses
from reseal.web.csrf import Trust
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse
from reseal.web.transport import Transport

T = TypeVar("T")
_OVER: Final = {"continue": False}
_PROVES_NOTHING: Final = frozenset({Refusal.BINDING, Refusal.CROSS_SITE, Refusal.OTHER_SESSION})
"""Refusals of a caller who may not be the owner: its browser goes on."""


def endpoints_of_binding(reseal: AsyncReseal, endpoint: Callable[..., T]) -> list[T]:
    """Make the endpoints; their paths are those within the application. There are none without ``device_binding``."""
    answers, found = AsyncBindingAnswers(reseal), list[T]()
    for path in moves.refresh_paths(reseal.settings) if reseal.settings.device_binding != "off" else ():
        found += [
            endpoint("bind_session", "POST", path + device_bound.BIND, answers.bind),
            endpoint("refresh_bound", "POST", path + device_bound.REFRESH, answers.refresh),
        ]
    return found


class AsyncBindingAnswers:
    """What answers to the browser itself; pages have no part in it."""

    def __init__(self, reseal: AsyncReseal) -> None:
        self._reseal = reseal

    async def bind(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Bind the session of a request to the key that its proof brings. Raises ``Unauthorised``."""
        context = self._reseal.context(request, response)
        response.demand_unsent("bind_session")
        asked, proof = context.refresh_request, device_bound.read_proof(request)
        if asked.trust is Trust.HOSTILE:
            raise context.cross_site()
        if asked.via is not Transport.COOKIE or not asked.tokens:
            raise Unauthorised(Refusal.NO_TOKEN)
        if proof is None:
            raise Unauthorised(Refusal.BINDING)
        sessions = self._reseal.backend
        await sessions.keep_fresh()
        candidates, strangers, _ = token_selection.for_refresh(sessions, asked)
        if strangers or len(candidates) != 1:
            raise Unauthorised(Refusal.OTHER_SESSION)
        tokens = await sessions.bind(candidates[0], proof, caller=context.caller)
        context.attach(tokens, Transport.COOKIE)
        return self._instructions(response, tokens.claims.sid)

    async def refresh(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Refresh a bound session for its browser. That the session is over is said in the browser's own words."""
        context = self._reseal.context(request, response)
        handle = device_bound.read_session_id(request)
        if handle is None:
            raise Unauthorised(Refusal.BINDING)
        try:
            proof = device_bound.read_proof(request)
            refreshed = await refresh(self._reseal.backend, context, session=handle, proof=proof)
        except ProofDemanded as error:
            device_bound.challenge_again(context.outgoing, handle, error.challenge)
            return responses.of_json({"message": "proof demanded"}, 403)
        except RefreshElsewhere as error:
            return responses.redirect(error.location + device_bound.REFRESH, 307)
        except SessionHeld:  # its 403 would end the binding in the browser, and nobody could refresh it once it is free
            raise RefreshLater from None
        except (Unauthorised, TokenTheftDetected) as error:
            if isinstance(error, Unauthorised) and error.reason in _PROVES_NOTHING:
                raise
            return responses.of_json(_OVER)
        return self._instructions(response, refreshed.claims.sid)

    def _instructions(self, response: SessionHeaders, handle: str) -> WebResponse:
        return responses.of_json(device_bound.instructions(response, self._reseal.settings, handle))
