"""Responses without a framework: a status, headers and bytes. Each adapter turns them into its framework's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from reseal.web import answers

if TYPE_CHECKING:
    from reseal.core.errors import ResealError
    from reseal.settings import Settings

Headers = tuple[tuple[str, str], ...]
_WITHOUT_BODY: Final = (204, 304)


@dataclass(frozen=True, slots=True)
class WebResponse:
    """One response. What the session has to say to the browser is not in it: see :mod:`reseal.web.headers`."""

    status: int
    headers: Headers
    body: bytes = b""


def of_json(body: object, status: int = 200, headers: Headers = ()) -> WebResponse:
    """Answer with JSON."""
    return WebResponse(status, (("content-type", "application/json"), *headers), msgspec.json.encode(body))


def of_error(error: ResealError, settings: Settings) -> WebResponse:
    """Answer with an error. Cookies and cache headers are not in it."""
    said = answers.answer(error, settings)
    return of_json(said.body, said.status, said.headers)


def redirect(location: str, status: int) -> WebResponse:
    """Send the browser to another path of this host."""
    return WebResponse(status, (("location", quote(location, safe=":/%#?=@[]!$&'()*+,;")),))


def length(response: WebResponse) -> Headers:
    """Say how long the body is, where a response may have one (RFC 9110, 8.6)."""
    return () if response.status in _WITHOUT_BODY else (("content-length", str(len(response.body))),)
