"""One project for the tests of this folder that share a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from tests.browser.libraries.project import Project, new_project
from tests.browser.site import Site, opened_site


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's pages find their scripts."""
    return tmp_path_factory.mktemp("scripts")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_site(scripts: Path) -> AsyncIterator[Site]:
    """Serve one application for the whole module, with a page for each script: ``/with/NAME`` runs ``NAME.js``."""

    async def page(request: object) -> HTMLResponse:
        name = request.path_params["name"]  # type: ignore[attr-defined]
        script = f'<script type="module" src="/{name}.js"></script>'
        return HTMLResponse(f'<!doctype html><title>Page</title><link rel="icon" href="data:,"><body>{script}')

    async with opened_site() as site:
        app = site.line.app
        app.router.add_route("/with/{name}", page)  # type: ignore[attr-defined]
        app.mount("/", StaticFiles(directory=scripts))  # type: ignore[attr-defined]
        yield site
