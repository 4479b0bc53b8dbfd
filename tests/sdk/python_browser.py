"""A client with a cookie jar that keeps of a reply what the browser SDKs keep, of all times."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httpx

TRY_REFRESH = "try refresh token"
UNAUTHORISED = "unauthorised"
THEFT = "token theft detected"


class Visitor:
    """``mode``: ``cookie`` or ``header``. ``log`` gives what the app has printed, for the report of a failure."""

    def __init__(self, url: str, refresh_path: str, log: Callable[[], str], *, mode: str = "cookie") -> None:
        self._url, self._refresh_path, self._log, self._mode = url, refresh_path, log, mode
        self._http = httpx.Client(base_url=url, timeout=60, headers={"st-auth-mode": mode}, trust_env=False)
        self.anti_csrf: str | None = None
        self.headers: dict[str, str] = {}
        """The tokens that came in headers."""

    def copy(self) -> Visitor:
        """Make another one that holds the same tokens; a second tab, or a thief."""
        other = Visitor(self._url, self._refresh_path, self._log, mode=self._mode)
        for cookie in self._http.cookies.jar:
            other._http.cookies.jar.set_cookie(cookie)
        other.anti_csrf, other.headers = self.anti_csrf, dict(self.headers)
        return other

    def close(self) -> None:
        self._http.close()

    def cookie(self, name: str) -> str | None:
        found = [cookie.value for cookie in self._http.cookies.jar if cookie.name == name]
        return unquote(found[0]) if found and found[0] else None

    @property
    def refresh_token(self) -> str | None:
        return self.headers.get("st-refresh-token") or self.cookie("sRefreshToken")

    @property
    def has_session(self) -> bool:
        return self.refresh_token is not None

    def once(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request and keep what comes back; whatever the answer, it is not sent again."""
        return self._send(method, path, body, "st-access-token")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request as a browser SDK does: told to, it refreshes and repeats. Gives the JSON of a success."""
        response = self.once(method, path, body)
        if response.status_code == 401 and said(response) == TRY_REFRESH:
            self.must_be(self.refresh(), 200)
            response = self.once(method, path, body)
        self.must_be(response, 200)
        return response.json()

    def refresh(self) -> httpx.Response:
        return self._send("POST", self._refresh_path, None, "st-refresh-token")

    def sign_in(self, user_id: str, payload: dict[str, Any] | None = None, data: dict[str, Any] | None = None) -> Any:
        response = self.once("POST", "/create", {"userId": user_id, "payload": payload or {}, "data": data or {}})
        self.must_be(response, 200)
        return response.json()

    def must_be(self, response: httpx.Response, status: int, text: str | None = None) -> None:
        """Fail with the app's log unless the answer is as expected."""
        told = f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:500]}"
        as_expected = response.status_code == status and (text is None or said(response) == text)
        if not as_expected:
            time.sleep(0.5)  # the app may answer before it writes why
        assert as_expected, f"{told}\n{self._log()[-6000:]}"

    def _send(self, method: str, path: str, body: Any, token: str) -> httpx.Response:
        headers = {} if self.anti_csrf is None else {"anti-csrf": self.anti_csrf}
        if self.headers.get(token):
            headers["authorization"] = f"Bearer {self.headers[token]}"
        response = self._http.request(method, path, json=body, headers=headers)
        self._drop_emptied(response)
        self.anti_csrf = response.headers.get("anti-csrf", self.anti_csrf)
        for name in ("st-access-token", "st-refresh-token"):
            if name in response.headers:
                self.headers[name] = response.headers[name]
        return response

    def _drop_emptied(self, response: httpx.Response) -> None:
        """Remove cookies that the reply emptied in the end.

        A browser goes by the last of several cookies of one name (RFC 6265, 5.3) and reads every form of their expiry
        (5.1.1); the jar of Python's library takes expired ones first, and cannot read the dates of 0.10 with Django.
        """
        pairs = (line.split(";")[0].partition("=") for line in response.headers.get_list("set-cookie"))
        last = {name: value for name, _, value in pairs}
        for cookie in list(self._http.cookies.jar):
            if not last.get(cookie.name, cookie.value or "").strip('"'):
                self._http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)


def said(response: httpx.Response) -> str | None:
    """Read why a request was refused."""
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
