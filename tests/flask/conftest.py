from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.flask.site import Site

OpenSite = Callable[..., Site]


@pytest.fixture
def open_site() -> Iterator[OpenSite]:
    with ExitStack() as stack:

        def opened(**more: object) -> Site:
            site = Site(**more)
            stack.callback(_close, site)
            return site

        yield opened


@pytest.fixture
def site(open_site: OpenSite) -> Site:
    return open_site()


def _close(site: Site) -> None:
    with site.app.app_context():
        site.reseal.close()
