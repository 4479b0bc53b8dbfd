"""Who may enter: guards, dependencies and the authentication middleware."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from litestar import Controller, Litestar, Request, Router, get, post, route
from litestar.datastructures import State
from litestar.exceptions import ImproperlyConfiguredException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.static_files import create_static_files_router

from reseal import HasClaim
from reseal.litestar import Injected, Reseal, Session, SyncSession, session_guard
from tests.litestar.site import AnyRequest, Client, cookies, make, sessions, settings, visiting

ADMIN = session_guard(claims=[HasClaim("admin")])
LOCK = [{"sessionCookie": []}, {"sessionToken": []}]


@get("/open")
async def open_() -> str:
    return "open"


@get("/guarded", guards=[session_guard()])
async def guarded() -> str:
    return "guarded"


@get("/admin", guards=[ADMIN])
async def admin(session: Injected[Session]) -> str:
    return session.get_user_id()


class Account(Controller):
    path = "/account"
    guards: ClassVar[Any] = [session_guard(check_database=True)]

    @get("/")
    async def show(self, session: Injected[Session]) -> str:
        return session.get_user_id()


staff = Router("/staff", route_handlers=[open_], guards=[ADMIN])


async def current_user(session: Injected[Session]) -> dict[str, str]:
    return {"name": session.get_user_id().title()}


@get("/name", dependencies={"user": current_user})
async def name(user: Injected[dict[str, str]]) -> str:
    return user["name"]


@get("/visitor")
async def visitor(optional_session: Injected[Session | None]) -> str:
    return "stranger" if optional_session is None else optional_session.get_user_id()


def _sync(path: str, handler: Any) -> Any:
    return get(path, sync_to_thread=True)(handler)


def data(sync_session: Injected[SyncSession]) -> dict[str, Any]:
    return sync_session.change_session_data(lambda data: {**data, "seen": data.get("seen", 0) + 1})


def sync_visitor(optional_sync_session: Injected[SyncSession | None]) -> str:
    return "stranger" if optional_sync_session is None else str(optional_sync_session.get_session_data())


@pytest.fixture
def client() -> Any:
    app = make(
        open_, guarded, admin, Account, staff, name, visitor, _sync("/data", data), _sync("/sync-visitor", sync_visitor)
    )
    with visiting(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/guarded", "/admin", "/account", "/staff/open", "/name", "/me", "/data"])
def test_without_a_session_nobody_enters(client: Client, path: str) -> None:
    refused = client.get(path)
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorised", "reason": "no_token"})
    assert refused.headers["cache-control"] == "no-store"


def test_with_a_session_the_handler_gets_it(client: Client) -> None:
    client.post("/login")
    found = [client.get(path).text for path in ("/guarded", "/account", "/name", "/me", "/visitor", "/open")]
    assert found == ["guarded", "alice", "Alice", "alice", "alice", "open"]


def test_claims_are_demanded_of_one_who_is_signed_in(client: Client) -> None:
    client.post("/login")
    for path in ("/admin", "/staff/open"):
        refused = client.get(path)
        assert refused.status_code == 403
        assert refused.json()["claimValidationErrors"][0]["id"] == "admin"
    client.post("/login?admin=true")
    assert [client.get(path).status_code for path in ("/admin", "/staff/open")] == [200, 200]


def test_the_store_is_asked_where_that_is_demanded(client: Client) -> None:
    client.post("/login")
    with client.portal() as portal:
        portal.call(sessions(client.app).sessions.revoke_all_sessions_for_user, "alice")
    assert client.get("/me").status_code == 200
    refused = client.get("/account")
    assert (refused.status_code, refused.json()["reason"]) == (401, "user_revoked")


def test_a_visitor_may_be_a_stranger_but_not_one_whose_token_has_expired(client: Client) -> None:
    assert client.get("/visitor").text == "stranger"
    assert client.get("/sync-visitor").text == "stranger"
    assert client.get("/visitor").headers["cache-control"] == "no-store"
    client.cookies.set("__Host-sAccessToken", "gone", domain="api.example.com")
    assert client.get("/visitor").status_code == 401


def test_def_handlers_call_without_await(client: Client) -> None:
    client.post("/login")
    assert [client.get("/data").json() for _ in range(2)] == [{"seen": 1}, {"seen": 2}]
    assert client.get("/sync-visitor").text == "{'seen': 2}"


def test_a_guard_of_the_whole_application_leaves_the_ready_made_routes_open() -> None:
    with visiting(make(open_, guards=[session_guard()])) as client:
        assert client.get("/open").status_code == 401
        assert client.get("/.well-known/jwks.json").status_code == 200
        assert client.post("/session/refresh").json()["reason"] == "no_token"
        assert client.post("/login").status_code == 401  # it is the application's own to leave open


def test_preflights_pass_a_guard_and_the_applications_own_handlers_of_options_do_not() -> None:
    @route("/own", http_method=["OPTIONS"])
    async def own() -> str:
        return "own"

    with visiting(make(open_, own, guards=[session_guard()])) as client:
        assert client.options("/open").status_code == 204
        assert client.options("/own").status_code == 401


def test_demands_of_a_dependency_beside_a_guard_add_up() -> None:
    reseal = Reseal(settings())

    @post("/login")
    async def login(request: AnyRequest) -> None:
        await reseal.create_new_session(request, "alice")

    strict = {"session": reseal.session(claims=[HasClaim("admin")])}
    strict_sync = {"sync_session": reseal.sync_session(claims=[HasClaim("admin")])}

    @get("/both", guards=[session_guard()], dependencies=strict)
    async def both(session: Injected[Session]) -> str:
        return session.get_user_id()

    sync = get("/sync", guards=[session_guard()], dependencies=strict_sync, sync_to_thread=True)(data)
    with visiting(Litestar([login, both, sync], plugins=[reseal], logging_config=None)) as client:
        client.post("/login")
        assert [client.get(path).status_code for path in ("/both", "/sync")] == [403, 403]


async def find_user(session: Session, connection: Any) -> dict[str, str] | None:
    return {"name": session.get_user_id().title()} if session.get_user_id() != "nobody" else None


@get("/user")
async def user(request: Request[Any, Session, State]) -> list[str]:
    name = request.user if isinstance(request.user, str) else request.user["name"]
    return [name, request.auth.get_user_id()]


@get("/free", opt={"exclude_from_auth": True})
async def free() -> str:
    return "free"


@get("/public/{page:str}")
async def public(request: AnyRequest) -> str:
    return str(request.path_params["page"])


def authenticated(**options: Any) -> Litestar:
    reseal = Reseal(settings())

    @post("/login", opt={"exclude_from_auth": True})
    async def login(request: AnyRequest) -> None:
        await reseal.create_new_session(request, request.query_params.get("user_id", "alice"))

    middleware = reseal.authentication(exclude=["^/public", "^/schema"], **options)
    return Litestar([login, user, free, public], plugins=[reseal], middleware=[middleware], logging_config=None)


def test_the_middleware_demands_a_session_where_it_is_not_excluded() -> None:
    with visiting(authenticated(retrieve_user=find_user)) as client:
        assert client.get("/user").status_code == 401
        assert client.get("/free").text == "free"
        assert client.get("/public/page").text == "page"
        assert client.get("/schema/openapi.json").status_code == 200
        assert client.options("/user").status_code == 204
        client.post("/login")
        assert client.get("/user").json() == ["Alice", "alice"]
        assert client.post("/session/refresh").status_code == 200
        assert client.post("/signout").status_code == 200
        assert client.get("/user").status_code == 401


def test_a_user_who_no_longer_exists_is_refused_and_keeps_the_cookies() -> None:
    with visiting(authenticated(retrieve_user=find_user)) as client:
        client.post("/login?user_id=nobody")
        refused = client.get("/user")
        assert (refused.status_code, refused.json()["detail"]) == (403, "the user of this session does not exist")
        assert "set-cookie" not in refused.headers


def test_the_middleware_knows_the_user_by_the_id_unless_told_how_to_find_them() -> None:
    with visiting(authenticated()) as client:
        client.post("/login")
        assert client.get("/user").json() == ["alice", "alice"]


def test_the_middleware_demands_claims_and_goes_by_another_key_of_opt() -> None:
    @get("/outside", opt={"no_session": True})
    async def outside() -> str:
        return "outside"

    reseal = Reseal(settings())
    options = {"exclude_opt_key": "no_session", "claims": [HasClaim("admin")], "check_database": True}
    app = Litestar(
        [outside, free], plugins=[reseal], middleware=[reseal.authentication(**options)], logging_config=None
    )
    with visiting(app) as client:
        assert client.get("/outside").text == "outside"
        assert client.get("/free").status_code == 401
        assert client.post("/session/refresh").json()["reason"] == "no_token"


def test_the_middleware_may_stand_on_a_router() -> None:
    reseal = Reseal(settings())
    members = Router("/members", route_handlers=[user, free], middleware=[reseal.authentication()])
    with visiting(Litestar([members, open_], plugins=[reseal], logging_config=None)) as client:
        found = [client.get(path).status_code for path in ("/members/user", "/members/free", "/open")]
    assert found == [401, 200, 200]


def test_files_can_be_guarded(tmp_path: Any) -> None:
    (tmp_path / "report.txt").write_text("secret")
    files = create_static_files_router("/files", directories=[tmp_path], guards=[session_guard()])
    with visiting(make(files)) as client:
        assert client.get("/files/report.txt").status_code == 401
        client.post("/login")
        answer = client.get("/files/report.txt")
        assert (answer.text, answer.headers["cache-control"]) == ("secret", "no-store")


def test_the_api_page_shows_a_lock_on_what_demands_a_session(client: Client) -> None:
    page = client.get("/schema/openapi.json").json()
    locks = {path: item.get("get", item.get("post")).get("security") for path, item in page["paths"].items()}
    assert {path for path, lock in locks.items() if lock == LOCK} == {
        "/account",
        "/admin",
        "/data",
        "/guarded",
        "/me",
        "/name",
        "/staff/open",
    }
    unlocked = {path for path, lock in locks.items() if lock is None}
    assert {"/login", "/open", "/visitor", "/sync-visitor", "/session/refresh", "/signout"} <= unlocked
    assert not {"/.well-known/jwks.json", "/reseal-browser.js"} & set(locks)
    assert page["paths"]["/session/refresh"]["post"]["tags"] == ["session"]
    assert set(page["components"]["securitySchemes"]) == {"sessionCookie", "sessionToken"}


def test_security_schemes_of_the_application_stay_beside_ours() -> None:
    key = Components(security_schemes={"key": SecurityScheme(type="apiKey", name="x-key", security_scheme_in="header")})
    config = OpenAPIConfig("Shop", "1.0", components=key)
    with visiting(make(guarded, openapi_config=config)) as client:
        schemes = client.get("/schema/openapi.json").json()["components"]["securitySchemes"]
    assert set(schemes) == {"key", "sessionCookie", "sessionToken"}
    assert config.components is key
    assert make(openapi_config=None).openapi_config is None


def test_a_dependency_of_the_application_wins_over_one_of_the_same_name() -> None:
    async def own() -> str:
        return "a database session"

    @get("/own")
    async def shows(session: Injected[str]) -> str:
        return session

    reseal = Reseal(settings())
    app = Litestar([shows], plugins=[reseal], dependencies={"session": own}, logging_config=None)
    with visiting(app) as client:
        assert client.get("/own").text == "a database session"
        assert "security" not in client.get("/schema/openapi.json").json()["paths"]["/own"]["get"]


def test_what_is_forgotten_is_said_in_one_sentence() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"'session' for 'current_user'|'session'"):
        Litestar([admin], logging_config=None)
    failures: list[str] = []

    async def note(error: Exception, scope: Any) -> None:
        failures.append(str(error))

    elsewhere = Reseal(settings())

    @post("/login")
    async def login(request: AnyRequest) -> None:
        await elsewhere.create_new_session(request, "alice")

    missing = "sessions are not installed in this application: add plugins=[Reseal(settings)] to Litestar(…)"
    with visiting(Litestar([guarded, login], after_exception=[note], logging_config=None)) as client:
        assert client.get("/guarded").status_code == 500
        assert client.post("/login").status_code == 500
    assert failures == [missing, missing]


def test_async_calls_in_def_handlers_are_refused_in_one_sentence() -> None:
    failures: list[str] = []

    async def note(error: Exception, scope: Any) -> None:
        failures.append(str(error))

    reseal = Reseal(settings())

    @post("/sync-in-async")
    async def sync_in_async(request: AnyRequest) -> None:
        reseal.sync.create_new_session(request, "alice")

    def async_in_sync(request: AnyRequest) -> None:
        reseal.create_new_session(request, "alice")

    other = post("/async-in-sync", sync_to_thread=True)(async_in_sync)
    app = Litestar([sync_in_async, other], plugins=[reseal], after_exception=[note], logging_config=None)
    with visiting(app) as client:
        assert client.post("/sync-in-async").status_code == 500
        assert client.post("/async-in-sync").status_code == 500
    assert "in async code await the same call of reseal itself" in failures[0]
    assert "has to be awaited, and no event loop runs in this thread" in failures[1]


def test_the_test_client_needs_an_https_origin_for_secure_cookies(client: Client) -> None:
    client.post("/login")
    assert cookies(client).startswith("__Host-sAccessToken=")


def test_a_visitor_who_is_not_signed_in_is_nobody_unless_the_application_asks_for_visitors() -> None:
    @post("/visit")
    async def visit(request: AnyRequest) -> str:
        return (await sessions(app).create_anonymous_session(request)).get_handle()

    @get("/any")
    async def any_session(request: AnyRequest) -> bool:
        return (await sessions(app).get_any_session(request)).is_anonymous()

    @get("/public")
    async def public(optional_session: Injected[Session | None]) -> bool:
        return optional_session is None

    app = make(visit, any_session, public)
    with visiting(app) as client:
        assert client.post("/visit").status_code == 201
        assert client.get("/any").json() is client.get("/public").json() is True
        refused = client.get("/me")
        assert (refused.status_code, refused.json()) == (403, {"message": "unauthorised", "reason": "not_signed_in"})
        client.post("/login")
        assert client.get("/any").json() is client.get("/public").json() is False
