"""What the htmx page asks for: markup instead of JSON. The sessions are the same."""

import html
from string import Template
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from reseal.fastapi import Reseal, Session

from .posts import Posts

LONGEST_POST: Final = 280
_POST: Final = Template(
    '<li data-testid="post-item"><span class="avatar" aria-hidden="true">$initial</span><div>'
    '<div class="by"><b>$author</b><span class="soft small">$ago</span></div><p>$text</p></div></li>'
)


def install(app: FastAPI, reseal: Reseal, posts: Posts) -> None:
    """Add the routes that the markup names."""
    signed_in = Depends(reseal.session())

    @app.post("/htmx/login", status_code=204, dependencies=[Depends(reseal.require_own_origin)])
    async def login(user: str, request: Request) -> None:
        await reseal.create_new_session(request, user[:40])

    @app.get("/htmx/feed", dependencies=[signed_in])
    async def feed() -> HTMLResponse:
        return HTMLResponse(_list(posts))

    @app.post("/htmx/posts")
    async def write(session: Annotated[Session, signed_in], request: Request) -> HTMLResponse:
        [text] = parse_qs((await request.body()).decode()).get("text", [""])
        if not 0 < len(text) <= LONGEST_POST:
            raise HTTPException(422, f"A post has 1 to {LONGEST_POST} characters.")
        posts.write(session.get_user_id(), text)
        return HTMLResponse(_list(posts))


def _list(posts: Posts) -> str:
    return "\n".join(_POST.substitute(_escaped(post)) for post in posts.newest_first())


def _escaped(post: dict[str, Any]) -> dict[str, str]:
    shown = {**post, "initial": post["author"][0]}
    return {name: html.escape(str(value)) for name, value in shown.items()}
