"""``request.session`` of Django, for the middleware: where ``SESSION_ENGINE`` is ``reseal.django.engine``.

Before the view the access token is read, in memory. Where it has expired, the browser is sent to refresh first, as long
as nothing has been done: a page by the page that refreshes first, a form by a redirect that keeps its method and body.
After the view the data is saved, by the rules of Django's own middleware, and the tokens leave with the response.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from reseal._sync import token_selection
from reseal.core.errors import ResealError, StoreUnavailable, TryRefreshToken, Unauthorised
from reseal.core.model import EndReason
from reseal.django import pages, requests
from reseal.django.engine import NAME, SessionStore
from reseal.django.sessions import Reseal, configured, get_reseal
from reseal.django.waiting import WouldWait, in_thread
from reseal.web import answers, csrf, places, rendering, transport
from reseal.web.context import caller_of
from reseal.web.csrf import Trust
from reseal.web.facts import RequestFacts
from reseal.web.presented import Presented
from reseal.web.transport import Transport

_SERVER_ERROR: Final = 500


def is_on() -> bool:
    """Return whether Django's sessions are kept here."""
    return bool(django_settings.SESSION_ENGINE == NAME)


def around(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Wrap what answers requests, so that they have their session. An unavailable store is answered with 503."""

    def serve(request: HttpRequest) -> HttpResponseBase:
        try:
            early = opened(request)
            if early is not None:
                return early
            response: HttpResponseBase = get_response(request)
            closed(request, response)
        except StoreUnavailable as error:
            return _answer(request, error)
        return response

    async def aserve(request: HttpRequest) -> HttpResponseBase:
        try:
            early = await aopened(request)
            if early is not None:
                return early
            response: HttpResponseBase = await get_response(request)
            await aclosed(request, response)
        except StoreUnavailable as error:
            return _answer(request, error)
        return response

    wrapped: Callable[[HttpRequest], Any] = convert_exception_to_response(
        aserve if iscoroutinefunction(get_response) else serve
    )
    return wrapped


def opened(request: HttpRequest) -> HttpResponse | None:
    """Give a request its session. Returns what answers the request in the view's place, or ``None``."""
    reseal = get_reseal()
    read = requests.facts(request)
    headers = vars(request)[requests.OUTBOX]
    presented = reseal.sessions.context(read, headers)
    headers.touched = False  # whether the response depends on the session is up to the view
    store = SessionStore(_of_test_client(request))
    store.caller = caller_of(read, reseal.settings)
    request.session = store
    if reseal.has_endpoint(read.path):
        store.detach()
        return None
    if store.handle is not None or not presented.has_access:
        return None
    reseal.sessions.backend.keep_fresh()
    try:
        store.hold(token_selection.verified(reseal.sessions.backend, presented)[1])
    except TryRefreshToken as error:
        return _expired(reseal, request, read, presented, error)
    except Unauthorised as error:  # its key was not proved
        store.refuse(error)
    return None


async def aopened(request: HttpRequest) -> HttpResponse | None:
    """Do the same in async code: without a thread, unless the store has to be opened."""
    try:
        return opened(request)
    except WouldWait:
        return await in_thread(opened)(request)


def closed(request: HttpRequest, response: HttpResponseBase) -> None:
    """Save the session, and give its tokens to the browser.

    Raises ``SessionInterrupted`` if it was ended meanwhile, ``StoreUnavailable``.
    """
    store = _store(request)
    if store is None:
        return
    if store.accessed:
        requests.outbox(request).touch()
    if store.is_empty():
        _forget(request, store)
        return
    is_failure = response.status_code >= _SERVER_ERROR
    if not is_failure and _wants_saving(store):
        _save(store)
    if store.tokens is not None:
        _hand_over(request, store, is_failure=is_failure)


async def aclosed(request: HttpRequest, response: HttpResponseBase) -> None:
    """Do the same in async code: without a thread, where nothing has to be written."""
    store = _store(request)
    if store is not None and (store.tokens is not None or _wants_saving(store)):
        await in_thread(closed)(request, response)
    else:
        closed(request, response)


def _store(request: HttpRequest) -> SessionStore | None:
    """Return the session of a request, if it is to be saved."""
    store = getattr(request, "session", None)
    return store if isinstance(store, SessionStore) and store.is_writable else None


def _answer(request: HttpRequest, error: ResealError) -> HttpResponse:
    return requests.response_of(configured().answer_error(requests.facts(request), error))


def _wants_saving(store: SessionStore) -> bool:
    return store.modified or bool(django_settings.SESSION_SAVE_EVERY_REQUEST)


def _save(store: SessionStore) -> None:
    try:
        store.save()
    except UpdateError:
        raise SessionInterrupted(
            "the session was ended while this request was served: by a sign-out in another tab, for example"
        ) from None


def _hand_over(request: HttpRequest, store: SessionStore, *, is_failure: bool) -> None:
    tokens, reseal = store.tokens, get_reseal()
    assert tokens is not None  # the caller has looked
    context = reseal.sessions.context(requests.facts(request), requests.outbox(request))
    if tokens.refresh_token is None:
        context.attach(tokens, context.access_tokens[0])
    elif is_failure:  # as in Django, a failed request begins no session
        reseal.sessions.backend.revoke((tokens.claims.sid,))
    else:
        held = token_selection.genuine(reseal.sessions.backend, context.all_access)
        former = [handle for handle in token_selection.involved(held) if handle != tokens.claims.sid]
        if former:
            reseal.sessions.backend.revoke(former, EndReason.REPLACED)
        context.hand_over(tokens, transport.for_new_session(context.request, reseal.settings))
    store.tokens = None


def _forget(request: HttpRequest, store: SessionStore) -> None:
    """Have the browser forget a session that is over, unless it holds a newer one already."""
    is_over = store.accessed if store.over is None else answers.clears_session(store.over)
    if not is_over:
        return
    context = get_reseal().sessions.context(requests.facts(request), requests.outbox(request))
    via = context.access_tokens[0]
    if context.has_access:
        context.clear(via, *context.leftovers(via))


def _expired(
    reseal: Reseal, request: HttpRequest, read: RequestFacts, presented: Presented, error: TryRefreshToken
) -> HttpResponse | None:
    """Send the browser to refresh first, where that can be done by itself and loses nothing.

    Else whoever asks for the session gets the error: 401, upon which scripts refresh and repeat the call. A method that
    changes something is not begun at all, unless a foreign page sent it, which Django's own check is for.
    """
    store: SessionStore = request.session  # type: ignore[assignment]
    store.over = _why_over(reseal, presented)
    if store.over is not None:
        return None
    store.refuse(error)
    if presented.access_tokens[0] is Transport.HEADER:
        return None
    if read.method in csrf.SAFE_METHODS:
        return pages.instead_of(request, error)
    if presented.trust is Trust.HOSTILE:
        return None
    requests.outbox(request).touch()
    return _repeated(reseal, request, read) or _answer(request, error)


def _why_over(reseal: Reseal, presented: Presented) -> Unauthorised | None:
    """Ask the store whether there is a session to refresh: none, and the visitor would be sent back and forth."""
    backend = reseal.sessions.backend
    handles = set(token_selection.involved(token_selection.genuine(backend, presented.all_access)))
    ended = backend.why_ended(handles)
    return Unauthorised(next(iter(ended.values()))) if handles and ended.keys() == handles else None


def _repeated(reseal: Reseal, request: HttpRequest, read: RequestFacts) -> HttpResponse | None:
    """Have the browser send a form, or a script's ``POST``, by way of the refresh path: with its method and its body.

    A script that has the browser SDK repeats its calls itself.
    """
    if read.method != "POST" or csrf.has_custom_header(read) or read.header(transport.AUTH_MODE) is not None:
        return None
    target = places.public(request.get_full_path_info(), read, reseal.settings)
    redirect = rendering.repetition(read, reseal.settings, target)
    if redirect is None:
        return None
    requests.read_to_the_end(request)
    return requests.response_of(redirect)


def _of_test_client(request: HttpRequest) -> str | None:
    """Return the session key that Django's test client shows, which signs in without a response and so has no tokens.

    It counts only in Django's test environment, and where the body is that of a test client of this process.
    Applications make such requests outside of tests as well, to answer several in one, and copy the cookies of the
    browser into them.
    """
    testing: Any = sys.modules.get("django.test.client")
    if testing is None or not isinstance(_innermost(request), testing.FakePayload):
        return None
    if not hasattr(sys.modules["django.test.utils"]._TestState, "saved_data"):  # noqa: SLF001 - nothing public says it
        return None
    key = request.COOKIES.get(django_settings.SESSION_COOKIE_NAME)
    return key if SessionStore().exists(key) else None  # after it has ended, the tokens of the client count


def _innermost(request: HttpRequest) -> object:
    """Return the file from which the server gives the body; under ASGI Django reads it through a bound method."""
    stream: Any = getattr(request, "environ", {}).get("wsgi.input") or getattr(request, "_stream", None)
    return getattr(getattr(stream, "_read", None), "__self__", stream)
