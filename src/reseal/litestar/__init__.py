"""Sessions for Litestar: one plugin, with dependencies, guards, middleware and routes.

::

    reseal = Reseal(Settings(api_domain="https://api.example.com"))


    @get("/getHomeFeed")
    async def feed(session: Injected[Session]) -> list[str]:
        return [f"Welcome, {session.get_user_id()}"]


    app = Litestar([feed], plugins=[reseal])

What a session has to tell the browser leaves with whatever response the request ends in, so the calls take no
response: one that a handler returns, streams or replaces would lose its cookies.
"""

from __future__ import annotations

try:
    import litestar as _litestar  # noqa: F401 - the others need it
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs litestar: pip install "reseal[litestar]" ({_error})') from None

from reseal._async.session import AsyncSession as Session
from reseal._sync.session import Session as SyncSession
from reseal.litestar.demands import Injected, SessionGuard, session_guard
from reseal.litestar.plugin import Reseal, cors_config
from reseal.settings import Settings

__all__ = ["Injected", "Reseal", "Session", "SessionGuard", "Settings", "SyncSession", "cors_config", "session_guard"]
