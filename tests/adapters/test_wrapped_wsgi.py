"""Any application of WSGI in a wrapper: when the sessions are opened, which errors are answered, and what is refused."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest

from reseal import Engine, Settings, StoreUnavailable, TryRefreshToken
from reseal._sync.stores.memory import MemoryStore
from reseal.testing import FaultyStore, ManualClock, Recorder
from reseal.wsgi import Reseal, respond
from tests.frameworks.site import API, HOUR, WEBSITE

SETTINGS = Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:")


@dataclass
class World:
    reseal: Reseal
    store: FaultyStore
    clock: ManualClock
    app: Any = None


@pytest.fixture
def world() -> Iterator[World]:
    clock = ManualClock()
    store = FaultyStore(MemoryStore(clock))
    engine = Engine(SETTINGS, store, clock=clock, on_event=Recorder())
    reseal = Reseal(SETTINGS, sessions=engine, clock=clock, on_event=Recorder())
    world = World(reseal, store, clock)

    def app(environ: Any, start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/login":
            reseal.create_new_session(environ, "alice")
        elif environ["PATH_INFO"] == "/me":
            reseal.get_session(environ, check_database=True)
        start("200 OK", [("content-type", "text/plain")])
        return [b"done"]

    world.app = reseal.wrap(app)
    yield world
    store.down = False
    reseal.close()


def client(app: Any) -> httpx.Client:
    return httpx.Client(transport=httpx.WSGITransport(app), base_url=API, headers={"origin": WEBSITE})


def call(app: Any, path: str = "/", **more: Any) -> tuple[str, list[bytes]]:
    """Call an application as a server does; gives the last status and the body."""
    told: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        told.append(status)

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "wsgi.errors": io.StringIO()}
    body = list(app(environ | more, start))
    return told[-1], body


class TestOpening:
    def test_the_first_of_many_requests_at_once_opens_the_sessions(self, world: World) -> None:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: client(world.app).post("/login").status_code, range(16)))
        assert found == [200] * 16
        assert world.store.calls["open"] == 1

    def test_while_the_sessions_cannot_be_opened_other_pages_are_served(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.store.down = True
        with client(world.app) as page:
            assert page.get("/open").text == "done"
            for answer in (page.post("/login"), page.post("/session/refresh"), page.get("/me")):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "the sessions cannot be opened" in caplog.text
            world.store.down = False
            assert page.post("/login").status_code == 200

    def test_closed_sessions_are_opened_by_the_next_request(self, world: World) -> None:
        with client(world.app) as page:
            assert page.post("/login").status_code == 200
            world.reseal.close()
            assert page.post("/login").status_code == 200
        assert world.store.calls["open"] == 2

    def test_the_locks_are_those_of_the_process_that_waits(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """As gevent's workers need, which are patched after the fork: a lock of before would stop all of a worker."""
        made: list[Any] = []
        original = threading.Lock

        def lock() -> Any:
            made.append(original())
            return made[-1]

        monkeypatch.setattr(threading, "Lock", lock)
        assert client(world.app).post("/login").status_code == 200
        assert len(made) == 3  # of the opening, of the keys, and of the clock of the store in memory


class TestResponses:
    def test_the_wrapper_keeps_to_the_rules_of_wsgi(self, world: World) -> None:
        inner = world.reseal.wrap(validator(world.app))

        def generator(environ: Any, start: Any) -> Iterator[bytes]:
            world.reseal.get_session(environ)
            start("200 OK", [("content-type", "text/plain")])
            yield b"one"

        with httpx.Client(transport=httpx.WSGITransport(validator(inner)), base_url=API) as page:
            page.headers["origin"] = WEBSITE
            assert page.post("/login").status_code == 200
            assert page.get("/me").text == "done"
            assert page.post("/session/refresh").status_code == 200
            assert page.get("/reseal-browser.js").status_code == 200
            assert page.head("/reseal-browser.js").content == b""
        wrapped = validator(world.reseal.wrap(generator))
        with httpx.Client(transport=httpx.WSGITransport(wrapped), base_url=API) as page:
            assert page.get("/").status_code == 401

    def test_an_error_before_the_first_part_of_a_body_is_answered(self, world: World) -> None:
        def early(environ: Any, start: Any) -> Iterator[bytes]:
            world.reseal.get_session(environ)
            yield b"never"

        def late(environ: Any, start: Any) -> Iterator[bytes]:
            start("200 OK", [])
            raise StoreUnavailable
            yield b"never"

        assert call(world.reseal.wrap(early))[0] == "401 Unauthorized"
        assert call(world.reseal.wrap(late))[0] == "503 Service Unavailable"

    def test_an_error_in_the_midst_of_a_body_is_the_server_s(self, world: World) -> None:
        def app(environ: Any, start: Any) -> Iterator[bytes]:
            start("200 OK", [])
            yield b"one"
            raise StoreUnavailable

        with pytest.raises(StoreUnavailable):
            call(world.reseal.wrap(app))

    def test_the_body_of_the_application_is_closed(self, world: World) -> None:
        class Body:
            closed = 0

            def __iter__(self) -> Iterator[bytes]:
                return iter([b"one", b"two"])

            def close(self) -> None:
                self.closed += 1

        body = Body()

        def app(environ: Any, start: Any) -> Iterable[bytes]:
            start("200 OK", [])
            return body

        parts = world.reseal.wrap(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
        assert b"".join(parts) == b"onetwo"
        parts.close()  # type: ignore[attr-defined]
        assert body.closed == 1

    def test_a_file_is_handed_to_the_server_as_it_is(self, world: World) -> None:
        class FileWrapper:
            def __init__(self, file: Any) -> None:
                self.file = file

            def __iter__(self) -> Iterator[bytes]:
                return iter(self.file)

        def app(environ: Any, start: Any) -> Iterable[bytes]:
            start("200 OK", [])
            return environ["wsgi.file_wrapper"](io.BytesIO(b"x"))  # type: ignore[no-any-return]

        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.file_wrapper": FileWrapper}
        assert type(world.reseal.wrap(app)(environ, lambda *_: None)) is FileWrapper

    def test_an_exception_is_answered_and_reported_only_where_cookies_would_be_lost(self, world: World) -> None:
        def app(environ: Any, start: Any) -> list[bytes]:
            if environ["PATH_INFO"] == "/login":
                world.reseal.create_new_session(environ, "alice")
            raise ValueError("a bug")

        errors = io.StringIO()
        wrapped = world.reseal.wrap(app)
        status, _ = call(wrapped, "/login", **{"wsgi.errors": errors})
        assert status == "500 Internal Server Error"
        assert "ValueError: a bug" in errors.getvalue()
        with pytest.raises(ValueError, match="a bug"):
            call(wrapped)

    def test_a_mount_of_the_framework_does_not_move_the_cookies(self, world: World) -> None:
        def app(environ: Any, start: Any) -> list[bytes]:
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/app/part", environ["PATH_INFO"].removeprefix("/part")
            if environ["PATH_INFO"] == "/page":
                return respond(start, world.reseal.refresh_first(environ))
            world.reseal.create_new_session(environ, "alice")
            start("200 OK", [])
            return []

        transport = httpx.WSGITransport(world.reseal.wrap(app), script_name="/app")
        with httpx.Client(transport=transport, base_url=API, headers={"origin": WEBSITE}) as page:
            cookies = page.post("/part/login").headers.get_list("set-cookie")
            assert [line for line in cookies if "Path=/app/session/refresh;" in line]
            assert "/app/session/refresh/continue?target=/app/part/page" in page.get("/part/page").text

    def test_an_answer_is_available_to_frameworks_that_keep_errors_to_themselves(self, world: World) -> None:
        def app(environ: Any, start: Any) -> list[bytes]:
            try:
                world.reseal.get_session(environ)
            except TryRefreshToken as error:
                return respond(start, world.reseal.answer(environ, error))
            start("200 OK", [])
            return []

        wrapped = world.reseal.wrap(app)
        with client(world.app) as page:
            page.post("/login")
            cookies = dict(page.cookies)
        world.clock.advance(HOUR)
        with client(wrapped) as page:
            answer = page.get("/", headers={"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})
        assert (answer.status_code, answer.json()) == (401, {"message": "try refresh token"})


class TestMistakes:
    def test_an_application_of_asgi(self, world: World) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            pass

        with pytest.raises(TypeError, match=r"^app is not an application of WSGI, .* use reseal\.asgi\.Reseal$"):
            world.reseal.wrap(app)  # type: ignore[arg-type]

    def test_wrapped_twice(self, world: World) -> None:
        with pytest.raises(TypeError, match=r"wrapped already: call reseal\.wrap\(app\) once"):
            world.reseal.wrap(world.app)

    def test_not_wrapped_or_asked_by_a_middleware_outside(self, world: World) -> None:
        with pytest.raises(RuntimeError, match=r"app = reseal\.wrap\(app\) after every other middleware"):
            world.reseal.get_session({"REQUEST_METHOD": "GET", "PATH_INFO": "/"})

    @pytest.mark.parametrize("request_", [{"type": "http"}, object(), None, "GET"])
    def test_a_request_of_another_kind(self, world: World, request_: Any) -> None:
        with pytest.raises(TypeError, match=r"is neither\. For an application of ASGI use reseal\.asgi\.Reseal"):
            world.reseal.get_session(request_)
