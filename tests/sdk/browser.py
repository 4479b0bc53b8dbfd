"""What a browser with the frontend SDK does, as far as sessions go: keep cookies and tokens, send them where they belong."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx

from reseal.clock import Clock

ACCESS, REFRESH = "sAccessToken", "sRefreshToken"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Reply:
    """An answer of the application, and whether it brought a new access token."""

    def __init__(self, response: httpx.Response, *, new_access_token: bool) -> None:
        self.status = response.status_code
        self.new_access_token = new_access_token
        is_json = "application/json" in response.headers.get("content-type", "")
        self.body: Any = response.json() if is_json else response.text

    @property
    def refusal(self) -> str | None:
        """Status and reason, unless the answer is a good one."""
        if self.status == 200:
            return None
        told = self.body if isinstance(self.body, dict) else {}
        return f"{self.status} {told.get('message') or told.get('error')}"

    def __repr__(self) -> str:
        return f"{self.status} {self.body}"


@dataclass(frozen=True)
class Cookie:
    value: str
    path: str
    expires: float
    """Milliseconds since the epoch."""


class Browser:
    """One browser. ``mode``: ``cookie`` or ``header``."""

    def __init__(self, client: httpx.Client, clock: Clock, refresh_path: str, mode: str = "cookie") -> None:
        self._client = client
        self._clock = clock
        self._refresh_path = refresh_path
        self._mode = mode
        self.cookies: dict[tuple[str, str], Cookie] = {}
        """By name and path."""
        self.kept: dict[str, str] = {}
        """Tokens of header mode, by header name."""
        self.anti_csrf: str | None = None

    def copy(self) -> Browser:
        """Give another browser with the same tokens: a thief's, or one whose answer got lost."""
        other = copy.copy(self)
        other.cookies, other.kept = dict(self.cookies), dict(self.kept)
        return other

    def whose_clock_is_behind(self) -> Browser:
        """Give another browser with the same tokens that never finds a cookie expired."""
        other = self.copy()
        other.cookies = {key: replace(cookie, expires=float("inf")) for key, cookie in other.cookies.items()}
        return other

    @property
    def access_token(self) -> str | None:
        return self.kept.get("st-access-token") or self._cookie(ACCESS)

    @property
    def refresh_token(self) -> str | None:
        return self.kept.get("st-refresh-token") or self._cookie(REFRESH)

    def get(self, path: str, **params: str) -> Reply:
        return self._send("GET", path, params)

    def post(self, path: str, body: Any = None, **params: str) -> Reply:
        return self._send("POST", path, params, body)

    def put(self, path: str, body: Any, **params: str) -> Reply:
        return self._send("PUT", path, params, body)

    def delete(self, path: str, **params: str) -> Reply:
        return self._send("DELETE", path, params)

    def refresh(self) -> Reply:
        return self._send("POST", self._refresh_path, {}, rid="session")

    def tamper(self) -> None:
        """Change the first letter of the refresh token."""
        [key] = [key for key in self._live() if key[0] == REFRESH]
        value = self.cookies[key].value
        at = int(value.startswith('"'))
        other = "B" if value[at] == "A" else "A"
        self.cookies[key] = replace(self.cookies[key], value=f"{value[:at]}{other}{value[at + 1 :]}")

    def _cookie(self, name: str) -> str | None:
        values = [cookie.value for key, cookie in self._live().items() if key[0] == name]
        return unquote(values[0].strip('"')) if values else None

    def _live(self) -> dict[tuple[str, str], Cookie]:
        now = self._clock.wall()
        return {key: cookie for key, cookie in self.cookies.items() if cookie.expires > now}

    def _send(self, method: str, path: str, params: dict[str, str], body: Any = None, rid: str = "anti-csrf") -> Reply:
        headers = {"rid": rid, "st-auth-mode": self._mode}
        sent = [f"{name}={cookie.value}" for (name, below), cookie in self._live().items() if path.startswith(below)]
        if sent:
            headers["cookie"] = "; ".join(sent)
        if self.anti_csrf is not None:
            headers["anti-csrf"] = self.anti_csrf
        token = self.kept.get("st-refresh-token" if rid == "session" else "st-access-token")
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        before = self.access_token
        response = self._client.request(method, path, params=params, json=body, headers=headers)
        self._client.cookies.clear()  # each browser has its own
        self._keep(response)
        return Reply(response, new_access_token=self.access_token not in {None, before})

    def _keep(self, response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            name, cookie = _read_cookie(line, self._clock.wall())
            self.cookies[name, cookie.path] = cookie
        for name in ("st-access-token", "st-refresh-token"):
            if name in response.headers:
                self.kept[name] = response.headers[name]
                if not self.kept[name]:
                    del self.kept[name]
        self.anti_csrf = response.headers.get("anti-csrf", self.anti_csrf)


def _read_cookie(line: str, now: int) -> tuple[str, Cookie]:
    """Read a Set-Cookie header (RFC 6265, 5.2)."""
    first, *rest = line.split(";")
    name, _, value = first.partition("=")
    attributes = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
    expires: float
    if "max-age" in attributes:
        expires = now + int(attributes["max-age"]) * 1000
    else:
        expires = _read_date(attributes["expires"]) if "expires" in attributes else float("inf")
    return name.strip(), Cookie(value.strip(), attributes.get("path", "/"), expires)


def _read_date(text: str) -> float:
    """Read the date of a cookie in any form that browsers read (RFC 6265, 5.1.1), in ms."""
    words = re.findall(r"[\w:]+", text)
    [clock] = [word for word in words if ":" in word]
    [month] = [word[:3].lower() for word in words if word[:3].lower() in _MONTHS]
    day, year = (int(word) for word in words if word.isdecimal())
    hour, minute, second = map(int, clock.split(":"))
    return datetime(year, _MONTHS.index(month) + 1, day, hour, minute, second, tzinfo=UTC).timestamp() * 1000
