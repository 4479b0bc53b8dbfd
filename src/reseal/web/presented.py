"""What a request presents: tokens, how they travel, and whose page sent it. Each is read once, when it is first used.

Nothing is verified here. There is one token of a kind, as a rule; there are several after a change of a cookie's domain
or path, or because a neighbouring host has put one of its own before ours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, overload

import msgspec

from reseal.core import attempt
from reseal.web import bearer, cookies, csrf, transport
from reseal.web.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseal.settings import Settings
    from reseal.web.csrf import Trust
    from reseal.web.facts import RequestFacts

T = TypeVar("T")

_LINE_REMEMBERED: Final = 4096
"""Longest ``Cookie`` line, in bytes, that is worth the room: anybody may send one."""


Tokens = tuple[Transport, tuple[str, ...]]
"""Tokens of one kind, and by which transport they came."""


class RefreshRequest(NamedTuple):
    """What a request presents for a refresh."""

    via: Transport
    tokens: tuple[str, ...]
    """The refresh tokens that count: a header counts before a body, and both before cookies."""
    is_in_body: bool
    """Whether the refresh token came in the request's body, and the answer goes there too."""
    access: tuple[str, ...]
    """The access tokens beside them, by either transport."""
    trust: Trust
    anti_csrf: str | None
    attempt_key: str | None


class once(Generic[T]):  # noqa: N801 - it is used as a decorator, as property is
    """A property that is computed when it is first read. The class needs a ``__dict__``.

    ``functools.cached_property`` of Python 3.11 takes a lock for that, which costs more than what is read here.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self._name = read.__name__
        self.__doc__ = read.__doc__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> T: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> once[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._read(instance)
        return value


class Presented(msgspec.Struct, dict=True, eq=False):
    """The credentials of one request. Its ``repr`` shows none of them."""

    request: RequestFacts
    settings: Settings
    authorization_lines: list[bytes]
    """The lines of ``Authorization``; these and the next two are :attr:`RequestFacts.credentials`."""
    cookie_lines: list[bytes]
    is_handshake: bool
    """Whether the request opens a WebSocket (RFC 6455, 4.1), as a foreign page may with our cookies."""

    def __repr__(self) -> str:
        return f"Presented({self.request!r})"

    @once
    def trust(self) -> Trust:
        """What the browser attests about where the request comes from."""
        return csrf.verdict(self.request, self.settings)

    @property
    def access_tokens(self) -> Tokens:
        """The access tokens that count: a header counts before cookies."""
        if self.authorization_lines and (token := self.access_header):
            return Transport.HEADER, (token,)
        lines, name = self.cookie_lines, self.settings.access_cookie_name
        if len(lines) == 1 and len(lines[0]) <= _LINE_REMEMBERED:
            return Transport.COOKIE, _remembered(lines[0], name)
        return Transport.COOKIE, _tokens(lines, name)

    @once
    def refresh_request(self) -> RefreshRequest:
        """All that a refresh is decided by."""
        token = self._refresh_header or self._refresh_body
        return RefreshRequest(
            via=Transport.COOKIE if token is None else Transport.HEADER,
            tokens=self._refresh_cookies or self._older_refresh if token is None else (token,),
            is_in_body=token is not None and self._refresh_header is None,
            access=self.all_access,
            trust=self.trust,
            anti_csrf=self.anti_csrf,
            attempt_key=self.attempt_key,
        )

    @property
    def access_header(self) -> str | None:
        """The access token in ``Authorization``, ``None`` if there is none of ours."""
        return bearer.read_access(self.authorization_lines) if self.authorization_lines else None

    @once
    def authorization(self) -> tuple[str, ...]:
        """The token of ours in ``Authorization``, whichever of the two it is."""
        token = self.access_header or self._refresh_header
        return () if token is None else (token,)

    @once
    def access_cookies(self) -> tuple[str, ...]:
        """The access tokens that the cookies offer, whatever the headers do; also those of an older name."""
        return _tokens(self.cookie_lines, self.settings.access_cookie_name) + self._older_access

    @property
    def all_access(self) -> tuple[str, ...]:
        """The access tokens that the client holds, by either transport."""
        return self.access_cookies if self.access_header is None else (self.access_header, *self.access_cookies)

    @property
    def has_access(self) -> bool:
        """Whether the client is somebody: by an access token, or a cookie of an older name that a refresh exchanges."""
        return bool(self.access_tokens[1] or self._older_access)

    @property
    def anti_csrf(self) -> str | None:
        """The anti-CSRF token that the page sent along."""
        return self.request.header(transport.ANTI_CSRF) or None

    @property
    def attempt_key(self) -> str | None:
        """The attempt key that came along. One that came twice, or that cannot be one, counts as absent."""
        keys = self.request.all(transport.ATTEMPT)
        return keys[0] if len(keys) == 1 and attempt.is_key(keys[0]) else None

    def leftovers(self, kept: Transport) -> tuple[Transport, ...]:
        """Name the transport, other than ``kept``, by which the request presents tokens that may be deleted.

        Cookies stay where the request comes from a foreign page: it must not be able to sign anybody out.
        """
        if kept is Transport.COOKIE:
            return (Transport.HEADER,) if self.authorization else ()
        ours = self.access_cookies or self._refresh_cookies or self._older_refresh
        if ours and self.trust is not csrf.Trust.HOSTILE:
            return (Transport.COOKIE,)
        return ()

    @once
    def _refresh_header(self) -> str | None:
        return bearer.read_refresh(self.authorization_lines) if self.authorization_lines else None

    @property
    def _refresh_body(self) -> str | None:
        return bearer.read_body(self.request) if self.request.body else None

    @once
    def _refresh_cookies(self) -> tuple[str, ...]:
        return _tokens(self.cookie_lines, self.settings.refresh_cookie_name)

    @property
    def _older_access(self) -> tuple[str, ...]:
        """Cookies of a name that the access token no longer has. They open nothing: a refresh exchanges them."""
        older = self.settings.older_cookies
        if older is None or older.access_name == self.settings.access_cookie_name:
            return ()
        return _tokens(self.cookie_lines, older.access_name)

    @property
    def _older_refresh(self) -> tuple[str, ...]:
        older = self.settings.older_cookies
        if older is None or older.refresh_name == self.settings.refresh_cookie_name:
            return ()
        return _tokens(self.cookie_lines, older.refresh_name)


@lru_cache(maxsize=1024)
def _remembered(line: bytes, name: str) -> tuple[str, ...]:
    """Take a line apart once: a browser sends the same one until its next refresh. Refresh tokens come once anyway."""
    return _tokens([line], name)


def _tokens(cookie: list[bytes], name: str) -> tuple[str, ...]:
    found = cookies.values(cookie, name)
    return found if all(found) else tuple(filter(None, found))
