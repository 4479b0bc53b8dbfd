"""Clients of users who are signed in, without the sign-in of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from reseal._async.reseal import AsyncReseal
from reseal.settings import Settings
from reseal.testing.clients import as_browser, give_cookies
from reseal.testing.cores import core_of, thread_core_of
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

C = TypeVar("C")


def signed_in(
    client: C,
    reseal: Any,
    user_id: str = "alice",
    jwt_payload: Mapping[str, object] | None = None,
    session_data: Mapping[str, object] | None = None,
) -> C:
    """Begin a session for a client, and have it behave as a page (:func:`as_browser`); returns the client.

    ``client`` is one that :func:`as_browser` takes, or a :class:`Browser`. ``reseal`` is the object that was installed
    in the application, or an application of Flask. An application in an event loop must have been started: open its
    client by ``with`` first. Raises ``InvalidInput``, ``TypeError`` for another kind of client, and ``ValueError`` if
    the settings have sessions in headers only.
    """
    core = thread_core_of(reseal)
    request, headers = _from_page(core.settings), SessionHeaders()
    core.create_new_session(request, headers, user_id, jwt_payload, session_data)
    return _with_cookies(client, core.settings, headers)


async def async_signed_in(
    client: C,
    reseal: Any,
    user_id: str = "alice",
    jwt_payload: Mapping[str, object] | None = None,
    session_data: Mapping[str, object] | None = None,
) -> C:
    """Do what :func:`signed_in` does, in the event loop of the application."""
    core = core_of(reseal)
    if not isinstance(core, AsyncReseal):
        return await asyncio.to_thread(signed_in, client, reseal, user_id, jwt_payload, session_data)
    request, headers = _from_page(core.settings), SessionHeaders()
    await core.create_new_session(request, headers, user_id, jwt_payload, session_data)
    return _with_cookies(client, core.settings, headers)


def _from_page(settings: Settings) -> RequestFacts:
    if settings.token_transfer_method == "header":
        raise ValueError("signed_in puts cookies into a client, but token_transfer_method is 'header'")
    headers = [("origin", settings.api_domain), ("sec-fetch-site", "same-origin")]
    return RequestFacts.of("POST", "/", headers, "127.0.0.1")


def _with_cookies(client: C, settings: Settings, headers: SessionHeaders) -> C:
    as_browser(client, settings)
    give_cookies(client, settings, [value for name, value in headers.items() if name.lower() == "set-cookie"])
    return client
