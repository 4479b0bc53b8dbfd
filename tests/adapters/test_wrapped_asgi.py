"""Any application of ASGI in a wrapper: when the sessions are opened, which errors are answered, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from reseal import AsyncEngine, ConfigurationError, Settings, StoreUnavailable, TryRefreshToken
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.asgi import Reseal, Socket, respond
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from tests.frameworks.site import API, EVIL, WEBSITE

SETTINGS = Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:")
FROM_PAGE = {"origin": WEBSITE}


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await respond_text(send, "plain")


async def respond_text(send: Any, text: str) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})


def client(app: Any, **named: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, **named)
    return httpx.AsyncClient(transport=transport, base_url=API, headers=FROM_PAGE)


class Lifespan:
    """A server that starts and stops an application."""

    def __init__(self) -> None:
        self.events = iter(["startup", "shutdown"])
        self.told: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return {"type": f"lifespan.{next(self.events)}"}

    async def send(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    async def run(self, app: Any) -> list[str]:
        await app({"type": "lifespan", "state": {}}, self.receive, self.send)
        return [message["type"].removeprefix("lifespan.") for message in self.told]


class Store(AsyncFaultyStore):
    async def close(self) -> None:
        self.calls["close"] += 1
        await super().close()


@dataclass
class World:
    reseal: Reseal
    store: Store
    app: Any = None


@pytest.fixture
def world() -> World:
    clock = ManualClock()
    store = Store(AsyncMemoryStore(clock))
    engine = AsyncEngine(SETTINGS, store, clock=clock, on_event=Recorder())
    reseal = Reseal(SETTINGS, sessions=engine, clock=clock, on_event=Recorder())
    world = World(reseal, store)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/login":
            await reseal.create_new_session(scope, "alice")
        elif scope["path"] == "/me":
            await reseal.get_session(scope, check_database=True)
        await respond_text(send, "done")

    world.app = reseal.wrap(app)
    return world


class TestOpening:
    async def test_an_application_without_lifespan_is_started_and_stopped_all_the_same(self, world: World) -> None:
        async def asserting(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"

        async def ignoring(scope: Any, receive: Any, send: Any) -> None:
            return

        for app in (asserting, ignoring):
            assert await Lifespan().run(world.reseal.wrap(app)) == ["startup.complete", "shutdown.complete"]
        assert world.store.calls["open"] == world.store.calls["close"] == 2

    async def test_the_application_s_own_lifespan_runs_while_the_sessions_are_open(self, world: World) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            for event in ("startup", "shutdown"):
                await receive()
                await world.reseal.sessions.backend.create("alice")
                await send({"type": f"lifespan.{event}.complete"})

        assert await Lifespan().run(world.reseal.wrap(app)) == ["startup.complete", "shutdown.complete"]

    async def test_what_the_application_raises_at_its_start_is_not_hidden(self, world: World) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            raise ValueError("no such folder")

        with pytest.raises(ValueError, match="no such folder"):
            await Lifespan().run(world.reseal.wrap(app))
        assert world.store.calls["close"] == 1

    async def test_a_store_that_is_away_stops_the_start_and_says_so(self, world: World) -> None:
        world.store.down = True
        server = Lifespan()
        assert await server.run(world.app) == ["startup.failed"]
        assert server.told[0]["message"].startswith("Reseal cannot start: ")

    async def test_without_a_lifespan_the_first_request_opens_the_sessions(self, world: World) -> None:
        async with client(world.app) as page:
            assert (await page.post("/login")).status_code == 200
            assert (await page.get("/me")).text == "done"
        assert world.store.calls["open"] == 1
        await world.reseal.close()
        async with client(world.app) as page:
            assert (await page.post("/login")).status_code == 200
        assert world.store.calls["open"] == 2
        await world.reseal.close()

    async def test_while_the_sessions_cannot_be_opened_other_pages_are_served(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.store.down = True
        async with client(world.app) as page:
            assert (await page.get("/open")).text == "done"
            for answer in (await page.post("/login"), await page.post("/session/refresh"), await page.get("/me")):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "the sessions cannot be opened" in caplog.text
            world.store.down = False
            assert (await page.post("/login")).status_code == 200
        await world.reseal.close()

    async def test_a_database_that_cannot_be_used_is_no_answer_of_the_session(self, tmp_path: Any) -> None:
        settings = Settings(api_domain=API, database_uri=f"sqlite:///{tmp_path}/none/sessions.db")
        reseal = Reseal(settings)
        server = Lifespan()
        assert await server.run(reseal.wrap(nothing)) == ["startup.failed"]
        assert "none" in server.told[0]["message"]
        with pytest.raises(ConfigurationError):
            await reseal.open()


class TestErrors:
    async def test_an_error_after_the_response_has_begun_is_the_server_s(self, world: World) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise StoreUnavailable

        with pytest.raises(StoreUnavailable):
            async with client(world.reseal.wrap(app)) as page:
                await page.get("/")
        await world.reseal.close()

    async def test_an_exception_is_passed_on_behind_its_answer_and_alone_where_no_session_was_used(
        self, world: World
    ) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/login":
                await world.reseal.create_new_session(scope, "alice")
            raise ValueError("a bug")

        wrapped = world.reseal.wrap(app)
        for path in ("/login", "/"):
            with pytest.raises(ValueError, match="a bug"):
                async with client(wrapped) as page:
                    await page.post(path)
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        for path in ("/login", "/"):
            scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"origin", API.encode())]}
            with pytest.raises(ValueError, match="a bug"):
                await wrapped(scope, None, send)
        assert [message["status"] for message in sent if "status" in message] == [500]
        assert len([name for name, _ in sent[0]["headers"] if name == b"set-cookie"]) == 2
        await world.reseal.close()

    async def test_an_answer_is_available_to_frameworks_that_keep_errors_to_themselves(self, world: World) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await world.reseal.get_session(scope)
            except TryRefreshToken as error:
                await respond(send, world.reseal.answer(scope, error))

        async with client(world.reseal.wrap(app)) as page:
            answer = await page.get("/", headers={"cookie": "__Host-sAccessToken=x"})
        assert (answer.status_code, answer.json()) == (401, {"message": "try refresh token"})
        await world.reseal.close()


class TestMistakes:
    def test_an_application_of_wsgi(self, world: World) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            return []

        with pytest.raises(TypeError, match=r"^app is not an application of ASGI, .* use reseal\.wsgi\.Reseal$"):
            world.reseal.wrap(app)

    def test_something_that_is_no_application(self, world: World) -> None:
        for thing in (object(), None, lambda: None):
            with pytest.raises(TypeError, match="is not an application of ASGI, but something else"):
                world.reseal.wrap(thing)  # type: ignore[arg-type]

    def test_wrapped_twice(self, world: World) -> None:
        with pytest.raises(TypeError, match=r"wrapped already: call reseal\.wrap\(app\) once"):
            world.reseal.wrap(world.reseal.wrap(nothing))

    async def test_not_wrapped_or_asked_by_a_middleware_outside(self, world: World) -> None:
        async def outside(scope: Any, receive: Any, send: Any) -> None:
            await world.reseal.get_session(scope)

        with pytest.raises(RuntimeError, match=r"app = reseal\.wrap\(app\) after every other middleware"):
            async with client(outside) as page:
                await page.get("/")

    @pytest.mark.parametrize("request_", [{"REQUEST_METHOD": "GET"}, object(), None, "GET"])
    async def test_a_request_of_another_kind(self, world: World, request_: Any) -> None:
        with pytest.raises(TypeError, match=r"is neither\. For an application of WSGI use reseal\.wsgi\.Reseal"):
            await world.reseal.get_session(request_)

    def test_a_call_that_is_not_awaited(self, world: World) -> None:
        with pytest.raises(RuntimeError, match="has to be awaited"):
            world.reseal.get_session({"type": "http"})


class TestSockets:
    async def converse(self, world: World, headers: dict[str, str], *, denial: bool) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        received = iter(
            [
                {"type": "websocket.connect"},
                {"type": "websocket.receive", "text": "hello"},
                {"type": "websocket.disconnect"},
            ]
        )

        async def receive() -> Any:
            return next(received)

        async def send(message: Any) -> None:
            sent.append(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async with world.reseal.guard(scope, Socket(receive, send)) as session:
                await send({"type": "websocket.send", "text": session.get_user_id()})
                while (message := await receive())["type"] == "websocket.receive":
                    await send({"type": "websocket.send", "text": message["text"]})

        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "path": "/live", "headers": lines, "query_string": b""}
        scope["extensions"] = {"websocket.http.response": {}} if denial else {}
        await world.reseal.wrap(app)(scope, receive, send)
        return sent

    async def test_it_is_open_for_a_session_and_refused_to_anybody_else(self, world: World) -> None:
        async with client(world.app) as page:
            cookie = (await page.post("/login")).headers.get_list("set-cookie")[0].partition(";")[0]
        sent = await self.converse(world, {"cookie": cookie, "origin": WEBSITE}, denial=True)
        assert [message["type"].removeprefix("websocket.") for message in sent] == ["accept", "send", "send"]
        assert [message.get("text") for message in sent] == [None, "alice", "hello"]
        foreign = await self.converse(world, {"cookie": cookie, "origin": EVIL}, denial=True)
        assert foreign[0]["status"] == 403
        stranger = await self.converse(world, {"origin": WEBSITE}, denial=True)
        assert (stranger[0]["type"], stranger[0]["status"]) == ("websocket.http.response.start", 401)
        expired = await self.converse(world, {"origin": WEBSITE, "cookie": "__Host-sAccessToken=x"}, denial=True)
        assert b"try refresh token" in expired[1]["body"]
        assert await self.converse(world, {"origin": WEBSITE}, denial=False) == [{"type": "websocket.close"}]
        await world.reseal.close()

    async def test_a_silent_store_is_no_refusal_of_the_visitor(self, world: World) -> None:
        world.store.down = True
        sent = await self.converse(world, {"origin": WEBSITE}, denial=True)
        assert sent[0]["status"] == 503


async def test_with_cors_our_pages_are_answered_and_others_are_not(world: World) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "x-own"}
    wrapped = world.reseal.wrap(nothing, cors=True, allow_headers=["X-Own"], expose_headers=["X-Told"])
    async with client(wrapped) as page:
        ours = await page.options("/", headers=preflight)
        assert ours.headers["access-control-allow-origin"] == WEBSITE
        assert ours.headers["access-control-allow-headers"].endswith(", X-Own")
        assert (await page.get("/")).headers["access-control-expose-headers"].endswith(", X-Told")
        foreign = await page.get("/", headers={"origin": EVIL})
    assert not [name for name in foreign.headers if name.startswith("access-control-")]
    assert foreign.headers["vary"] == "Origin"
    await world.reseal.close()
