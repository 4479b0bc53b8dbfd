"""What Chromium keeps, what it shows to scripts, and what it silently drops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from reseal import AccessTokenTooLarge
from reseal._async.engine import GROWTH
from tests.browser.conftest import OpenContext, OpenPages, OpenSite
from tests.browser.site import CHECKED, NOTE, TOKENS, Site, Tab, jar, open_tab, tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMIT = 4096
READABLE = """async () => {
    const databases = await indexedDB.databases();
    const caches_ = await caches.keys();
    return JSON.stringify({
        cookies: document.cookie,
        local: { ...localStorage },
        session: { ...sessionStorage },
        databases,
        caches_,
        addresses: performance.getEntries().map((entry) => entry.name),
        history: [location.href, document.referrer, history.state],
        page: document.documentElement.outerHTML,
        store: await cookieStore.getAll(),
        user: [session.getUserId(), session.getAccessTokenPayload()],
    });
}"""


def secret_parts(text: str) -> set[str]:
    """A token, and the parts of it that would be as good: signatures and secrets."""
    return {text} | {part for part in text.split(".") if len(part) >= 40}


# S54
@pytest.mark.parametrize("anti_csrf", [False, True])
async def test_no_token_is_within_reach_of_scripts_or_in_an_address_a_body_or_a_storage(
    open_site: OpenSite, open_context: OpenContext, anti_csrf: bool
) -> None:
    site = await open_site(enable_anti_csrf=anti_csrf)
    context = await open_context()
    tab = await open_tab(context, site, "/home")
    seen: set[str] = set()
    readable: list[str] = []

    async def look() -> None:
        held = await tokens(context)
        assert held.keys() == TOKENS
        seen.update(*(secret_parts(token) for token in held.values()))
        readable.append(await tab.page.evaluate(READABLE))

    await tab.sign_in(payload={"role": "editor"})
    await look()
    for _ in range(2):
        site.expire()
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await tab.call(CHECKED))["status"] == 200
        await look()
    await tab.call("/api/upgrade/stream", method="POST")
    await look()
    await tab.page.reload()
    await look()
    assert len(seen) >= 6 + 6
    for passed in site.line.passed:
        readable += [passed.path, passed.query, passed.header("referer") or "", passed.body.decode()]
        readable.append(passed.answer.decode())
        readable += [value for name, value in passed.answer_headers if name != "set-cookie"]
        readable += [value for name, value in passed.headers if name != "cookie"]
    everything = "\n".join(readable)
    assert "editor" in everything  # what may be read was read
    assert [secret for secret in seen if secret in everything] == []
    assert all(each["httpOnly"] for each in await context.cookies() if each["name"] in TOKENS)


# S54
async def test_scripts_can_neither_read_nor_overwrite_nor_delete_the_tokens(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    await tab.sign_in()
    before = await tokens(context)
    await tab.page.evaluate("""async () => {
        for (const [name, path] of [["sAccessToken", "/"], ["sRefreshToken", "/session/refresh"]]) {
            document.cookie = `${name}=forged; path=${path}`;
            document.cookie = `${name}=; path=${path}; expires=Thu, 01 Jan 1970 00:00:00 GMT`;
            await cookieStore.delete({ name, path }).catch(() => undefined);
        }
    }""")
    assert await tokens(context) == before
    site.expire()
    assert (await tab.call())["status"] == 200


async def refused_size(tab: Tab, letters: int) -> dict[str, Any]:
    body = json.dumps({"user": "alice", "payload": {"x": "a" * letters}})
    return await tab.call("/login", method="POST", body=body)


async def largest_payload(tab: Tab) -> int:
    """Find by halving how much a session may carry."""
    fits, too_much = 0, LIMIT
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        status = (await refused_size(tab, middle))["status"]
        assert status in {200, 400}
        fits, too_much = (middle, too_much) if status == 200 else (fits, middle)
    return fits


# S28
@pytest.mark.parametrize(
    ("scheme", "algorithm"), [("http", "ES256"), ("https", "ES256"), ("https", "RS256"), ("http", "EdDSA")]
)
async def test_the_largest_access_token_that_is_issued_is_kept_and_a_larger_one_is_refused_by_name(
    open_site: OpenSite, open_context: OpenContext, certificate: Path, scheme: str, algorithm: str
) -> None:
    site = await open_site(
        certificate=certificate if scheme == "https" else None, access_token_signing_algorithm=algorithm
    )
    name = {"http": "sAccessToken", "https": "__Host-sAccessToken"}[scheme]
    assert name == site.settings.access_cookie_name
    search = await open_tab(await open_context(), site)
    most = await largest_payload(search)

    context = await open_context()
    tab = await open_tab(context, site)
    refused = await refused_size(tab, most + 1)
    assert refused["status"] == 400
    assert "the largest member is 'x': keep it in session_data instead" in refused["body"]
    assert await jar(context, {name}) == {}
    with pytest.raises(AccessTokenTooLarge) as error:
        await site.reseal.sessions.backend.create("alice", {"x": "a" * (most + 1)})
    assert error.value.largest == "x"
    assert error.value.size > error.value.limit == LIMIT - len(name)

    await tab.sign_in(payload={"x": "a" * most})
    kept = (await jar(context))[name]
    assert LIMIT - GROWTH - 2 <= len(name) + len(kept) <= LIMIT - GROWTH
    for _ in range(2):  # and so are those of its refreshes
        site.expire()
        assert json.loads((await tab.call())["body"])["payload"] == {"x": "a" * most}
        assert len((await jar(context))[name]) >= len(kept)


# S28
async def test_chromium_keeps_a_cookie_of_4096_bytes_and_silently_drops_a_larger_one(
    open_pages: OpenPages, open_context: OpenContext
) -> None:
    values = {name: "a" * (size - len(name)) for name, size in (("kept", LIMIT), ("dropped", LIMIT + 1))}
    place = "Path=/; HttpOnly; SameSite=Lax"
    pages = await open_pages(cookies=[f"{name}={value}; {place}" for name, value in values.items()])
    context = await open_context()
    await (await context.new_page()).goto(pages.origin)
    assert await jar(context) == {"kept": values["kept"]}


# S52
@pytest.mark.parametrize(
    ("host", "given", "access", "domain"),
    [
        ("localhost", {}, "__Host-sAccessToken", "localhost"),
        ("api.app.test", {}, "__Host-sAccessToken", "api.app.test"),
        ("api.app.test", {"cookie_domain": "app.test"}, "__Secure-sAccessToken", ".app.test"),
        (
            "localhost",
            {"access_token_path": "/api", "signout_api_path": "/api/signout"},
            "__Secure-sAccessToken",
            "localhost",
        ),
        ("localhost", {"cookie_same_site": "strict"}, "__Host-sAccessToken", "localhost"),
        ("localhost", {"cookie_same_site": "none", "enable_anti_csrf": True}, "__Host-sAccessToken", "localhost"),
    ],
    ids=["localhost", "host", "domain", "path", "strict", "none"],
)
async def test_over_https_the_cookies_are_prefixed_and_chromium_keeps_them(
    open_site: OpenSite,
    open_context: OpenContext,
    certificate: Path,
    host: str,
    given: dict[str, Any],
    access: str,
    domain: str,
) -> None:
    site = await open_site(host=host, certificate=certificate, **given)
    context = await open_context()
    tab = await open_tab(context, site)
    await tab.sign_in()
    for generation in (0, 1, 2):
        kept = {each["name"]: each for each in await context.cookies() if "Token" in each["name"]}
        assert kept.keys() == {access, "__Secure-sRefreshToken", "sFrontToken"}
        assert kept[access]["path"] == given.get("access_token_path", "/")
        assert kept["__Secure-sRefreshToken"]["path"] == "/session/refresh"
        for name in (access, "__Secure-sRefreshToken"):
            cookie = kept[name]
            assert (cookie["domain"], cookie["secure"], cookie["httpOnly"]) == (domain, True, True)
            assert cookie["sameSite"] == given.get("cookie_same_site", "lax").capitalize()
        assert len(site.refreshes) == generation
        site.expire()
        assert (await tab.call())["status"] == 200
    await tab.attempt("signOut")
    assert [each["name"] for each in await context.cookies()] == ["st-last-access-token-update"]


# S52
async def test_with_a_cookie_domain_the_session_is_common_to_its_hosts(
    open_site: OpenSite, open_context: OpenContext, certificate: Path
) -> None:
    site = await open_site(host="api.app.test", certificate=certificate, cookie_domain="app.test")
    context = await open_context()
    tab = await open_tab(context, site)
    await tab.sign_in()
    for host, is_sent in (("www.app.test", True), ("app.test", True), ("other.test", False)):
        page = await context.new_page()
        await page.goto(site.origin.replace("api.app.test", host) + "/blank")
        assert ("__Secure-sAccessToken" in site.line.to("/blank")[-1].cookies) is is_sent


# S52
async def test_a_neighbouring_host_cannot_plant_a_session_cookie_that_has_the_host_prefix(
    open_site: OpenSite, open_context: OpenContext, certificate: Path
) -> None:
    site = await open_site(host="api.app.test", certificate=certificate)
    context = await open_context()
    tab = await open_tab(context, site)
    await tab.sign_in()
    neighbour = await context.new_page()
    await neighbour.goto(site.origin.replace("api.", "evil.") + "/blank")
    await neighbour.evaluate("""() => {
        for (const name of ["__Host-sAccessToken", "__HOST-sAccessToken", "\\u00a0__Host-sAccessToken", "sAccessToken"])
            document.cookie = `${name}=planted; domain=app.test; path=/; secure`;
    }""")
    assert (await tab.call())["status"] == 200
    assert "planted" in (site.line.passed[-1].header("cookie") or "")
    site.expire()
    assert (await tab.call())["status"] == 200
    assert site.line.passed[-1].cookies["__Host-sAccessToken"] == (await jar(context))["__Host-sAccessToken"]
