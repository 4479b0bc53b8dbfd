"""Pages that are rendered on the server: whose page it is, and the small page that refreshes first.

A page's request shows an access token and never the refresh token, whose cookie goes to the refresh path alone. So a
server that renders pages cannot refresh, and need not: it sends the browser there and back. The page below posts a
form to a path under the refresh path, which answers with the new cookies and the way back.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import quote

from reseal.web.responses import WebResponse

if TYPE_CHECKING:
    from reseal.settings import Settings

SessionT = TypeVar("SessionT")

CONTINUE: Final = "/continue"
"""Behind the refresh path: where the form goes."""
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


def local_target(text: str) -> str:
    """Return a path of this host with its query, or ``/`` for anything that could lead elsewhere."""
    return text if _LOCAL.fullmatch(text) else "/"


def continuing(path: str, target: str) -> str:
    """Write where a refresh goes that comes back to ``target``; ``path`` is that of the refresh."""
    return f"{path}{CONTINUE}?{TARGET}={quote(local_target(target), safe='/')}"


def _action(settings: Settings, target: str, path_prefix: str) -> str:
    return continuing(path_prefix + settings.refresh_api_path, target)


def _form(action: str, text: str, *, hidden: bool) -> str:
    return _FORM.format(action=html.escape(action), text=text, hidden=" hidden" if hidden else "")
