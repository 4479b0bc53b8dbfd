"""Tools for tests of applications with sessions.

* :class:`Browser` and :class:`AsyncBrowser` visit an application, or a server, as a browser with its pages does;
  :func:`as_browser` has a framework's own test client do so.
* :class:`ManualClock` and :class:`Recorder` replace time and the listener of security events.
* ``reseal.testing.suites`` has the tests that a new store, or anything else that offers sessions, has to pass.

The browsers need httpx, the suites pytest and Hypothesis; nothing else here does. A name is imported when it is first
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reseal.testing._async.faulty import AsyncFaultyStore
    from reseal.testing._sync.faulty import FaultyStore
    from reseal.testing.assertions import (
        assert_cookies_within,
        assert_no_theft,
        assert_refreshes,
        assert_signed_in,
        assert_signed_out,
        assert_theft_detected,
        async_assert_refreshes,
        async_assert_signed_in,
        async_assert_signed_out,
    )
    from reseal.testing.browsers import AsyncBrowser, Browser
    from reseal.testing.clients import as_browser
    from reseal.testing.clock import ManualClock
    from reseal.testing.jar import Cookie, CookieJar
    from reseal.testing.overrides import overridden
    from reseal.testing.recorder import Recorder
    from reseal.testing.reports import Outcome, Report
    from reseal.testing.scenarios import SetUpError
    from reseal.testing.signing_in import async_signed_in, signed_in
    from reseal.testing.simulators import (
        assert_catches_thieves,
        assert_keeps_users_signed_in,
        async_assert_catches_thieves,
        async_assert_keeps_users_signed_in,
        async_honest_user,
        async_lost_response,
        async_refresh_race,
        async_theft,
        honest_user,
        lost_response,
        refresh_race,
        theft,
    )
    from reseal.testing.site import BodyTokens, Site

__all__ = [
    "AsyncBrowser",
    "AsyncFaultyStore",
    "BodyTokens",
    "Browser",
    "Cookie",
    "CookieJar",
    "FaultyStore",
    "ManualClock",
    "Outcome",
    "Recorder",
    "Report",
    "SetUpError",
    "Site",
    "as_browser",
    "assert_catches_thieves",
    "assert_cookies_within",
    "assert_keeps_users_signed_in",
    "assert_no_theft",
    "assert_refreshes",
    "assert_signed_in",
    "assert_signed_out",
    "assert_theft_detected",
    "async_assert_catches_thieves",
    "async_assert_keeps_users_signed_in",
    "async_assert_refreshes",
    "async_assert_signed_in",
    "async_assert_signed_out",
    "async_honest_user",
    "async_lost_response",
    "async_refresh_race",
    "async_signed_in",
    "async_theft",
    "honest_user",
    "lost_response",
    "overridden",
    "refresh_race",
    "signed_in",
    "theft",
]

_HOMES: Final = {
    "_async.faulty": ("AsyncFaultyStore",),
    "_sync.faulty": ("FaultyStore",),
    "assertions": (
        "assert_cookies_within",
        "assert_no_theft",
        "assert_refreshes",
        "assert_signed_in",
        "assert_signed_out",
        "assert_theft_detected",
        "async_assert_refreshes",
        "async_assert_signed_in",
        "async_assert_signed_out",
    ),
    "browsers": (
        "AsyncBrowser",
        "Browser",
    ),
    "clients": ("as_browser",),
    "clock": ("ManualClock",),
    "jar": (
        "Cookie",
        "CookieJar",
    ),
    "overrides": ("overridden",),
    "recorder": ("Recorder",),
    "reports": (
        "Outcome",
        "Report",
    ),
    "scenarios": ("SetUpError",),
    "signing_in": (
        "async_signed_in",
        "signed_in",
    ),
    "simulators": (
        "assert_catches_thieves",
        "assert_keeps_users_signed_in",
        "async_assert_catches_thieves",
        "async_assert_keeps_users_signed_in",
        "async_honest_user",
        "async_lost_response",
        "async_refresh_race",
        "async_theft",
        "honest_user",
        "lost_response",
        "refresh_race",
        "theft",
    ),
    "site": (
        "BodyTokens",
        "Site",
    ),
}
_HOME: Final = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a type checker that saw it would believe in every name

    def __getattr__(name: str) -> object:
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
