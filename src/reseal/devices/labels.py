"""Readable labels of devices: by the package ``ua-parser`` if it is installed (extra ``devices``), else the plain text.

User agents change with every release of a browser, and their pretences fill a database: that is a package's business.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Final

UNKNOWN: Final = "Unknown device"
_REMEMBERED: Final = 1024
"""Labels that are kept: to parse a user agent takes milliseconds, and most users share a few hundred."""
_PLAIN: Final = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Mac OS X": "macOS",
    "Opera Mobile": "Opera",
}
"""The parser's names, as users say them."""


def label_of(user_agent: str | None) -> str:
    """Return a label like "Firefox on Linux" or "Safari on iPhone"."""
    return UNKNOWN if user_agent is None else _label(user_agent)


@lru_cache(maxsize=_REMEMBERED)
def _label(user_agent: str) -> str:
    parse = _parser()
    found = None if parse is None else parse(user_agent)
    if found is None or found.user_agent is None:
        return user_agent
    browser, system = _said(found.user_agent.family), _system(found)
    return browser if system is None else f"{browser} on {system}"


def _system(found: Any) -> str | None:
    """Return the model of a phone or tablet whose name users know, else the operating system."""
    if found.device is not None and found.device.family in {"iPhone", "iPad"}:
        return str(found.device.family)
    return None if found.os is None else _said(found.os.family)


def _said(name: str) -> str:
    return _PLAIN.get(name, name)


@cache
def _parser() -> Any:
    """Import the parser when it is first needed; its rules take a tenth of a second to load."""
    try:
        from ua_parser import parse  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return None
    return parse
