"""What the service says of itself (core interface, sections 2.3, 2.4 and 2.9)."""

from __future__ import annotations

import json

from tests.server.material import KEY, core, keyed


async def test_hello_is_answered_to_everyone_by_every_method():
    async with core(api_keys=(KEY,)) as it:
        for path in ("/hello", "/", "/appid-public/hello"):
            for method in ("GET", "POST", "PUT", "DELETE"):
                assert (await it.call(method, path, cdi="nonsense")).problem == (200, "Hello")


async def test_the_configuration_file_is_named_to_whoever_knows_the_process():
    async with core() as it:
        assert await it.get("/config", pid="4242") == {"status": "OK", "path": "/etc/reseal/config.yaml"}
        assert await it.get("/config", pid="1") == {"status": "NOT_ALLOWED"}
        assert await it.get("/devproductionmode", pid="4242") == {"status": "OK", "mode": "PRODUCTION"}
        assert await it.get("/devproductionmode", pid="x") == {"status": "NOT_ALLOWED"}


async def test_another_machine_does_not_learn_the_path_by_guessing():
    async with core() as it:
        for client in (("10.0.0.1", 1), ("::ffff:10.0.0.1", 1), ("not-an-address", 1), None):
            shown = (await it.call("GET", "/config", client=client, pid="4242")).json
            assert shown == {"status": "NOT_ALLOWED"}
        assert (await it.call("GET", "/config", client=("::1", 1), pid="4242")).json["status"] == "OK"


async def test_everything_is_free():
    async with core() as it:
        assert (await it.get("/ee/featureflag"))["features"] == ["multi_tenancy"]
        assert await it.put("/ee/license", {"licenseKey": "x"}) == {"status": "OK"}
        assert await it.get("/ee/license") == {"status": "NO_LICENSE_KEY_FOUND_ERROR"}
        assert (await it.call("DELETE", "/ee/license")).json == {"status": "OK"}
        answer = await it.call("PUT", "/ee/license", {"licenseKey": 5})
        assert answer.problem == (400, "Field name 'licenseKey' is invalid in JSON input")


async def test_nothing_is_reported_home():
    async with core() as it:
        assert await it.get("/telemetry") == {"exists": False}
        stats = await it.get("/requests/stats")
        assert (len(stats["averageRequestsPerSecond"]), len(stats["peakRequestsPerSecond"])) == (1440, 1440)


async def test_no_user_is_known():
    async with core() as it:
        assert await it.get("/user/id", userId="u") == {"status": "UNKNOWN_USER_ID_ERROR"}


async def test_the_description_of_the_interface_needs_a_key():
    async with core(api_keys=(KEY,)) as it:
        assert (await it.call("GET", "/openapi.json")).status == 401
        answer = await it.call("GET", "/openapi.json", headers=keyed())
        assert json.loads(answer.text)["openapi"].startswith("3.1")


async def test_no_reply_names_a_server_or_a_version():
    async with core() as it:
        for path in ("/hello", "/apiversion", "/docs", "/nothing"):
            assert not (await it.call("GET", path)).headers.keys() & {"server", "x-powered-by"}
