from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.scenarios.framework import FRAMEWORKS, Framework
from tests.scenarios.site import Site, running

OpenSite = Callable[..., Awaitable[Site]]

BOTH_WAYS = pytest.mark.parametrize("remote", [False, True], indirect=True, ids=["embedded", "remote"])
"""For what reaches the store."""


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> Framework:
    return FRAMEWORKS[request.param]


@pytest.fixture
def remote(request: pytest.FixtureRequest) -> bool:
    return bool(getattr(request, "param", False))


@pytest.fixture
async def open_site(framework: Framework, remote: bool) -> AsyncIterator[OpenSite]:
    """Run the framework's application with settings of the test's choice, or under a prefix."""
    async with AsyncExitStack() as stack:

        async def opened(**given: Any) -> Site:
            return await stack.enter_async_context(running(framework, remote=remote, **given))

        yield opened


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site()
