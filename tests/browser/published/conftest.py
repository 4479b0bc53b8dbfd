"""The pages of the published frontends, built once for all tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.published.frontends import VERSIONS, Frontend
from tests.browser.published.packages import bundled
from tests.browser.published.shop import opened_shop
from tests.browser.site import Site

OpenShop = Callable[..., Awaitable[Site]]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled(VERSIONS, tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def open_shop(stack: AsyncExitStack, bundles: Path) -> OpenShop:
    async def opened(frontend: Frontend, **given: Any) -> Site:
        """Open a shop set up for this frontend; pages of the others are there as well."""
        fitting = {"frontend_compatibility": frontend.older} | given
        return await stack.enter_async_context(opened_shop(bundles, **fitting))

    return opened
