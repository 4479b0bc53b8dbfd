# Generated from src/reseal/_async/token_selection.py by tools/unasync.py; edit that file instead.
"""Which of the tokens that a request presents count.

There is one, as a rule. There are several after a change of a cookie's domain or path, or because a neighbouring host
has put one of its own before ours; and a client that changed its transport may hold tokens for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reseal._sync.dpop import demand
from reseal._sync.ports import Sessions
from reseal.core.access_token import Claims
from reseal.core.actor import actor_of
from reseal.core.errors import Refusal, TryRefreshToken, Unauthorised
from reseal.core.ids import ANONYMOUS
from reseal.core.kill_list import StaleKillList
from reseal.web import dpop
from reseal.web.presented import Presented, RefreshRequest
from reseal.web.transport import Transport


class RefreshChoice(NamedTuple):
    """Which refresh tokens of a request count, and what the access tokens beside them say."""

    candidates: tuple[str, ...]
    """Those to try, in this order; at least one, for the refusal that it brings."""
    strangers: tuple[str, ...]
    """The sessions whose access tokens came along, if none of the refresh tokens is of one of them."""
    held: list[Claims]
    """The genuine access tokens that came along."""


def verified(sessions: Sessions, presented: Presented) -> tuple[Transport, Claims, bool]:
    """Verify the access token of a request. Return the transport by which it came, and whether to ask the store too.

    Raises ``Unauthorised`` if there is none, ``DpopRefused`` if it lacks its proof, ``TryRefreshToken`` if none is
    valid, or only one of an older name came.
    """
    (via, tokens), must_ask = presented.access_tokens, False
    if len(tokens) == 1:
        try:
            claims = sessions.verify(tokens[0])
        except StaleKillList as stale:
            claims, must_ask = stale.claims_to_ask_about(), True
    elif not tokens and presented.has_access:
        raise TryRefreshToken("the cookie has the name of an older configuration")
    else:
        claims, must_ask = _newest_valid(sessions, tokens)
    if claims.scheme is not None or (via is Transport.HEADER and dpop.is_scheme(presented.authorization_lines)):
        demand(sessions, presented, via, claims)
    return via, claims, must_ask


def _newest_valid(sessions: Sessions, tokens: tuple[str, ...]) -> tuple[Claims, bool]:
    """Of several access tokens, which only cookies can be, the newest valid one counts.

    One of a user comes before those of visitors: nobody who plants one signs a user out.
    """
    valid, refusal = [], None
    for token in tokens:
        try:
            valid.append((sessions.verify(token), False))
        except StaleKillList as stale:
            valid.append((stale.claims_to_ask_about(), True))
        except TryRefreshToken as error:
            refusal = error
    if not valid:
        raise refusal or Unauthorised(Refusal.NO_TOKEN)
    return max(valid, key=lambda each: (each[0].sub != ANONYMOUS, each[0].iat, each[0].gen))


def genuine(sessions: Sessions, tokens: tuple[str, ...]) -> list[Claims]:
    """Read those access tokens that are ours, expired or not."""
    found = []
    for token in tokens:
        try:
            found.append(sessions.verify(token, expired_too=True))
        except TryRefreshToken:
            continue  # not a token of ours: it names no session
    return found


def involved(claims: Iterable[Claims]) -> list[str]:
    """Name the sessions of access tokens, and those of the actors in them."""
    handles: dict[str, None] = {}
    for each in claims:
        handles[each.sid] = None
        actor = actor_of(each.jwt_payload())
        if actor is not None:
            handles[actor.handle] = None
    return list(handles)


def for_refresh(sessions: Sessions, request: RefreshRequest) -> RefreshChoice:
    """Choose among the refresh tokens of a request, of which there is one at least."""
    held_tokens = genuine(sessions, request.access)
    newest = sessions.newest(request.tokens)
    own = tuple(involved(held_tokens))
    are_strangers = bool(newest) and not _of_sessions(own, newest)
    return RefreshChoice(
        _of_own_session(held_tokens, newest) or newest or request.tokens[:1],
        own if are_strangers else (),
        held_tokens,
    )


def _of_own_session(held_tokens: list[Claims], refresh_tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Of the refresh tokens of several sessions, keep those of a session whose access token came along.

    A sibling host can put a refresh cookie of its own before ours, but no access cookie named ``__Host-``.
    """
    if not refresh_tokens[1:]:
        return refresh_tokens
    return _of_sessions([claims.sid for claims in held_tokens], refresh_tokens)


def _of_sessions(handles: Iterable[str], refresh_tokens: tuple[str, ...]) -> tuple[str, ...]:
    names = [f".{handle}." for handle in handles]
    return tuple(token for token in refresh_tokens if any(name in token for name in names))
