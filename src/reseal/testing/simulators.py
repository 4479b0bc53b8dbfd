"""Simulations of browsers and thieves against an application of one's own: any ASGI or WSGI application, any URL.

:func:`refresh_race` and :func:`lost_response` find out whether tabs, retries and lost responses keep users signed in,
:func:`theft` whether a copy of the cookies is noticed. None of them presumes Reseal: a :class:`~reseal.testing.Site`
says where the endpoints are. Each returns a :class:`~reseal.testing.Report`, whose ``str()`` is one sentence, and
raises ``SetUpError`` where the description does not fit. The same functions for async code begin with ``async_``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeAlias

from reseal.settings import Settings
from reseal.testing import scenarios
from reseal.testing.jar import CookieJar
from reseal.testing.needs import httpx
from reseal.testing.pages import Page, origin_of
from reseal.testing.reports import Outcome, Report
from reseal.testing.scenarios import Clock, Flow, T
from reseal.testing.site import Site, site_of
from reseal.testing.transports import Target, async_transport_to, transport_to

Described: TypeAlias = Site | Settings | None
_Scenario: TypeAlias = Callable[[Page], Flow[Outcome | None]]

_TABS: Final = 8


def refresh_race(target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None) -> Report:
    """Have the tabs of one browser refresh at once, in several orders."""
    return _Simulation(target, site, clock, tabs).run(_RACE, _races(tabs))


def lost_response(target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None) -> Report:
    """Lose responses to refreshes, and have the client ask again; after minutes as well if there is a ``clock``."""
    return _Simulation(target, site, clock, tabs).run(_LOSS, _losses(tabs, clock))


def honest_user(target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None) -> Report:
    """Run :func:`refresh_race` and :func:`lost_response`, and the sign-out if the site has one."""
    return _Simulation(target, site, clock, tabs).run(_ALL, _honest(site, tabs, clock))


def theft(target: Target, site: Described = None, *, clock: Clock | None = None) -> Report:
    """Have a thief with a copy of the cookies refresh before the user, after the user, and with an old token.

    Servers tolerate repeated uses for some time: without a ``clock`` to advance, no time passes between them.
    """
    return _Simulation(target, site, clock).run(_THIEF, _thefts(clock))


def assert_keeps_users_signed_in(
    target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None
) -> Report:
    """Run :func:`honest_user`. Raises ``AssertionError`` with what went wrong, in each scenario."""
    return honest_user(target, site, tabs=tabs, clock=clock).insist()


def assert_catches_thieves(target: Target, site: Described = None, *, clock: Clock | None = None) -> Report:
    """Run :func:`theft`. Raises ``AssertionError`` if a thief stays signed in."""
    return theft(target, site, clock=clock).insist()


async def async_refresh_race(
    target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None
) -> Report:
    """Do what :func:`refresh_race` does, in the running event loop."""
    return await _Simulation(target, site, clock, tabs).run_async(_RACE, _races(tabs))


async def async_lost_response(
    target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None
) -> Report:
    """Do what :func:`lost_response` does, in the running event loop."""
    return await _Simulation(target, site, clock, tabs).run_async(_LOSS, _losses(tabs, clock))


async def async_honest_user(
    target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None
) -> Report:
    """Do what :func:`honest_user` does, in the running event loop."""
    return await _Simulation(target, site, clock, tabs).run_async(_ALL, _honest(site, tabs, clock))


async def async_theft(target: Target, site: Described = None, *, clock: Clock | None = None) -> Report:
    """Do what :func:`theft` does, in the running event loop."""
    return await _Simulation(target, site, clock).run_async(_THIEF, _thefts(clock))


async def async_assert_keeps_users_signed_in(
    target: Target, site: Described = None, *, tabs: int = _TABS, clock: Clock | None = None
) -> Report:
    """Do what :func:`assert_keeps_users_signed_in` does, in the running event loop."""
    return (await async_honest_user(target, site, tabs=tabs, clock=clock)).insist()


async def async_assert_catches_thieves(target: Target, site: Described = None, *, clock: Clock | None = None) -> Report:
    """Do what :func:`assert_catches_thieves` does, in the running event loop."""
    return (await async_theft(target, site, clock=clock)).insist()


_RACE: Final = "Tabs that refresh at once keep users signed in"
_LOSS: Final = "Retries after lost responses keep users signed in"
_ALL: Final = "Tabs, retries and lost responses keep users signed in"
_THIEF: Final = "A thief with a copy of the cookies was signed out"


def _races(tabs: int) -> list[_Scenario]:
    several = scenarios.tabs_at_once, scenarios.answers_in_reverse, scenarios.refusals_last, scenarios.one_after_another
    return [*(partial(each, tabs=tabs) for each in several), scenarios.late_tab]


def _losses(tabs: int, clock: Clock | None) -> list[_Scenario]:
    late: list[_Scenario] = [] if clock is None else [partial(scenarios.lost_and_late, clock=clock)]
    for_tabs = partial(scenarios.lost_for_tabs, tabs=tabs)
    interrupted = scenarios.reload_during_refresh, scenarios.restored_cookies
    return [scenarios.lost_response, scenarios.lost_twice, for_tabs, *interrupted, *late]


def _honest(site: Described, tabs: int, clock: Clock | None) -> list[_Scenario]:
    leaving = site_of(site).sign_out
    out: list[_Scenario] = [] if leaving is None else [partial(scenarios.sign_out_during_refresh, sign_out=leaving)]
    return [*_races(tabs), *_losses(tabs, clock), *out]


def _thefts(clock: Clock | None) -> list[_Scenario]:
    several = scenarios.thief_first, scenarios.victim_first, scenarios.old_token
    return [partial(each, clock=clock) for each in several]


class _Simulation:
    """Sends the requests of scenarios, those of one step at once."""

    def __init__(self, target: Target, site: Described, clock: Clock | None, tabs: int = 1) -> None:
        self._target = target
        self._site = site_of(site)
        self._clock = clock
        self._most = max(tabs, 2)
        """So many requests are sent at once at most."""

    def run(self, praise: str, stories: Sequence[_Scenario]) -> Report:
        with (
            transport_to(self._target, raise_errors=False) as transport,
            ThreadPoolExecutor(self._most, "reseal.testing") as threads,
        ):

            def send(batch: Sequence[httpx.Request]) -> list[httpx.Response]:
                together = threading.Barrier(len(batch))
                return list(threads.map(partial(_sent, transport, together), batch))

            outcomes = [_driven(each(self._new_page()), send) for each in (_probed, *stories)]
        return _report(praise, outcomes)

    async def run_async(self, praise: str, stories: Sequence[_Scenario]) -> Report:
        async with async_transport_to(self._target, raise_errors=False) as transport:

            async def send(batch: Sequence[httpx.Request]) -> list[httpx.Response]:
                return await asyncio.gather(*(_sent_async(transport, each) for each in batch))

            outcomes = [await _driven_async(each(self._new_page()), send) for each in (_probed, *stories)]
        return _report(praise, outcomes)

    def _new_page(self) -> Page:
        return Page(self._site, origin_of(self._target, self._site), CookieJar(self._clock))


def _probed(page: Page) -> Flow[Outcome | None]:
    yield from scenarios.probe(page)
    return None


def _report(praise: str, outcomes: Sequence[Outcome | None]) -> Report:
    found = tuple(each for each in outcomes if each is not None)
    return Report(f"{praise} ({len(found)} scenarios)", found)


def _driven(flow: Flow[T], send: Callable[[Sequence[httpx.Request]], list[httpx.Response]]) -> T:
    try:
        batch = next(flow)
        while True:
            batch = flow.send(send(batch))
    except StopIteration as done:
        found: T = done.value
        return found


async def _driven_async(flow: Flow[T], send: Callable[[Sequence[httpx.Request]], Awaitable[list[httpx.Response]]]) -> T:
    try:
        batch = next(flow)
        while True:
            batch = flow.send(await send(batch))
    except StopIteration as done:
        found: T = done.value
        return found


def _sent(transport: httpx.BaseTransport, together: threading.Barrier, request: httpx.Request) -> httpx.Response:
    together.wait()
    response = transport.handle_request(request)
    response.request = request
    response.read()
    return response


async def _sent_async(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    response = await transport.handle_async_request(request)
    response.request = request
    await response.aread()
    return response
