"""Views of Django that know nothing of Reseal, under WSGI and under ASGI."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from io import BytesIO

import pytest
from asgiref.sync import async_to_sync
from django import VERSION as DJANGO
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIRequest
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from reseal.core.errors import InvalidInput, StoreUnavailable
from reseal.core.ids import ANONYMOUS
from reseal.django import dropin, requests
from reseal.django.engine import SessionStore
from reseal.django.session_keys import handle_of, key_of
from tests.django.dropin import project

ACCESS, REFRESH = "__Host-sAccessToken", "__Secure-sRefreshToken"
OWN = {"origin": project.SITE, "sec-fetch-site": "same-origin"}
PAGE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "accept": "text/html"}
JSON = "application/json"
DEMANDING = ["django.contrib.auth.middleware.LoginRequiredMiddleware"] if DJANGO >= (5, 1) else []


class Browser:
    """A test client that forgets cookies as browsers do, and opens pages as they do."""

    def __init__(self, kind, **options):
        self.client = kind(**options)
        self._is_async = kind is AsyncClient

    def _send(self, method, path, *args, headers, **more):
        response = getattr(self.client, method)(path, *args, headers=headers, **more)
        if self._is_async:
            response = _awaited(response)
        for name in [name for name, each in self.client.cookies.items() if each["max-age"] == 0 or not each.value]:
            del self.client.cookies[name]
        return response

    def get(self, path, **headers):
        return self._send("get", path, headers=headers)

    def open(self, path):
        return self._send("get", path, headers=PAGE)

    def post(self, path, *args, **more):
        return self._send("post", path, *args, headers=more.pop("headers", OWN), **more)

    def put_data(self, path="/data", **data):
        return self.post(path, json.dumps(data), content_type=JSON)

    def sign_in(self, name="alice", path="/sign-in"):
        return self.post(path, {"username": name, "password": project.PASSWORD})

    def cookies(self):
        return {name: each.value for name, each in self.client.cookies.items()}

    @property
    def token(self):
        return self.cookies().get(ACCESS)


@async_to_sync
async def _awaited(response):
    return await response


@pytest.fixture(scope="module")
def users(tables):
    with override_settings(**project.SETTINGS), project.users("alice", "bob", is_staff=True, is_superuser=True):
        yield


@pytest.fixture(params=[Client, AsyncClient])
def kind(request):
    return request.param


@pytest.fixture
def make(reseal, users, kind):
    return lambda **options: Browser(kind, **options)


@pytest.fixture
def browser(make):
    return make()


def handles(reseal, name):
    user = get_user_model().objects.get(username=name)
    return reseal.sessions.get_all_session_handles_for_user(str(user.pk))


class TestSigningIn:
    @pytest.mark.parametrize("whoami", ["/whoami", "/awhoami"])
    @pytest.mark.parametrize("sign_in", ["/sign-in", "/asign-in"])
    def test_the_user_is_that_of_the_session(self, browser, reseal, sign_in, whoami):
        assert browser.open(whoami).content == b"nobody"
        assert browser.sign_in(path=sign_in).content == b"alice"
        assert set(browser.cookies()) >= {ACCESS, REFRESH}
        assert "sessionid" not in browser.cookies()
        assert browser.open(whoami).content == b"alice"
        assert len(handles(reseal, "alice")) == 1

    @pytest.mark.parametrize("sign_out", ["/sign-out", "/asign-out"])
    def test_signing_out_ends_the_session_and_clears_the_cookies(self, browser, reseal, sign_out):
        browser.sign_in()
        token = browser.token
        browser.post(sign_out)
        assert not {ACCESS, REFRESH} & set(browser.cookies())
        assert handles(reseal, "alice") == ()
        browser.client.cookies = SimpleCookie({ACCESS: token})
        assert browser.open("/whoami").content == b"nobody"

    def test_what_a_visitor_had_stays_at_sign_in_and_the_token_changes(self, browser, reseal):
        browser.put_data(cart=[1])
        before, key = browser.token, browser.get("/key").content.decode()
        assert reseal.sessions.backend.get(handle_of(key)).user_id == ANONYMOUS
        browser.sign_in()
        assert browser.token != before
        assert browser.open("/data").json() == {"cart": [1]}
        assert not reseal.sessions.backend.list_user(ANONYMOUS)

    def test_a_token_from_before_the_sign_in_opens_nothing(self, browser, make, reseal):
        browser.put_data(cart=[1])
        planted = make()
        planted.client.cookies = SimpleCookie(browser.cookies())  # a thief gave the victim his own anonymous session
        planted.sign_in()
        assert planted.open("/whoami").content == b"alice"
        assert browser.open("/whoami").content == b"nobody"
        assert browser.open("/data").json() == {}

    def test_another_user_starts_with_an_empty_session(self, browser, reseal):
        browser.sign_in()
        browser.put_data(secret="alice's")
        browser.sign_in("bob")
        assert browser.open("/whoami").content == b"bob"
        assert browser.open("/data").json() == {}
        assert handles(reseal, "alice") == ()

    def test_the_same_user_keeps_the_session(self, browser, reseal):
        browser.sign_in()
        browser.put_data(a=1)
        before = handles(reseal, "alice")
        browser.sign_in()
        assert handles(reseal, "alice") == before
        assert browser.open("/data").json() == {"a": 1}

    def test_a_new_password_ends_the_other_sessions(self, browser, make, reseal):
        other = make()
        browser.sign_in()
        other.sign_in()
        user = get_user_model().objects.get(username="alice")
        page = browser.open("/admin/password_change/").content.decode()
        assert "csrfmiddlewaretoken" in page
        new = {"new_password1": "a new long password", "new_password2": "a new long password"}
        answer = browser.post("/admin/password_change/", {"old_password": project.PASSWORD, **new})
        assert answer.status_code == 302
        assert browser.open("/whoami").content == b"alice"
        assert other.open("/whoami").content == b"nobody"
        assert len(handles(reseal, "alice")) == 1
        user.set_password(project.PASSWORD)
        user.save()

    def test_a_visitors_session_is_none_for_the_calls_of_reseal(self, browser, reseal):
        browser.put_data(cart=[1])
        assert browser.get("/session").json() == {"message": "unauthorised", "reason": "not_signed_in"}
        assert browser.get("/peek").content == b"Anonymous"
        assert browser.get("/rest").json() == {"user": None}
        assert browser.open("/data").json() == {"cart": [1]}
        browser.sign_in()
        assert browser.get("/session").content == str(get_user_model().objects.get(username="alice").pk).encode()
        assert browser.get("/peek").content == b"SignedIn"
        assert browser.get("/rest").json() == {"user": "alice"}

    def test_nobody_can_be_signed_in_as_a_visitor(self, reseal, users):
        request = RequestFactory().post("/")
        requests.begin(request)
        with pytest.raises(InvalidInput, match="not signed in"):
            reseal.create_new_session(request, ANONYMOUS)

    def test_a_page_that_demands_a_user_sends_visitors_to_the_sign_in(self, browser):
        assert browser.open("/private")["Location"] == "/accounts/login?next=/private"
        browser.sign_in()
        assert browser.open("/private").content == b"alice"

    def test_the_sessions_of_djangos_test_client(self, kind, reseal, users):
        client = kind()
        user = get_user_model().objects.get(username="alice")
        client.force_login(user)
        browser = Browser(kind)
        browser.client = client
        assert browser.open("/whoami").content == b"alice"
        session = client.session
        session["a"] = 1
        session.save()
        assert browser.open("/data").json() == {"a": 1}
        browser.sign_in("bob")
        assert browser.open("/whoami").content == b"bob"
        client.force_login(user)
        assert browser.open("/whoami").content == b"alice"
        browser.post("/sign-out")
        assert browser.open("/whoami").content != b"alice"

    def test_a_session_key_is_no_credential(self, browser, reseal):
        browser.sign_in()
        [handle] = handles(reseal, "alice")
        for shown in (handle, key_of(handle)):
            environ = {"REQUEST_METHOD": "GET", "wsgi.input": BytesIO(), "HTTP_COOKIE": f"sessionid={shown}"}
            request = WSGIRequest(environ)  # as any server makes it
            requests.begin(request)
            dropin.opened(request)
            assert request.session.session_key is None

    def test_a_session_key_counts_in_the_test_environment_only(self, browser, reseal):
        browser.sign_in()
        [handle] = handles(reseal, "alice")

        def key_of_a_request_made_here():
            request = RequestFactory(headers={"cookie": f"sessionid={key_of(handle)}"}).get("/whoami")
            requests.begin(request)
            dropin.opened(request)
            return request.session.handle

        assert key_of_a_request_made_here() == handle
        teardown_test_environment()
        try:
            assert key_of_a_request_made_here() is None
        finally:
            setup_test_environment()


class TestData:
    @pytest.mark.parametrize("view", ["/data", "/adata"])
    def test_it_lasts_from_request_to_request(self, browser, view):
        assert browser.put_data(view, a=1).json() == {"a": 1}
        assert browser.put_data(view, b=2).json() == {"a": 1, "b": 2}
        assert browser.open(view).json() == {"a": 1, "b": 2}

    def test_a_page_without_a_session_stays_cacheable(self, browser):
        response = browser.open("/public")
        assert "Cache-Control" not in response
        assert "Vary" not in response
        browser.sign_in()
        response = browser.open("/public")
        assert "Cache-Control" not in response
        assert not response.cookies

    def test_a_page_that_reads_the_session_is_not_cached(self, browser):
        response = browser.open("/whoami")
        assert "Cookie" in response["Vary"]
        assert response["Cache-Control"] == "no-store"
        assert not response.cookies

    def test_nothing_is_saved_by_a_failed_request(self, make, reseal):
        browser = make(raise_request_exception=False)
        response = browser.post("/data", "no JSON", content_type=JSON)
        assert response.status_code == 500
        assert not response.cookies

    def test_messages_are_shown_once(self, browser):
        browser.post("/note", {"note": "hello"})
        assert b"Saved." not in browser.open("/note").content

    def test_a_key_that_is_made_by_hand_is_the_one_that_counts(self, browser):
        key = browser.get("/key").content
        assert browser.get("/key").content == key != b"None"

    def test_csrf_tokens_in_the_session(self, make, reseal, settings_with):
        with settings_with(CSRF_USE_SESSIONS=True, CSRF_TRUSTED_ORIGINS=[project.SITE]):
            browser = make(enforce_csrf_checks=True)
            page = browser.open("/note").content.decode()
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
            sent = {"note": "hello", "csrfmiddlewaretoken": token}
            assert browser.post("/note", sent).status_code == 200
            assert browser.post("/note", {"note": "hello"}).status_code == 403

    def test_two_requests_at_once(self, browser, make, reseal):
        browser.put_data(a=0)
        cookies = browser.cookies()

        def put(number):
            other = make()
            other.client.cookies = SimpleCookie(cookies)
            return other.put_data(**{f"k{number}": number}).status_code

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(put, range(12))) == {200}
        assert browser.open("/data").json() == {"a": 0} | {f"k{n}": n for n in range(12)}

    def test_a_session_that_ends_while_it_is_changed(self, make, reseal, monkeypatch):
        browser = make(raise_request_exception=False)
        browser.sign_in()
        update = reseal.sessions.backend.inner.update

        def ended_before(handle, **changes):
            reseal.sessions.revoke_session_using_session_handle(handle)
            return update(handle, **changes)

        monkeypatch.setattr(reseal.sessions.backend.inner, "update", ended_before)
        assert browser.put_data(a=1).status_code == 400


class TestBrowserClose:
    def ends(self, response):
        return {name: bool(each["max-age"]) for name, each in response.cookies.items() if name in {ACCESS, REFRESH}}

    def test_cookies_have_no_end_if_the_site_wants_that(self, make, reseal, settings_with):
        with settings_with(SESSION_EXPIRE_AT_BROWSER_CLOSE=True):
            browser = make()
            assert self.ends(browser.sign_in()) == {ACCESS: False, REFRESH: False}
            assert self.ends(browser.post("/session/refresh")) == {ACCESS: False, REFRESH: False}

    def test_a_session_can_want_it(self, browser):
        assert self.ends(browser.sign_in()) == {ACCESS: True, REFRESH: True}
        assert self.ends(browser.put_data(_session_expiry=0)) == {ACCESS: False}
        assert self.ends(browser.post("/session/refresh")) == {ACCESS: False, REFRESH: False}
        assert self.ends(browser.put_data(_session_expiry=None)) == {ACCESS: True}
        assert self.ends(browser.post("/session/refresh")) == {ACCESS: True, REFRESH: True}

    def test_a_session_can_want_it_after_its_key_was_read(self, browser):
        signed_in = browser.post("/sign-in?remember=", {"username": "alice", "password": project.PASSWORD})
        assert self.ends(signed_in) == {ACCESS: False, REFRESH: False}
        assert self.ends(browser.post("/session/refresh")) == {ACCESS: False, REFRESH: False}
        assert browser.open("/whoami").content == b"alice"


class TestPastTheAccessToken:
    @pytest.fixture(autouse=True)
    def expired(self, browser, clock, reseal):
        browser.sign_in()
        browser.put_data(a=1)
        clock.advance(reseal.settings.access_token_ms)

    def test_a_page_refreshes_first(self, browser):
        page = browser.open("/data?x=1")
        action = re.search(r'action="([^"]+)"', page.content.decode())[1]
        back = browser.post(action)
        assert (back.status_code, back["Location"]) == (303, "/data?x=1")
        assert browser.open(back["Location"]).json() == {"a": 1}

    def test_a_form_is_sent_again(self, browser):
        sent = {"note": "a long text"}
        project.NOTES.clear()
        away = browser.post("/note", sent, headers=OWN | PAGE)
        assert (away.status_code, away["Location"]) == (307, "/session/refresh/repeat?target=/note")
        back = browser.post(away["Location"], sent, headers=OWN | PAGE)
        assert (back.status_code, back["Location"]) == (307, "/note")
        assert project.NOTES == []
        assert b"alice" in browser.post(back["Location"], sent, headers=OWN | PAGE).content
        assert project.NOTES == ["a long text"]

    def test_so_is_the_post_of_a_script_without_the_sdk(self, browser):
        assert browser.put_data(b=1).status_code == 307

    def test_the_sdk_is_told_to_refresh(self, browser):
        response = browser.post("/data", "{}", content_type=JSON, headers=OWN | {"rid": "session"})
        assert (response.status_code, response.json()) == (401, {"message": "try refresh token"})
        assert browser.get("/data", **OWN).json() == {"message": "try refresh token"}
        assert browser.cookies()[ACCESS]
        assert browser.post("/session/refresh").status_code == 200
        assert browser.get("/data", **OWN).json() == {"a": 1}

    def test_a_script_can_call_what_needs_no_session(self, browser):
        assert browser.get("/public", **OWN).content == b"public"

    def test_a_foreign_page_is_not_repeated(self, browser):
        foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        response = browser.post("/data", "{}", content_type=JSON, headers=foreign)
        assert response.status_code == 401

    @pytest.mark.parametrize("path", ["/whoami", "/public"])
    def test_a_session_that_has_ended_is_not_refreshed(self, browser, reseal, path):
        reseal.sessions.revoke_multiple_sessions(handles(reseal, "alice"))
        assert browser.open(path).content in {b"nobody", b"public"}
        assert ACCESS not in browser.cookies()

    def test_a_session_that_ends_before_the_refresh_is_none_after_it(self, browser, reseal):
        action = re.search(r'action="([^"]+)"', browser.open("/whoami").content.decode())[1]
        reseal.sessions.revoke_multiple_sessions(handles(reseal, "alice"))
        assert browser.open(browser.post(action)["Location"]).content == b"nobody"
        assert not {ACCESS, REFRESH} & set(browser.cookies())

    def test_a_form_of_a_session_that_ends_before_the_refresh_arrives_as_a_visitors(self, browser, reseal):
        sent = {"username": "bob", "password": project.PASSWORD}
        away = browser.post("/sign-in", sent)
        reseal.sessions.revoke_multiple_sessions(handles(reseal, "alice"))
        back = browser.post(away["Location"], sent)
        assert browser.post(back["Location"], sent).content == b"bob"

    def test_a_browser_that_lost_the_answer_of_its_sign_in_can_sign_in_again(self, browser, make, clock, reseal):
        visitor, lost = make(), make()
        visitor.put_data(cart=[1])
        lost.client.cookies = SimpleCookie(visitor.cookies())
        visitor.sign_in()  # the answer never arrives
        clock.advance(reseal.settings.access_token_ms)
        assert lost.open("/whoami").content == b"nobody"
        assert lost.sign_in().content == b"alice"
        assert lost.open("/whoami").content == b"alice"

    def test_the_script_of_a_page_signs_out(self, browser, reseal):
        assert browser.post("/signout").json() == {"status": "OK"}
        assert handles(reseal, "alice") == ()


class TestMiddlewareThatUsesTheSession:
    @pytest.fixture(autouse=True)
    def tracked(self, reseal, settings_with):
        names = [*project.SETTINGS["MIDDLEWARE"], "tests.django.dropin.middleware.Tracker", *DEMANDING]
        with settings_with(MIDDLEWARE=names):
            yield

    def test_it_is_no_obstacle_to_a_refresh_or_a_sign_out(self, make, clock, reseal):
        browser = make()
        page = browser.open("/public")
        assert (page.status_code, page["Location"]) == (302, "/accounts/login/?next=/public") if DEMANDING else 200
        browser.sign_in()
        assert browser.put_data().json()["seen"] == 3
        clock.advance(reseal.settings.access_token_ms)
        assert browser.post("/session/refresh").status_code == 200
        assert browser.open("/data").json() == {"seen": 4, "name": "alice"}
        clock.advance(reseal.settings.access_token_ms)
        assert (
            browser.post(re.search(r'action="([^"]+)"', browser.open("/data").content.decode())[1]).status_code == 303
        )
        assert browser.open("/data").json() == {"seen": 5, "name": "alice"}
        assert browser.post("/signout").json() == {"status": "OK"}
        assert not {ACCESS, REFRESH} & set(browser.cookies())
        assert handles(reseal, "alice") == ()


class TestEnds:
    def test_an_ended_session_is_a_visitors_at_once(self, browser, reseal):
        browser.sign_in()
        reseal.sessions.revoke_multiple_sessions(handles(reseal, "alice"))
        response = browser.open("/whoami")
        assert response.content == b"nobody"
        assert response.cookies[ACCESS].value == ""

    def test_a_stolen_token_ends_the_session_of_both(self, make, reseal, clock):
        alice, thief = make(), make()
        alice.sign_in()
        thief.client.cookies = SimpleCookie(alice.cookies())
        assert alice.post("/session/refresh").status_code == 200
        assert alice.open("/whoami").content == b"alice"
        clock.advance(reseal.settings.access_token_ms)
        assert alice.post("/session/refresh").status_code == 200
        assert thief.post("/session/refresh").json() == {"message": "token theft detected"}
        assert alice.open("/whoami").content == b"nobody"

    def test_a_request_of_a_replaced_session_does_not_clear_the_cookies_of_the_new_one(self, browser, make, reseal):
        browser.put_data(a=1)
        late = make()
        late.client.cookies = SimpleCookie(browser.cookies())
        browser.sign_in()
        response = late.open("/whoami")
        assert response.content == b"nobody"
        assert ACCESS not in response.cookies


class TestReported:
    """What was reported of other session packages: docs/reports.md."""

    def test_a_long_request_keeps_what_shorter_ones_have_written(self, browser, make, reseal, monkeypatch):
        browser.put_data(activity=1)
        other = make()
        other.client.cookies = SimpleCookie(browser.cookies())
        save = SessionStore.save

        def late(store, must_create=False):
            monkeypatch.setattr(SessionStore, "save", save)
            assert other.put_data(activity=2).status_code == 200
            save(store, must_create)

        monkeypatch.setattr(SessionStore, "save", late)
        assert browser.put_data(report="ready").status_code == 200
        assert browser.open("/data").json() == {"activity": 2, "report": "ready"}

    def test_middleware_that_writes_after_the_sign_out_finds_a_visitors_session(self, make, reseal, settings_with):
        names = [*project.SETTINGS["MIDDLEWARE"], "tests.django.dropin.middleware.Afterwards"]
        with settings_with(MIDDLEWARE=names):
            browser = make()
            browser.sign_in()
            token = browser.token
            assert browser.post("/sign-out").status_code == 200
            assert browser.token not in {None, token}
            assert handles(reseal, "alice") == ()
            assert browser.open("/whoami").content == b"nobody"

    def test_writing_extends_no_session(self, browser, reseal, clock):
        browser.sign_in()
        [handle] = handles(reseal, "alice")
        ends = reseal.sessions.backend.get(handle).expires_at
        clock.advance(reseal.settings.access_token_ms // 2)
        browser.put_data(a=1)
        assert reseal.sessions.backend.get(handle).expires_at == ends


class TestStoreAway:
    @pytest.fixture(autouse=True)
    def signed_in(self, make, reseal, monkeypatch):
        browser = self.browser = make(raise_request_exception=False)
        browser.sign_in()

        def away(*_args, **_kwargs):
            raise StoreUnavailable

        def take_away(*calls):
            for call in calls:
                monkeypatch.setattr(reseal.sessions.backend.inner._store, call, away)

        self.take_away = take_away
        yield
        monkeypatch.undo()
        assert browser.open("/whoami").content == b"alice"

    @pytest.mark.parametrize("path", ["/whoami", "/awhoami", "/private", "/data", "/admin/"])
    def test_it_is_no_sign_out(self, path):
        self.take_away("get", "confirm")
        response = self.browser.open(path)
        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert not response.cookies

    def test_a_sign_out_that_cannot_be_recorded_says_so(self):
        self.take_away("end")
        assert self.browser.post("/sign-out").status_code == 503

    def test_data_that_cannot_be_written_is_not_acknowledged(self):
        self.take_away("replace")
        assert self.browser.put_data(a=1).status_code == 503

    def test_a_sign_in_that_cannot_be_recorded_keeps_what_was(self, make):
        visitor = make()
        visitor.put_data(cart=[1])
        self.take_away("insert")
        assert visitor.sign_in("bob").status_code == 503
        assert visitor.open("/data").json() == {"cart": [1]}
        assert visitor.open("/whoami").content == b"nobody"
