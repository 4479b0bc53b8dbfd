"""The same feed with axios, htmx and React, in header mode and with a service worker: one page each.

Their scripts are built by npm from ``examples/pages``; without that build the pages say what is missing.
"""

import html
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

SOURCES: Final = Path(__file__).parents[1] / "pages"
DIST: Final = SOURCES / "dist"
TEMPLATES: Final = Path(__file__).parent / "templates"
NOT_BUILT: Final = "This page is not built. With Node.js 18.19 or newer and npm, ./run example builds it."


@dataclass(frozen=True)
class Page:
    title: str
    source: str
    """The script that the page shows."""
    content: str | None = "feed.html"
    """What is in it before a script runs."""
    trusted_types: bool = True
    """Whether the page keeps to the strictest policy: no text becomes markup or the address of a script."""


PAGES: Final = {
    "axios": Page("axios", "axios/main.js"),
    "htmx": Page("htmx", "htmx/main.js", content="htmx.html", trusted_types=False),
    "react": Page("React", "react/use-session.js", content=None),
    "header": Page("header mode", "header/main.js"),
    "worker": Page("service worker", "worker/main.js", trusted_types=False),
}


def install(app: FastAPI, policy: dict[str, str], dist: Path) -> None:
    """Add the pages, each at its name, and their scripts. ``policy``: the directives that each page keeps to."""
    app.mount("/pages", StaticFiles(directory=dist, check_dir=False), name="pages")

    def add(name: str, page: Page) -> None:
        async def show() -> Response:
            if not (dist / f"{name}.js").exists():
                return not_built()
            kept = {key: value for key, value in policy.items() if page.trusted_types or "trusted-types" not in key}
            headers = {"cache-control": "no-cache", "content-security-policy": policy_text(kept)}
            return HTMLResponse(_render(name, page), headers=headers)

        app.add_api_route(f"/{name}", show, include_in_schema=False)

    for name, page in PAGES.items():
        add(name, page)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        """Serve the page that is there without npm, with links to those that are built."""
        text = Template((TEMPLATES / "index.html").read_text("utf-8")).substitute(links=_links(dist))
        return HTMLResponse(text, headers={"cache-control": "no-cache"})

    @app.get("/session-worker.js", include_in_schema=False)
    async def session_worker() -> Response:
        """Serve the worker at the root: it may only serve pages below its own folder."""
        script = dist / "session-worker.js"
        return FileResponse(script, headers={"cache-control": "no-cache"}) if script.exists() else not_built()


def not_built() -> Response:
    return HTMLResponse(NOT_BUILT, 501)


def policy_text(policy: dict[str, str]) -> str:
    return "; ".join(f"{directive} {value}" for directive, value in policy.items())


def _links(dist: Path) -> str:
    built = [f'<a href="/{name}">{page.title}</a>' for name, page in PAGES.items() if (dist / f"{name}.js").exists()]
    return f'<nav class="small" aria-label="The same feed with">{" ".join(built)}</nav>' if built else ""


def _render(name: str, page: Page) -> str:
    links = (f'<a href="/{other}">{each.title}</a>' for other, each in PAGES.items() if other != name)
    return Template((TEMPLATES / "page.html").read_text("utf-8")).substitute(
        name=name,
        title=page.title,
        links="\n".join(links),
        content=(TEMPLATES / page.content).read_text("utf-8") if page.content else "",
        source_name=f"examples/pages/{page.source}",
        source=html.escape((SOURCES / page.source).read_text("utf-8")),
    )
