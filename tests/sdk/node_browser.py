"""What a browser with the frontend SDK does, as far as sessions go: keep cookies and tokens, send them where they belong."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

ACCESS, REFRESH = "sAccessToken", "sRefreshToken"


class Reply:
    """An answer of the application, and whether it brought a new access token."""

    def __init__(self, response: httpx.Response, new_access_token: bool) -> None:
        self.status = response.status_code
        self.body = response.json()
        self.headers = response.headers
        self.new_access_token = new_access_token

    @property
    def refusal(self) -> str | None:
        return None if self.status == 200 else f"{self.status} {self.body['message']}"

    def __repr__(self) -> str:
        return f"{self.status} {self.body}"


class Browser:
    """One browser. ``mode``: ``cookie`` or ``header``."""

    def __init__(self, client: httpx.Client, refresh_path: str, mode: str = "cookie") -> None:
        self._client = client
        self._refresh_path = refresh_path
        self._mode = mode
        self.cookies: dict[str, tuple[str, str]] = {}
        """Value and path by name."""
        self.kept: dict[str, str] = {}
        """Tokens of header mode, by header name."""
        self.anti_csrf: str | None = None

    def copy(self) -> Browser:
        """Give another browser with the same tokens: a thief's, or one whose answer got lost."""
        other = copy.copy(self)
        other.cookies, other.kept = dict(self.cookies), dict(self.kept)
        return other

    @property
    def access_token(self) -> str | None:
        return self.kept.get("st-access-token") or self.cookies.get(ACCESS, (None,))[0]

    @property
    def refresh_token(self) -> str | None:
        return self.kept.get("st-refresh-token") or self.cookies.get(REFRESH, (None,))[0]

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

    def _send(self, method: str, path: str, params: dict[str, str], body: Any = None, rid: str = "anti-csrf") -> Reply:
        headers = {"rid": rid, "st-auth-mode": self._mode}
        sent = [f"{name}={value}" for name, (value, below) in self.cookies.items() if path.startswith(below)]
        if sent:
            headers["cookie"] = "; ".join(sent)
        if self.anti_csrf is not None:
            headers["anti-csrf"] = self.anti_csrf
        token = self.kept.get("st-refresh-token" if rid == "session" else "st-access-token")
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        response = self._client.request(method, path, params=params, json=body, headers=headers)
        self._client.cookies.clear()  # each browser has its own
        before = self.access_token
        self._keep(response)
        return Reply(response, self.access_token not in {None, before})

    def _keep(self, response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            first, *rest = line.split(";")
            name, value = first.split("=", 1)
            attributes = dict(part.strip().lower().partition("=")[::2] for part in rest)
            expires = attributes.get("expires")
            if expires is not None and parsedate_to_datetime(expires) <= datetime.now(UTC):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = (value, attributes.get("path", "/"))
        for name in ("st-access-token", "st-refresh-token"):
            if name in response.headers:
                self.kept[name] = response.headers[name]
                if not self.kept[name]:
                    del self.kept[name]
        self.anti_csrf = response.headers.get("anti-csrf", self.anti_csrf)
