"""The calls for Quart and aiohttp as applications write them. Read by type checkers, and never run."""

from typing import Any, assert_type

from aiohttp import web
from quart import Quart, request

from reseal import AsyncSession, HasClaim, Settings
from reseal.aiohttp import Reseal as AiohttpReseal
from reseal.quart import Reseal as QuartReseal

settings = Settings(api_domain="https://api.example.com")

app = Quart(__name__)
sessions = QuartReseal(settings)
sessions.init_app(app)


@app.get("/feed")
async def feed() -> list[str]:
    session = await sessions.get_session(request, claims=[HasClaim("mfa")])
    assert_type(session, AsyncSession)
    return [session.get_user_id()]


site = web.Application()
aiohttp_sessions = AiohttpReseal(settings)
aiohttp_sessions.install(site)


async def home(asked: web.Request) -> web.Response:
    session = await aiohttp_sessions.get_session(asked, check_database=True)
    assert_type(session, AsyncSession)
    assert_type(await session.get_session_data(), dict[str, Any])
    return web.Response(text=session.get_user_id())


site.router.add_get("/", home)
