"""What a page of an application sends and keeps, whoever carries its requests."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from html import unescape
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from reseal.testing.jar import CookieJar
from reseal.testing.needs import httpx
from reseal.testing.site import Call, Site

ATTEMPT: Final = "idempotency-key"
USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NAVIGATION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
        "sec-fetch-user": "?1",
    }
)
"""What a browser adds to a request that opens a page or sends a form."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Page:
    """What the pages of one browser share: its cookies and what the page's script keeps."""

    def __init__(self, site: Site, origin: str, jar: CookieJar) -> None:
        self.site = site
        self.origin = origin
        self.jar = jar
        self.anti_csrf: str | None = None
        self.access: str | None = None
        """The access token of a program, which keeps no cookies; and its refresh token."""
        self.refresh: str | None = None
        self._attempt: tuple[str | None, str] = None, ""

    def copy(self) -> Page:
        """Return a page of another browser with the same cookies and tokens: what a thief would have."""
        other = Page(self.site, self.origin, self.jar.copy())
        other.anti_csrf, other.access, other.refresh = self.anti_csrf, self.access, self.refresh
        return other

    def request(self, call: Call) -> httpx.Request:
        """Make the request of a call, as the page sends it."""
        method, path, options = parts(call)
        request = httpx.Request(method, self.origin + path, **options)
        self.dress(request)
        return request

    def refresh_call(self) -> Call:
        """Return the call that refreshes the session."""
        method, path, options = parts(self.site.refresh)
        tokens = self.site.tokens
        if tokens is None or self.refresh is None:
            return method, path, options
        if tokens.sent_as is None:
            return method, path, with_headers(options, {"authorization": f"Bearer {self.refresh}"})
        return method, path, {**options, "json": {tokens.sent_as: self.refresh}}

    def attempt(self) -> dict[str, str]:
        """Return the header that names the attempt to refresh: the same one until there are new tokens."""
        begun_with = self.refresh or self.jar.header(self.origin + self.site.refresh[1])
        if self._attempt[0] != begun_with:
            self._attempt = begun_with, secrets.token_urlsafe(16)
        return {ATTEMPT: self._attempt[1]}

    def dress(self, request: httpx.Request) -> None:
        """Add to a request what the browser and the page's script add."""
        cookies = self.jar.header(str(request.url))
        if cookies is not None:
            request.headers["cookie"] = cookies
        headers = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
        if request.method not in _SAFE:
            headers["origin"] = self.origin
            if self.anti_csrf is not None:
                headers["anti-csrf"] = self.anti_csrf
        if self.access is not None:
            headers["authorization"] = f"Bearer {self.access}"
        for name, value in {**headers, "user-agent": USER_AGENT}.items():
            request.headers.setdefault(name, value)

    def keeps_body(self, response: httpx.Response) -> bool:
        """Return whether the body of a response has tokens to keep: it must have been read then."""
        paths = {self.site.sign_in[1], self.site.refresh[1]}
        return self.site.tokens is not None and response.is_success and response.request.url.path in paths

    def keep(self, response: httpx.Response) -> None:
        """Keep what a response sets."""
        self.jar.keep(str(response.request.url), response.headers.get_list("set-cookie"))
        self.anti_csrf = response.headers.get("anti-csrf", self.anti_csrf)
        if response.headers.get("front-token") == "remove":
            self.anti_csrf = None
        if self.site.tokens is not None and self.keeps_body(response):
            body = response.json()
            self.access = body.get(self.site.tokens.access, self.access)
            self.refresh = body.get(self.site.tokens.refresh, self.refresh)

    def form_of(self, response: httpx.Response) -> str | None:
        """Return where the form of a page goes that refreshes the session first, as its script would send it."""
        if "text/html" not in response.headers.get("content-type", ""):
            return None
        found = re.search(rf'action="([^"]*{re.escape(self.site.refresh[1])}/continue[^"]*)"', response.text)
        return None if found is None else unescape(found[1])

    def asks_for_refresh(self, response: httpx.Response) -> bool:
        """Return whether a response with the right status, which has been read, asks for a refresh."""
        if self.site.expired_message is None:
            return True
        try:
            answer = response.json()
        except ValueError:
            return False
        return isinstance(answer, dict) and answer.get("message") == self.site.expired_message


def parts(call: Call) -> tuple[str, str, dict[str, Any]]:
    """Return method, path and further options of a call."""
    return call[0], call[1], dict(call[2]) if len(call) > 2 else {}  # noqa: PLR2004 - the third is optional


def with_headers(options: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
    """Return options of a call with more headers."""
    return {**options, "headers": {**dict(options.get("headers", {})), **more}}


def origin_of(target: object, site: Site) -> str:
    """Return scheme and host of what is visited: those of its URL, or those that the site names."""
    if not isinstance(target, str):
        return site.origin
    url = urlsplit(target)
    if url.scheme not in {"http", "https"} or not url.netloc or url.path not in {"", "/"}:
        raise ValueError(f"the URL of a server is its scheme and host, https://example.com for instance, not {target}")
    return f"{url.scheme}://{url.netloc}"
