from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from reseal import Settings
from tests.frameworks.apps import FRAMEWORKS, Framework
from tests.frameworks.site import API, WEBSITE, Pool, Site

OpenSite = Callable[..., Awaitable[Site]]
POOL = Pool()


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> Framework:
    return FRAMEWORKS[request.param]


EACH_STORE = pytest.mark.parametrize("database_uri", ["memory", "sqlite"], indirect=True)
"""For what depends on the store. What a browser is told does not."""


@pytest.fixture
def database_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    store = getattr(request, "param", "memory")
    return "memory:" if store == "memory" else f"sqlite:///{tmp_path}/sessions.db"


@pytest.fixture
async def open_site(framework: Framework, database_uri: str) -> AsyncIterator[OpenSite]:
    """Open sites with settings of the test's choice; all of one test share the file, if there is one."""
    async with AsyncExitStack() as stack:

        async def opened(*, clock: Any = None, **changes: Any) -> Site:
            given = {"api_domain": API, "website_domain": WEBSITE, "database_uri": database_uri}
            site, give_back = POOL.take(framework, Settings(**(given | changes)), clock)
            stack.callback(give_back)
            await stack.enter_async_context(site.app.router.lifespan_context(site.app))
            return site

        yield opened


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site()
