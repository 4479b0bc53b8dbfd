"""What an API key permits, who called, and texts that are no keys (security: S3, S6)."""

import hashlib
import io
import json
import logging

import httpx
import msgspec
import pytest

from reseal import ConfigurationError, Settings
from reseal.cdi.paths import ROUTES, Right
from reseal.rpc import calls
from reseal.server import rpc
from reseal.server.cli import REFUSED, main
from reseal.server.config import ServiceSettings
from tests.server.material import KEY, core, keyed

READER = "reader-key-0123456789-abcdef"
WRITER = "writer-key-0123456789-abcdef"
ADMIN = "admin-key-0123456789-abcdefg"
SHOP = "shop-key-0123456789-abcdefgh"
EU = "eu-key-0123456789-abcdefghij"
KEYS = [
    {"name": "reader", "key": READER, "may": "read"},
    {"name": "writer", "key": WRITER, "may": "write"},
    {"name": "admin", "key": ADMIN},
    {"name": "shop", "key": SHOP, "apps": ["shop"]},
    {"name": "eu", "key": EU, "apps": ["shop"], "tenants": ["eu"]},
]


def hashed(text):
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize("text", ["", "\n", " ", "\r\n", "x", "no", "changeme\n", "null", "${API_KEY}", "PASSWORD"])
def test_the_hash_of_a_text_that_anybody_guesses_is_refused_with_what_to_do(text):
    with pytest.raises(ConfigurationError, match=r"lists the hash of .*: make key and entry with: reseal api-keys new"):
        ServiceSettings(api_keys=hashed(text))
    with pytest.raises(ConfigurationError, match="not of a key"):
        ServiceSettings(api_keys=[{"name": "orders", "sha256": hashlib.sha256(text.encode()).hexdigest()}])


async def test_no_key_and_a_short_one_never_match_whatever_hash_is_listed():
    short = "nobody-lists-this"
    async with core(api_keys=[hashed(short), KEY]) as it:
        for headers in ([], keyed(""), keyed(short), [(b"authorization", b"Bearer ")], [(b"authorization", b"")]):
            assert (await it.call("GET", "/apiversion", headers=headers)).problem == (401, "Invalid API key")
        assert (await it.call("GET", "/apiversion", headers=keyed())).status == 200


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a"},
        {"name": "a", "key": KEY, "sha256": "0" * 64},
        {"name": "a", "key": KEY, "scope": "read"},
        {"name": "two words", "key": KEY},
        {"name": "a", "key": KEY, "may": "everything"},
        {"name": "a", "key": KEY, "apps": []},
        {"name": "a", "key": KEY, "apps": "shop"},
        {"name": "a", "key": KEY, "tenants": ["no such/tenant"]},
        {"name": "a", "sha256": "short"},
        {"name": "reader", "key": KEY},
        {"name": "another", "key": READER},
        {"name": "a", "key": ["x"]},
    ],
)
def test_an_entry_that_does_not_say_clearly_what_it_permits_is_refused_without_showing_a_key(entry):
    with pytest.raises(ConfigurationError) as refused:
        ServiceSettings(api_keys=[*KEYS, entry])
    assert KEY not in str(refused.value)
    assert READER not in str(refused.value)


async def statuses(it, key, app=""):
    """Give the status of one call of each right."""
    calls = [
        ("GET", f"{app}/recipe/session/user?userId=u", None),
        ("POST", f"{app}/recipe/session/remove", {"userId": "u"}),
        ("PUT", f"{app}/recipe/multitenancy/tenant", {"tenantId": "new"}),
    ]
    return [(await it.call(method, path, body, headers=keyed(key))).status for method, path, body in calls]


async def test_a_key_allows_its_right_and_the_lower_ones_in_its_apps():
    async with core(api_keys=KEYS) as it:
        await it.service.directory.put("shop", "public", {})
        assert await statuses(it, READER) == [200, 403, 403]
        assert await statuses(it, WRITER) == [200, 200, 403]
        assert await statuses(it, ADMIN) == [200, 200, 200]
        assert await statuses(it, SHOP) == [403, 403, 403]
        assert await statuses(it, SHOP, "/appid-shop") == [200, 200, 200]
        refused = await it.call("POST", "/recipe/session/remove", {"userId": "u"}, headers=keyed(READER))
        assert refused.problem == (403, "API key 'reader' may not do this: it takes the right 'write'")


async def test_every_route_asks_for_a_right_and_only_listed_ones_for_a_low_one():
    async with core(api_keys=KEYS) as it:
        for path, operations in ROUTES.items():
            for method, operation in operations.items():
                answer = await it.call(method, path, {}, headers=keyed(READER))
                refused = answer.status == 403 and "API key 'reader'" in answer.text
                assert refused is (operation.right > Right.READ), (method, path)
    assert {each.name for of_path in ROUTES.values() for each in of_path.values() if each.right is Right.ADMIN} == {
        *("put_license", "delete_license", "put_app", "put_app_v2", "remove_app", "put_tenant", "put_tenant_v2"),
        "remove_tenant",
    }


async def test_a_key_of_one_tenant_meets_no_session_of_another_by_whichever_route():
    async with core(api_keys=KEYS) as it:
        for tenant in ("public", "eu", "us"):
            await it.service.directory.put("shop", tenant, {})
        own = await begun(it, "/appid-shop/eu")
        foreign = await begun(it, "/appid-shop/us")
        handle, its_handle = (each["session"]["handle"] for each in (own, foreign))
        paths = {
            "get": ("GET", "/recipe/session?sessionHandle={0}", None),
            "put": ("PUT", "/recipe/session/data", {"sessionHandle": "{0}", "userDataInDatabase": {}}),
            "remove": ("POST", "/recipe/session/remove", {"sessionHandles": ["{0}"]}),
        }
        for method, path, body in paths.values():
            for named, status in ((its_handle, 403), (handle, 200)):
                sent = json.dumps(body).replace("{0}", named).encode() if body else None
                answer = await it.call(method, f"/appid-shop{path.format(named)}", sent, headers=keyed(EU))
                assert answer.status == status, (path, answer.text)
        token = {
            "refreshToken": foreign["refreshToken"]["token"],
            "enableAntiCsrf": False,
            "useDynamicSigningKey": True,
        }
        assert (await it.call("POST", "/appid-shop/recipe/session/refresh", token, headers=keyed(EU))).status == 403
        assert (await it.call("POST", "/appid-shop/us/recipe/session", CREATE, headers=keyed(EU))).status == 403
        assert (await it.call("POST", "/appid-shop/eu/recipe/session", CREATE, headers=keyed(EU))).status == 200
        everywhere = await it.call("GET", "/appid-shop/recipe/session/user?userId=u", headers=keyed(EU))
        assert len(everywhere.json["sessionHandles"]) == 1
        listed = await it.call("GET", "/appid-shop/recipe/multitenancy/tenant/list/v2", headers=keyed(EU))
        assert [tenant["tenantId"] for tenant in listed.json["tenants"]] == ["eu"]
        jwt = {"payload": {}, "algorithm": "RS256", "useStaticSigningKey": True, "validity": 1, "jwksDomain": "x"}
        assert (await it.call("POST", "/appid-shop/recipe/jwt", jwt, headers=keyed(EU))).status == 403
        assert (await it.call("GET", "/metrics", headers=keyed(SHOP))).status == 403
        apps = await it.call("GET", "/recipe/multitenancy/app/list", headers=keyed(READER))
        assert {app["appId"] for app in apps.json["apps"]} == {"public", "shop"}


CREATE = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}


async def begun(it, at):
    return (await it.call("POST", f"{at}/recipe/session", CREATE, headers=keyed(ADMIN))).json


async def test_the_native_interface_keeps_to_the_same_permits():
    profile = calls.profile_of(Settings(api_domain="http://localhost", app_id="shop", tenant_id="eu"))
    arguments = {
        "revoke_user": {"user_id": "u"},
        "create": {"user_id": "u", "jwt_payload": {}, "session_data": {}},
        "list_user": {"user_id": "u"},
        "rotate_keys": {},
        "jwks": {},
    }

    async with core(api_keys=KEYS) as it:
        for tenant in ("public", "eu"):
            await it.service.directory.put("shop", tenant, {})
        client = httpx.AsyncClient(transport=httpx.ASGITransport(it.service), base_url="http://service")

        async def call(name, key, **changed):
            body = {"profile": msgspec.to_builtins(profile) | changed, **arguments[name]}
            return (await client.post(f"{rpc.PREFIX}{name}", json=body, headers={"api-key": key})).status_code

        assert [await call(name, READER) for name in arguments] == [403, 403, 200, 403, 200]
        assert [await call(name, WRITER) for name in arguments] == [200, 200, 200, 403, 200]
        assert [await call(name, SHOP) for name in arguments] == [200] * 5
        assert [await call(name, EU) for name in arguments] == [200, 200, 200, 403, 200]
        assert [await call(name, EU, tenant_id="public") for name in arguments] == [403] * 5
        assert [await call(name, SHOP, app_id="public", tenant_id="public") for name in arguments] == [403] * 5


async def test_the_line_of_a_request_names_the_key_and_never_shows_it(caplog):
    with caplog.at_level(logging.INFO, "reseal"):
        async with core(api_keys=[*KEYS, KEY]) as it:
            for key in (READER, KEY, "wrong-key-0123456789-abcdef"):
                await it.call("GET", "/apiversion", headers=keyed(key))
    lines = [json.loads(record.getMessage()) for record in caplog.records if '"event":"request"' in record.getMessage()]
    assert [line["api_key"] for line in lines] == ["reader", f"sha256-{hashed(KEY)[7:15]}", None]
    assert READER not in caplog.text
    assert KEY not in caplog.text


async def test_the_events_of_a_call_name_its_key():
    async with core(api_keys=KEYS) as it:
        await begun(it, "")
        await it.call("POST", "/recipe/session/remove", {"userId": "u"}, headers=keyed(WRITER))
    assert [(event.name, event.by) for event in it.events if event.user_id] == [
        ("session_created", "admin"),
        ("session_revoked", "writer"),
    ]


# -- the commands -------------------------------------------------------------------------------------------------------


def test_a_made_key_and_a_hashed_one_are_added_to_a_file_that_the_service_takes(tmp_path, capsys, monkeypatch):
    file = tmp_path / "api_keys"
    file.write_text(f"{KEY}\n")
    assert main(["api-keys", "new", "--name", "orders", "--may", "write", "--app", "shop", "--add-to", str(file)]) == 0
    made = capsys.readouterr().out.split()[-1]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{READER}\n"))
    assert main(["api-keys", "hash", "--name", "reader", "--may", "read", "--add-to", str(file)]) == 0
    keys = ServiceSettings(api_keys_file=file).api_keys_file.keys
    assert [(key.permit.name, key.permit.right.name) for key in keys[1:]] == [("orders", "WRITE"), ("reader", "READ")]
    assert keys[1].permit.apps == {"shop"}
    assert made not in file.read_text()
    assert READER not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("given", ["", "\n", "short", "with spaces in it, twenty"])
def test_what_is_no_key_is_not_hashed(tmp_path, given, capsys, monkeypatch):
    file = tmp_path / "api_keys"
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    assert main(["api-keys", "hash", "--name", "orders", "--add-to", str(file)]) == REFUSED
    assert not file.exists()
    assert capsys.readouterr().err.startswith("reseal: ")


def test_a_name_that_is_taken_leaves_the_file_as_it_was(tmp_path, capsys):
    file = tmp_path / "api_keys"
    main(["api-keys", "new", "--name", "orders", "--add-to", str(file)])
    before = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert main(["api-keys", "new", "--name", "orders", "--add-to", str(file)]) == REFUSED
    assert "two entries named 'orders'" in capsys.readouterr().err
    assert file.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ["api_keys"]


def test_check_says_that_a_listed_hash_is_none_of_a_key(monkeypatch, capsys):
    monkeypatch.setenv("RESEAL_API_KEYS", hashed(""))
    assert main(["check"]) == REFUSED
    assert "FAIL  configuration: 'api_keys' lists the hash of the empty text" in capsys.readouterr().out


async def test_events_in_the_outbox_name_the_key_that_caused_them():
    async with core(api_keys=KEYS, event_outbox="security") as it:
        body = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
        await it.call("POST", "/recipe/session", {**body, "useDynamicSigningKey": True}, headers=keyed(ADMIN))
        await it.call("POST", "/recipe/session/remove", {"userId": "u"}, headers=keyed(WRITER))
        [event] = (await it.service.store.read_events("reader", 10)).events
        assert event.by == "api_key:writer"
