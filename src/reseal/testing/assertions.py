"""Assertions whose failures say what happened to the session."""

from __future__ import annotations

from typing import Any, Final

from reseal.core.events import Event, EventName
from reseal.testing.clients import cookies_of
from reseal.testing.jar import LARGEST
from reseal.testing.recorder import Recorder

_NOT_DONE: Final = 300
_SHOWN: Final = 200


def assert_signed_in(client: Any, path: str | None = None) -> Any:
    """Assert that a client gets a page that demands a session; returns the response.

    ``path`` is that page; for a :class:`Browser` it is the ``protected`` one of its site, unless another is named. The
    client is one of :func:`as_browser`, so that an expired access token is refreshed.
    """
    return _welcome(client, _place(client, path), _get(client, path))


def assert_signed_out(client: Any, path: str | None = None) -> Any:
    """Assert that a client is refused at a page that demands a session; returns the response."""
    return _refused(client, _place(client, path), _get(client, path))


def assert_refreshes(client: Any, path: str | None = None) -> Any:
    """Assert that the next request of a client refreshes its session, and is answered; returns the response.

    Advance the clock past the end of the access token first.
    """
    before = cookies_of(client)
    return _renewed(client, before, _place(client, path), _get(client, path))


async def async_assert_signed_in(client: Any, path: str | None = None) -> Any:
    """Do what :func:`assert_signed_in` does, with an async client."""
    return _welcome(client, _place(client, path), await _get(client, path))


async def async_assert_signed_out(client: Any, path: str | None = None) -> Any:
    """Do what :func:`assert_signed_out` does, with an async client."""
    return _refused(client, _place(client, path), await _get(client, path))


async def async_assert_refreshes(client: Any, path: str | None = None) -> Any:
    """Do what :func:`assert_refreshes` does, with an async client."""
    before = cookies_of(client)
    return _renewed(client, before, _place(client, path), await _get(client, path))


def assert_theft_detected(recorder: Recorder, user_id: str | None = None) -> Event:
    """Assert that a stolen refresh token was noticed, that of a user if one is named; returns the last such event."""
    thefts = [each for each in recorder.named(EventName.TOKEN_THEFT) if user_id in {None, each.user_id}]
    if not thefts:
        of_whom = "" if user_id is None else f" of {user_id!r}"
        raise AssertionError(f"no theft{of_whom} was detected; events so far: {_listed(recorder)}")
    return thefts[-1]


def assert_no_theft(recorder: Recorder) -> None:
    """Assert that nobody was taken for a thief."""
    thefts = recorder.named(EventName.TOKEN_THEFT)
    if thefts:
        whose = ", ".join(f"{each.user_id} ({each.reason})" for each in thefts)
        raise AssertionError(f"a theft was detected, of: {whose}; events so far: {_listed(recorder)}")


def assert_cookies_within(client: Any, limit: int = LARGEST, *, total: int | None = None) -> None:
    """Assert that each cookie of a client is small enough: name and value, in bytes; ``total`` is for all together.

    Browsers keep no cookie of more than 4096 bytes, and servers take 8 KiB of headers, many of them.
    """
    sizes = {name: len(name.encode()) + len(value.encode()) for name, value in cookies_of(client).items()}
    listed = ", ".join(f"{name} {size}" for name, size in sorted(sizes.items(), key=lambda each: -each[1]))
    dropped = getattr(getattr(client, "jar", None), "dropped", [])
    if dropped:
        raise AssertionError(f"the browser did not keep {'; '.join(dropped)}")
    if any(size > limit for size in sizes.values()):
        raise AssertionError(f"cookies are larger than {limit} bytes: {listed}")
    if total is not None and sum(sizes.values()) > total:
        raise AssertionError(f"all cookies together have {sum(sizes.values())} bytes, more than {total}: {listed}")


def _place(client: Any, path: str | None) -> tuple[str, str]:
    if path is not None:
        return "GET", path
    site = getattr(client, "site", None)
    if site is None:
        raise TypeError("name the page that demands a session: assert_signed_in(client, '/account')")
    return site.protected[0], site.protected[1]


def _get(client: Any, path: str | None) -> Any:
    method, place = _place(client, path)
    return client.get(place) if method == "GET" else client.request(method, place)


def _welcome(client: Any, place: tuple[str, str], response: Any) -> Any:
    if response.status_code >= _NOT_DONE:
        raise AssertionError(f"the client is not signed in: {_described(client, place, response)}")
    return response


def _refused(client: Any, place: tuple[str, str], response: Any) -> Any:
    if response.status_code < _NOT_DONE:
        raise AssertionError(f"the client is signed in: {_described(client, place, response)}")
    return response


def _renewed(client: Any, before: dict[str, str], place: tuple[str, str], response: Any) -> Any:
    after = cookies_of(_welcome(client, place, response) and client)
    if not any(before[name] != after.get(name) for name in before):
        raise AssertionError(
            f"the session was not refreshed: {_described(client, place, response)}; if its access token is still "
            "valid, advance the clock first"
        )
    return response


def _described(client: Any, place: tuple[str, str], response: Any) -> str:
    body = getattr(response, "content", None) or getattr(response, "data", b"")
    shown = " ".join(body.decode("utf-8", "replace").split())[:_SHOWN] if isinstance(body, bytes) else ""
    names = ", ".join(sorted(cookies_of(client))) or "none"
    return f"{place[0]} {place[1]} answered {response.status_code} ({shown or 'empty'}); cookies: {names}"


def _listed(recorder: Recorder) -> str:
    return ", ".join(each.name for each in recorder.all) or "none"
