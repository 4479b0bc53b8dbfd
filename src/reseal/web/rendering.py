"""Pages that are rendered on the server: whose page it is, and the small page that refreshes first.

A page's request shows an access token and never the refresh token, whose cookie goes to the refresh path alone. So a
server that renders pages cannot refresh, and need not: it sends the browser there and back. The page below posts a
form to a path under the refresh path, which answers with the new cookies and the way back.

A form needs no page: a 307 has the browser send it, files included, to a path under the refresh path, and a second 307
sends it back with the new cookies (RFC 9110, 15.4.8).
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import quote

from reseal.web import csrf, places, responses
from reseal.web.responses import WebResponse

if TYPE_CHECKING:
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts

SessionT = TypeVar("SessionT")

CONTINUE: Final = "/continue"
"""Behind the refresh path: where the page's form goes."""
REPEAT: Final = "/repeat"
"""Behind the refresh path: where a form of the application goes, and comes back from."""
TARGET: Final = "target"
"""The query parameter that names the page to come back to."""
_LOCAL: Final = re.compile(r"/(?:(?![/\\])[\x21-\x5b\x5d-\x7e]{0,4000})?", re.ASCII)
_SCRIPT: Final = """
const now = Date.now();
let before = now;
try {
  const noted = Number(sessionStorage.getItem("reseal-refresh"));
  sessionStorage.setItem("reseal-refresh", now);
  before = noted;
} catch {}
if (Math.abs(now - before) > 10000) document.forms[0].submit();
else document.forms[0].hidden = false;
"""
"""Once in ten seconds a tab goes by itself; sooner, or where nothing can be noted, the visitor has to ask for it."""
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex"><title>One moment</title>
<body>{body}
"""
_FORM: Final = '<form method="post" action="{action}"{hidden}><p>{text}</p><button>Continue</button></form>'
_POLICY: Final = (
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    f"script-src 'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'"
)
_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", _POLICY),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "same-origin"),  # with no-referrer the form would come from the origin "null"
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class SignedIn(Generic[SessionT]):
    """The request has a session."""

    session: SessionT


@dataclass(frozen=True, slots=True)
class RefreshFirst:
    """There is probably a session, and its access token has ended: answer with the page that refreshes first."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """The request has no session, and a refresh would bring none."""


def refresh_page(settings: Settings, target: str, *, by_itself: bool, path_prefix: str = "") -> WebResponse:
    """Write the page that refreshes the session and then comes back to ``target``, a path of this host.

    Unless it may do so ``by_itself``, and where there are no scripts, the visitor sends the form: for the browser the
    way back begins at this page, so a foreign link would be turned into one of ours, with ``Strict`` cookies. The page
    is no error and belongs to nobody else: 200, for no cache. ``path_prefix`` stands before the application's paths.
    """
    action = _action(settings, target, path_prefix)
    text = "Your session has to be renewed."
    body = _form(action, text, hidden=False)
    if by_itself:
        hidden = _form(action, text, hidden=True)
        body = f"{hidden}<noscript>{body}</noscript><script>{_SCRIPT}</script>"
    return WebResponse(200, _HEADERS, _PAGE.format(body=body).encode())


def failure_page(settings: Settings, target: str, retry_after: int, *, path_prefix: str = "") -> WebResponse:
    """Write the answer of the refresh if the store is away: nobody was signed out, and the form is there again."""
    action = _action(settings, target, path_prefix)
    body = _form(action, "Your session could not be renewed just now.", hidden=False)
    return WebResponse(503, (*_HEADERS, ("Retry-After", str(retry_after))), _PAGE.format(body=body).encode())


def is_page_load(facts: RequestFacts) -> bool:
    """Return whether the browser opens a page or sends a form, as opposed to a script's call.

    Without Fetch Metadata, which browsers do not send over plain http, the demand for HTML decides.
    """
    modes = facts.all("sec-fetch-mode")
    return modes == ("navigate",) if modes else "text/html" in (facts.header("accept") or "")


def repetition(facts: RequestFacts, settings: Settings, target: str) -> WebResponse | None:
    """Have the browser send a form by way of the refresh path, or return ``None`` if it must not be sent again.

    Only a form of our own pages is: the browser would send a foreign one again as well. ``target`` is where it came.
    """
    if local_target(target) != target or csrf.verdict(facts, settings) is not csrf.Trust.TRUSTED:
        return None
    path = places.prefix(facts, settings) + settings.refresh_api_path
    return responses.redirect(onward(path, REPEAT, target), 307)


def local_target(text: str) -> str:
    """Return a path of this host with its query, or ``/`` for anything that could lead elsewhere."""
    return text if _LOCAL.fullmatch(text) else "/"


def onward(path: str, way: str, target: str) -> str:
    """Write where a refresh goes that comes back to ``target``; ``path`` is that of the refresh."""
    return f"{path}{way}?{TARGET}={quote(local_target(target), safe='/')}"


def _action(settings: Settings, target: str, path_prefix: str) -> str:
    return onward(path_prefix + settings.refresh_api_path, CONTINUE, target)


def _form(action: str, text: str, *, hidden: bool) -> str:
    return _FORM.format(action=html.escape(action), text=text, hidden=" hidden" if hidden else "")
