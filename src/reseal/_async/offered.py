"""Which of the tokens that a request offers count.

There is one, as a rule. There are several after a change of a cookie's domain or path, or because a neighbouring host
has put one of its own before ours; and a client that went from one way to the other may hold tokens for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reseal._async.ports import AsyncSessions
from reseal.core.access_token import Claims
from reseal.core.actor import actor_of
from reseal.core.errors import Refusal, TryRefreshToken, Unauthorised
from reseal.web import transport
from reseal.web.transport import Transport

if TYPE_CHECKING:
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts


def verified(sessions: AsyncSessions, settings: Settings, request: RequestFacts) -> tuple[Transport, Claims]:
    """Verify the access token of a request, and say by which way it came.

    Raises ``Unauthorised`` if there is none, ``TryRefreshToken`` if none is good, or only one of an older name came.
    """
    via, tokens = transport.read_access(request, settings)
    if not tokens and transport.offers_access(request, settings):
        raise TryRefreshToken("the cookie has the name of an older configuration")
    return via, _newest_good(sessions, tokens)


def _newest_good(sessions: AsyncSessions, tokens: tuple[str, ...]) -> Claims:
    """Of several access tokens, which only cookies can be, the newest good one counts."""
    if len(tokens) == 1:
        return sessions.verify(tokens[0])
    good, refusal = [], None
    for token in tokens:
        try:
            good.append(sessions.verify(token))
        except TryRefreshToken as error:
            refusal = error
    if not good:
        raise refusal or Unauthorised(Refusal.NO_TOKEN)
    return max(good, key=lambda claims: (claims.iat, claims.gen))


def genuine(sessions: AsyncSessions, tokens: tuple[str, ...]) -> list[Claims]:
    """Read those access tokens that are ours, expired or not."""
    found = []
    for token in tokens:
        try:
            found.append(sessions.verify(token, expired_too=True))
        except TryRefreshToken:
            continue  # not a token of ours: it names no session
    return found


def held(
    sessions: AsyncSessions, settings: Settings, request: RequestFacts, *, with_cookies: bool = True
) -> list[Claims]:
    """Name the sessions that a client holds, by the genuine access tokens that came, by whichever way."""
    token = transport.access_header(request)
    by_header = () if token is None else (token,)
    return genuine(sessions, by_header + (transport.access_cookies(request, settings) if with_cookies else ()))


def involved(claims: Iterable[Claims]) -> list[str]:
    """Name the sessions of access tokens, and those of whoever acts in them."""
    handles: dict[str, None] = {}
    for each in claims:
        handles[each.sid] = None
        actor = actor_of(each.jwt_payload())
        if actor is not None:
            handles[actor.handle] = None
    return list(handles)


def refreshable(
    sessions: AsyncSessions, settings: Settings, request: RequestFacts, presented: tuple[str, ...]
) -> tuple[str, ...]:
    """Of the refresh tokens of a request, give those to try, in this order; at least one, for the refusal it brings."""
    newest = sessions.newest(presented)
    return _of_own_session(sessions, settings, request, newest) or newest or presented[:1]


def strangers(
    sessions: AsyncSessions, settings: Settings, request: RequestFacts, presented: tuple[str, ...]
) -> tuple[str, ...]:
    """Name the sessions whose access cookies came along, if none of the refresh tokens is of one of them."""
    own = tuple(involved(held(sessions, settings, request)))
    newest = sessions.newest(presented)
    return () if not newest or any(f".{sid}." in token for sid in own for token in newest) else own


def _of_own_session(
    sessions: AsyncSessions, settings: Settings, request: RequestFacts, refresh_tokens: tuple[str, ...]
) -> tuple[str, ...]:
    """Of the tokens of several sessions, keep those of a session whose access token came along.

    A sibling host can put a refresh cookie of its own before ours, but no access cookie named ``__Host-``.
    """
    if not refresh_tokens[1:]:
        return refresh_tokens
    own = [f".{claims.sid}." for claims in held(sessions, settings, request)]
    return tuple(token for token in refresh_tokens if any(name in token for name in own))
