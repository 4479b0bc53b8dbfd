"""For tests of a Django project with sessions: a client that is signed in, and sessions by the test's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.http import HttpResponse
from django.test import Client, RequestFactory

from reseal.django import requests
from reseal.django.sessions import configured, overridden

__all__ = ["overridden", "own_page", "sign_in"]

_FROM: Final = "same-origin"


def own_page() -> dict[str, str]:
    """Return the headers by which a browser says that a page of the project sends a request.

    For ``Client(headers=own_page())``; an ``AsyncClient`` takes them with each request.
    """
    return {"origin": configured().settings.api_domain, "sec-fetch-site": _FROM}


def sign_in(client: Client, user: object, jwt_payload: Mapping[str, object] | None = None) -> None:
    """Give a client, also an ``AsyncClient``, the session of a user (or of an id), without a sign-in view."""
    request = RequestFactory().post("/")
    headers = requests.begin(request)
    configured().create_new_session(request, user, jwt_payload)
    response = HttpResponse()
    requests.deliver(headers, request, response)
    client.cookies.update(response.cookies)
