# Generated from src/reseal/_async/signing_in.py by tools/unasync.py; edit that file instead.
"""Signing in: one session begins, the one that the client held before ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Unpack

from reseal._sync import actors, token_selection, visitors
from reseal._sync.dpop import of_this_client, with_proof
from reseal._sync.ports import Sessions
from reseal._sync.session import Session
from reseal._sync.user_sessions import listed
from reseal.core import actor, authentication, ids, providers
from reseal.core.access_token import Claims
from reseal.core.authentication import SignInOptions, VisitOptions
from reseal.core.model import EndReason
from reseal.core.session_policy import Replaced, SessionPolicy, TooManySessions
from reseal.core.tokens import TokenPair
from reseal.web import csrf, transport
from reseal.web.context import RequestContext
from reseal.web.csrf import Trust
from reseal.web.transport import Transport

_CALLBACK: Final = (
    "the callback of an identity provider signs in with allow_cross_site=True, after it has checked its state"
)


def sign_in(
    sessions: Sessions,
    context: RequestContext,
    user_id: str,
    jwt_payload: Mapping[str, object] | None,
    session_data: Mapping[str, object] | None,
    **options: Unpack[SignInOptions],
) -> Session:
    """Begin a session and hand out its tokens. See :meth:`Reseal.create_new_session`."""
    via, held = _prepared(sessions, context, jwt_payload, options)
    user_id = ids.user_to_sign_in(user_id)
    visitor = visitors.to_take_over(options.get("keep_anonymous", False), held, user_id, context.now())
    jwt_payload = authentication.stated(jwt_payload, options, context.now())
    its = providers.checked(options.get("provider"), context.settings.identity_providers)
    wish = options.get("device_binding")
    begin = partial(
        sessions.create, user_id, jwt_payload, session_data, caller=context.caller, provider=its, device_binding=wish
    )
    try:
        return _begun(sessions, context, begin, via, held, visitor=visitor, policy=options.get("policy"))
    except TooManySessions as error:
        error.sessions = listed(sessions, user_id, None, 0)
        raise


def begin_anonymous(
    sessions: Sessions,
    context: RequestContext,
    jwt_payload: Mapping[str, object] | None,
    session_data: Mapping[str, object] | None,
    **options: Unpack[VisitOptions],
) -> Session:
    """Begin a session of a visitor. See :meth:`Reseal.create_anonymous_session`."""
    via, held = _prepared(sessions, context, jwt_payload, options)
    visitors.demand_no_user(sessions, held)
    begin = partial(sessions.create, ids.ANONYMOUS, jwt_payload, session_data, caller=context.caller)
    return _begun(sessions, context, begin, via, held, policy=options.get("policy"))


def _prepared(
    sessions: Sessions, context: RequestContext, jwt_payload: Mapping[str, object] | None, options: VisitOptions
) -> tuple[Transport, list[Claims]]:
    """Return the transport of a new session, and what the client holds; raise what forbids to begin one."""
    request, settings = context.request, context.settings
    context.response.demand_unsent("create_new_session")
    actor.refuse(jwt_payload)
    via = transport.for_new_session(request, settings)
    is_foreign = not options.get("allow_cross_site", False) and context.trust is Trust.HOSTILE
    if is_foreign and via is Transport.COOKIE:
        raise context.cross_site(f"{csrf.explain(request, settings)}; {_CALLBACK}")
    in_header = () if context.access_header is None else (context.access_header,)
    presented = in_header if is_foreign else context.all_access
    if presented:
        sessions.keep_fresh()
    return via, of_this_client(sessions, context, token_selection.genuine(sessions, presented))


def _begun(
    sessions: Sessions,
    context: RequestContext,
    begin: Callable[..., TokenPair],
    via: Transport,
    held: list[Claims],
    *,
    visitor: str | None = None,
    policy: SessionPolicy | str | None,
) -> Session:
    """Begin a session, end those that the client holds, and hand out the tokens of the new one."""
    replaced = tuple(token_selection.involved(held))
    tokens = with_proof(context, via, partial(begin, policy=policy, replaced=Replaced(replaced, visitor)))
    if context.response.sent:  # while the store worked: no client would ever hold the new session
        sessions.revoke((tokens.claims.sid,))
        context.response.demand_unsent("create_new_session")
    if replaced:
        actors.end(sessions, context, held, EndReason.REPLACED)
    context.hand_over(tokens, via)
    return Session(sessions, tokens.claims, context, via)
