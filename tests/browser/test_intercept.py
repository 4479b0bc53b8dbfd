"""Pages that never heard of the client: their own `fetch` and `XMLHttpRequest` carry the session."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext
from starlette.requests import Request
from starlette.responses import Response

from tests.browser.conftest import OpenPages
from tests.browser.site import FEED, NOTE, Pages, Site, Tab, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

INTERCEPT = """async () => {
  const { intercept } = await import("/sdk/reseal-intercept.js");
  window.stop = intercept(session);
}"""
SEND = """([method, path, { body, headers, upload, form, ...members }]) => new Promise((resolve) => {
  const xhr = (window.xhr = new XMLHttpRequest());
  const told = (window.xhrTold = []);
  const types = ["readystatechange", "loadstart", "progress", "load", "error", "abort", "timeout", "loadend"];
  for (const type of types) {
    xhr.addEventListener(type, () => told.push(type === "readystatechange" ? `state ${xhr.readyState}` : type));
    if (upload) xhr.upload.addEventListener(type, () => told.push(`upload ${type}`));
  }
  xhr.open(method, path);
  Object.assign(xhr, members);
  for (const [name, value] of Object.entries(headers ?? {})) xhr.setRequestHeader(name, value);
  xhr.onloadend = () => resolve({ status: xhr.status, response: xhr.response, told });
  if (form) {
    body = new FormData();
    body.set("note", new File([form], "note.txt"));
  }
  xhr.send(body);
})"""
UPLOADED = ["upload loadstart", "upload load", "upload loadend"]


async def send(tab: Tab, path: str = FEED, method: str = "GET", **options: Any) -> dict[str, Any]:
    """Send an XMLHttpRequest; gives its end and all that the page was told on the way."""
    return await tab.page.evaluate(SEND, [method, path, options])


def serve_sdk(site: Site | Pages) -> None:
    """Serve all files of the browser SDK."""

    async def file(request: Request) -> Response:
        script = files("reseal").joinpath("browser", request.path_params["name"]).read_bytes()
        return Response(script, media_type="text/javascript")

    site.line.app.router.add_route("/sdk/{name}", file)  # type: ignore[attr-defined]


async def intercepting(tab: Tab) -> Tab:
    await tab.page.evaluate(INTERCEPT)
    return tab


@pytest_asyncio.fixture(loop_scope="session")
async def expired(site: Site, tab: Tab) -> Tab:
    """A tab that intercepts, in which somebody is signed in whose access token has expired."""
    serve_sdk(site)
    await tab.sign_in()
    await intercepting(tab)
    site.expire()
    site.line.forget()
    return tab


async def test_an_expired_session_is_refreshed_and_the_page_is_told_what_it_is_told_without_it(
    site: Site, expired: Tab
) -> None:
    answer = await send(expired, headers={"x-own": "1"})
    assert (answer["status"], json.loads(answer["response"])["user"]) == (200, "alice")
    assert [each.path for each in site.line.passed] == [FEED, site.refresh_path, FEED]
    assert [each.header("x-own") for each in site.line.to(FEED)] == ["1", "1"]
    assert [each.header("rid") for each in site.line.to(FEED)] == ["anti-csrf"] * 2
    await expired.page.evaluate("stop()")
    assert answer["told"] == (await send(expired))["told"]


@pytest.mark.parametrize("options", [{"body": "käse"}, {"form": "käse"}], ids=["text", "form"])
async def test_a_body_is_sent_again_in_full_and_its_upload_is_told_once(
    site: Site, expired: Tab, options: dict[str, Any]
) -> None:
    answer = await send(expired, NOTE, "POST", upload=True, **options)
    assert answer["status"] == 200
    assert ["käse" in note for note in site.notes] == [True]
    refused, accepted = site.line.to(NOTE)
    assert len(accepted.body) > 0
    assert refused.header("content-type").split(";")[0] == accepted.header("content-type").split(";")[0]
    uploads = [each for each in answer["told"] if each.startswith("upload")]
    assert [each for each in uploads if each != "upload progress"] == UPLOADED
    assert "upload progress" in uploads


async def test_a_response_type_and_a_timeout_are_kept_for_the_repetition(expired: Tab) -> None:
    answer = await send(expired, responseType="json", timeout=20_000)
    assert answer["response"]["user"] == "alice"
    assert await expired.page.evaluate("xhr.timeout") == 20_000


async def test_requests_of_every_kind_at_once_share_one_refresh(site: Site, expired: Tab) -> None:
    script = f"({SEND})"
    answers = await expired.page.evaluate(
        f"([path]) => Promise.all([...Array(5)].flatMap(() => [{script}(['GET', path, {{}}]), fetch(path), call(path)]))",
        [FEED],
    )
    assert {answer.get("status", 200) for answer in answers} == {200}
    assert len(site.refreshes) == 1


async def test_when_the_session_has_ended_the_page_gets_its_first_answer_once(site: Site, expired: Tab) -> None:
    site.clock.advance(site.settings.idle_ms)
    answer = await send(expired)
    assert (answer["status"], json.loads(answer["response"])) == (401, {"message": "try refresh token"})
    assert answer["told"].count("load") == answer["told"].count("loadend") == 1
    assert len(site.refreshes) == 1
    assert (await expired.told())[-1] == "SESSION_EXPIRED refused"


async def test_a_refresh_that_fails_is_a_network_error_and_no_expiry(site: Site, expired: Tab) -> None:
    await expired.page.evaluate("Math.random = () => 0")
    site.line.answer(site.refresh_path, 503, times=6)
    answer = await send(expired)
    assert answer["status"] == 0
    assert answer["told"][-2:] == ["error", "loadend"]
    assert (await expired.told())[-1] == "REFRESH_FAILED"
    assert (await send(expired))["status"] == 200


async def test_an_api_that_refuses_for_ever_is_a_network_error_after_a_few_refreshes(site: Site, expired: Tab) -> None:
    answer = await send(expired, "/api/never")
    assert (answer["status"], answer["told"][-2:]) == (0, ["error", "loadend"])
    assert len(site.refreshes) == 3


async def test_a_page_that_aborts_while_a_refresh_is_under_way_hears_of_it_at_once(site: Site, expired: Tab) -> None:
    held = site.line.hold(site.refresh_path)
    await expired.page.evaluate(f"window.ended = ({SEND})(['GET', '{FEED}', {{}}]); 0")
    await held.arrived()
    await expired.page.evaluate("xhr.abort()")
    answer = await expired.page.evaluate("ended")
    assert (answer["status"], answer["told"][-2:]) == (0, ["abort", "loadend"])
    held.release()
    # Only then does a call go out with the new token; one before would be refused and join the refresh under way.
    await expired.hears("REFRESH_SESSION")
    assert (await send(expired))["status"] == 200
    assert len(site.line.to(FEED)) == 2


async def test_a_request_opened_anew_while_a_refresh_is_under_way_is_a_new_request(site: Site, expired: Tab) -> None:
    held = site.line.hold(site.refresh_path)
    await expired.page.evaluate(f"window.ended = ({SEND})(['GET', '{FEED}?first', {{}}]); 0")
    await held.arrived()
    await expired.page.evaluate(f"xhr.open('GET', '{FEED}?second'); xhr.send()")
    await site.line.until(lambda: len([each for each in site.line.to(FEED) if each.delivered]) == 2)
    held.release()
    assert (await expired.page.evaluate("ended"))["status"] == 200
    assert [each.query for each in site.line.to(FEED)] == ["first", "second", "second"]


async def test_a_synchronous_request_stays_as_it_is(site: Site, expired: Tab) -> None:
    script = (
        f"(() => {{ const x = new XMLHttpRequest(); x.open('GET', '{FEED}', false); x.send(); return x.status }})()"
    )
    assert await expired.page.evaluate(script) == 401
    assert site.refreshes == []
    assert site.line.to(FEED)[0].header("rid") is None


async def test_another_origin_sees_a_plain_request(site: Site, expired: Tab, open_pages: OpenPages) -> None:
    elsewhere = await open_pages(host="127.0.0.1")
    for options in ({}, {"body": "x"}):
        answer = await send(expired, f"{elsewhere.origin}/any", "POST" if options else "GET", **options)
        assert answer["status"] == 0  # no CORS there
    await expired.page.evaluate("(address) => fetch(address).catch(() => 0)", f"{elsewhere.origin}/any")
    assert [each.method for each in elsewhere.line.passed] == ["GET", "POST", "GET"]
    ours = {"rid", "st-auth-mode", "anti-csrf", "authorization", "access-control-request-headers"}
    assert not ours & {name for each in elsewhere.line.passed for name, _ in each.headers}


async def test_wrappers_of_others_see_every_request_and_stay_after_the_end(site: Site, tab: Tab) -> None:
    serve_sdk(site)
    await tab.sign_in()
    await tab.page.evaluate("""() => {
      window.seen = [];
      const { fetch } = window;
      window.fetch = (...given) => (seen.push("below"), fetch(...given));
      const { open } = XMLHttpRequest.prototype;
      XMLHttpRequest.prototype.open = function (...given) { seen.push("open"); return open.apply(this, given); };
    }""")
    await intercepting(tab)
    await tab.page.evaluate("""() => {
      const { fetch } = window;
      window.fetch = (...given) => (seen.push("above"), fetch(...given));
    }""")
    site.expire()
    assert await tab.page.evaluate(f"fetch('{FEED}').then((r) => r.status)") == 200
    site.expire()
    assert (await send(tab))["status"] == 200
    refresh = [
        "above",
        "below",
    ]  # The client's own request passes all of them, and ours without being made a second time.
    assert await tab.page.evaluate("seen") == ["above", "below", *refresh, "below", "open", *refresh, "open"]
    await tab.page.evaluate("stop(); seen.length = 0")
    site.expire()
    assert await tab.page.evaluate(f"fetch('{FEED}').then((r) => r.status)") == 401
    assert (await send(tab))["status"] == 401
    assert await tab.page.evaluate("seen") == ["above", "below", "open"]


async def test_intercepting_twice_is_intercepting_once_and_one_undoing_ends_it(site: Site, expired: Tab) -> None:
    again = """async () => {
      const { intercept } = await import("/sdk/reseal-intercept.js");
      const ours = [window.fetch, window.XMLHttpRequest];
      const isSame = intercept(session) === stop && window.fetch === ours[0] && window.XMLHttpRequest === ours[1];
      stop();
      stop();
      return [isSame, /native code/.test(window.fetch), new XMLHttpRequest().hasOwnProperty("open")];
    }"""
    assert await expired.page.evaluate(again) == [True, True, False]
    site.line.forget()
    assert (await send(expired))["status"] == 401


async def test_an_intercepted_request_is_still_an_xmlhttprequest(expired: Tab) -> None:
    script = """() => {
      class Own extends XMLHttpRequest { get own() { return 1; } }
      const xhr = new XMLHttpRequest();
      return [xhr instanceof XMLHttpRequest, XMLHttpRequest.DONE, new Own().own, XMLHttpRequest.name, String(xhr)];
    }"""
    assert await expired.page.evaluate(script) == [True, 4, 1, "XMLHttpRequest", "[object XMLHttpRequest]"]


async def test_misuse_fails_as_it_does_without_interception(expired: Tab) -> None:
    script = """() => {
      const names = [];
      const attempt = (misuse) => { try { misuse(new XMLHttpRequest()); names.push(null); } catch (e) { names.push(e.name); } };
      attempt((xhr) => xhr.send());
      attempt((xhr) => xhr.setRequestHeader("a", "b"));
      attempt((xhr) => { xhr.open("GET", "/api/feed"); xhr.send(); xhr.send(); });
      attempt((xhr) => { xhr.open("GET", "/api/feed"); xhr.send(); xhr.setRequestHeader("a", "b"); });
      attempt((xhr) => xhr.open("GET", "https://"));
      return names;
    }"""
    expected = ["InvalidStateError"] * 4 + ["SyntaxError"]
    assert await expired.page.evaluate(script) == expected
    await expired.page.evaluate("stop()")
    assert await expired.page.evaluate(script) == expected


async def test_a_sign_in_by_xmlhttprequest_is_known_before_its_load_event(site: Site, context: BrowserContext) -> None:
    serve_sdk(site)
    tab = await intercepting(await open_tab(context, site))
    script = """() => new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.open("POST", "/login");
      xhr.onload = () => resolve(session.getUserId());
      xhr.send(JSON.stringify({ user: "alice" }));
    })"""
    assert await tab.page.evaluate(script) == "alice"
    assert await tab.told() == ["SESSION_CREATED"]
