"""The cookies of a browser (RFC 6265), kept by the clock of a test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from reseal.clock import Clock, SystemClock

LARGEST: Final = 4096
"""Longest name and value together that browsers keep, in bytes."""
_SECURE_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Cookie:
    """One cookie, with the place for which it was set."""

    name: str
    value: str
    host: str
    path: str
    for_subdomains: bool
    secure: bool
    http_only: bool
    expires_at: int | None
    """Milliseconds since the epoch; ``None`` for a cookie of this run of the browser."""

    @property
    def place(self) -> tuple[str, str, str]:
        """What a later cookie must have in common with this one to replace it."""
        return self.name, self.host, self.path

    @property
    def size(self) -> int:
        """Name and value, in bytes."""
        return len(self.name.encode()) + len(self.value.encode())


class CookieJar:
    """Keeps cookies, sends them back where they belong, and drops them when the clock says so."""

    def __init__(self, clock: Clock | None = None, cookies: Iterable[Cookie] = ()) -> None:
        self._clock = clock or SystemClock()
        self._kept: dict[tuple[str, str, str], Cookie] = {cookie.place: cookie for cookie in cookies}
        self.dropped: list[str] = []
        """Why cookies were not kept, as a browser's console would say."""

    def __iter__(self) -> Iterator[Cookie]:
        now = self._clock.wall()
        return iter([each for each in self._kept.values() if each.expires_at is None or each.expires_at > now])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<CookieJar of {', '.join(each.name for each in self) or 'nothing'}>"

    def value(self, name: str) -> str | None:
        """Return the value of a cookie, wherever it belongs."""
        return next((each.value for each in self if each.name == name), None)

    def copy(self) -> Self:
        """Return a jar with the same cookies and the same clock, that goes its own way from now on."""
        return type(self)(self._clock, self)

    def remove(self, *names: str) -> None:
        """Delete cookies by name; all of them if none is named."""
        self._kept = {place: each for place, each in self._kept.items() if names and each.name not in names}

    def keep(self, url: str, lines: Iterable[str]) -> None:
        """Keep what the ``Set-Cookie`` lines of a response of ``url`` say, and delete what they say is over."""
        for line in lines:
            cookie = parsed(line, url, self._clock.wall())
            problem = _problem(cookie, url)
            if problem is not None:
                self.dropped.append(f"{cookie.name}: {problem}")
            elif cookie.expires_at is not None and cookie.expires_at <= self._clock.wall():
                self._kept.pop(cookie.place, None)
            else:
                self._kept[cookie.place] = cookie

    def header(self, url: str) -> str | None:
        """Return the ``Cookie`` header of a request to ``url``, the more specific paths first."""
        sent = sorted((each for each in self if _belongs(each, url)), key=lambda each: -len(each.path))
        return "; ".join(f"{each.name}={each.value}" for each in sent) or None


def parsed(line: str, url: str, now: int) -> Cookie:
    """Read a ``Set-Cookie`` line of a response of ``url``, which came at ``now`` (ms since the epoch)."""
    first, *rest = (part.strip() for part in line.split(";"))
    name, _, value = first.partition("=")
    said = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
    domain, path = said.get("domain", "").lower().lstrip("."), said.get("path", "")
    found = Cookie(
        name.strip(),
        value.strip(),
        domain or _host(url),
        path if path.startswith("/") else _default_path(url),
        for_subdomains=bool(domain),
        secure="secure" in said,
        http_only="httponly" in said,
        expires_at=None,
    )
    return replace(found, expires_at=_end(said, now))


def _end(said: dict[str, str], now: int) -> int | None:
    """Return when a cookie ends: ``Max-Age`` counts before ``Expires``, and a date that is none counts for nothing."""
    age = said.get("max-age", "")
    if age.lstrip("-").isdigit():
        return now + int(age) * 1000 if int(age) > 0 else 0
    try:
        return round(parsedate_to_datetime(said["expires"]).timestamp() * 1000)
    except (KeyError, ValueError):
        return None


def _problem(cookie: Cookie, url: str) -> str | None:
    """Return why a browser would not keep a cookie."""
    if cookie.size > LARGEST:
        return f"{cookie.size} bytes of name and value are more than the {LARGEST} that browsers keep"
    if not _covers(cookie.host, _host(url), subdomains=cookie.for_subdomains):
        return f"{_host(url)} must not set cookies of {cookie.host}"
    if cookie.secure and not _is_secure(url):
        return "Secure cookies are kept from https only"
    if cookie.name.startswith(("__Secure-", "__Host-")) and not cookie.secure:
        return "its prefix demands Secure"
    if cookie.name.startswith("__Host-") and (cookie.for_subdomains or cookie.path != "/"):
        return "its prefix demands Path=/ and no Domain"
    return None


def _belongs(cookie: Cookie, url: str) -> bool:
    path = unquote(urlsplit(url).path) or "/"
    under = path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/")
    return (
        under
        and _covers(cookie.host, _host(url), subdomains=cookie.for_subdomains)
        and (not cookie.secure or _is_secure(url))
    )


def _covers(domain: str, host: str, *, subdomains: bool) -> bool:
    return host == domain or (subdomains and host.endswith(f".{domain}"))


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _is_secure(url: str) -> bool:
    return urlsplit(url).scheme == "https" or _host(url) in _SECURE_HOSTS


def _default_path(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[0] or "/"
