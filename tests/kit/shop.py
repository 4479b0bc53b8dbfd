"""Applications that the kit is tried on: with Reseal, and with refreshes made at home, good and bad."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette

from reseal.clock import Clock
from reseal.core.events import EventListener
from reseal.fastapi import Reseal, Session, Settings
from reseal.log import log_event
from reseal.testing import Site

ORIGIN = "https://shop.example.com"
SETTINGS = Settings(api_domain=ORIGIN, database_uri="memory:")
SITE = Site.of(SETTINGS)
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def fastapi_shop(
    clock: Clock | None = None, on_event: EventListener = log_event, **changes: Any
) -> tuple[Starlette, Reseal]:
    """A shop with sessions in memory, or with these settings."""
    given: dict[str, Any] = {"api_domain": ORIGIN, "database_uri": "memory:"}
    reseal = Reseal(Settings(**(given | changes)), clock=clock, on_event=on_event)
    app = FastAPI()
    reseal.install(app)

    @app.post("/login")
    async def login(request: Request, user: str = "alice") -> None:
        await reseal.create_new_session(request, user)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(reseal.session())]) -> str:
        return session.get_user_id()

    @app.post("/echo")
    async def echo(request: Request, session: Annotated[Session, Depends(reseal.session())]) -> str:
        return f"{session.get_user_id()}: {(await request.body()).decode()}"

    return app, reseal
