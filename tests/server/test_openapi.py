"""The frozen description of the interface is that of the route table, and the service does what it says."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

import httpx
import msgspec
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import booleans
from schemathesis.specs.openapi import checks as openapi_checks

from reseal.cdi.paths import ROUTES
from reseal.rpc.calls import PREFIX, profile_of
from reseal.server.kill_feed import PATH
from reseal.server.rpc import CALLS
from reseal.settings import Settings
from tests.server.material import KEY, Core, core

PROFILE = msgspec.to_builtins(profile_of(Settings(api_domain="https://api.example.com")))
ROOT = Path(__file__).resolve().parents[2]
FROZEN = ROOT / "src/reseal/server/openapi.json"


def tool():
    spec = importlib.util.spec_from_file_location("openapi_tool", ROOT / "tools/openapi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_frozen_description_is_up_to_date():
    assert json.loads(FROZEN.read_text()) == json.loads(json.dumps(tool().document())), "run tools/openapi.py"


def test_every_current_operation_is_described():
    current = {
        (method, path)
        for path, operations in ROUTES.items()
        for method, operation in operations.items()
        if operation.since <= (5, 4) <= operation.until
    }
    assert set(described()) == current | {("POST", f"{PREFIX}{name}") for name in CALLS} | {("GET", PATH)}


async def test_the_description_is_served_as_it_is_frozen():
    async with core() as it:
        assert (await it.call("GET", "/openapi.json")).text == FROZEN.read_text()


async def test_a_key_is_asked_for_where_the_description_says_so():
    async with core(api_keys=(KEY,), kill_list=True) as it:
        for (method, path), operation in described().items():
            assert operation["security"] in ([], [{"key": []}, {"bearer": []}])
            plain = await it.call(method, path)
            assert (plain.status == 401) == bool(operation["security"]), path
            for header in ((b"api-key", KEY.encode()), (b"authorization", f"Bearer {KEY}".encode())):
                assert (await it.call(method, path, headers=[header])).status != 401


def test_the_service_answers_whatever_fits_the_description_as_described():
    checks = (
        schemathesis.checks.not_a_server_error,
        openapi_checks.status_code_conformance,
        openapi_checks.content_type_conformance,
        openapi_checks.response_schema_conformance,
    )
    it, seen = Core(api_keys=(KEY,), kill_list=True), set()
    schema = schemathesis.openapi.from_dict(json.loads(FROZEN.read_text()))
    with asyncio.Runner() as runner:
        runner.run(it.service.open())
        it.service.kill_feed.end()  # so that no request waits
        for result in schema.get_all_operations():
            operation = result.ok()

            @given(case=operation.as_strategy(), is_fit=booleans())
            @settings(
                max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=HealthCheck
            )
            def conforms(case, is_fit):
                if is_fit and case.path.startswith(PREFIX) and case.method == "POST":
                    case.body["profile"] = PROFILE
                response = runner.run(sent(it, case))
                case.validate_response(response, checks=checks)
                seen.add((case.method, case.path, response.status_code))

            conforms()
    refused = {(method, path) for method, path, status in seen if status == 400}
    done = {(method, path) for method, path, status in seen if status == 200}
    assert {(method, path) for method, path, _ in seen} == set(described())
    assert len(done) > 40, "most operations could be carried out"
    assert len(refused) < len(done)


def described():
    """Give every operation of the frozen description, by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in json.loads(FROZEN.read_text())["paths"].items()
        for method, operation in methods.items()
    }


async def sent(it, case):
    transport = httpx.ASGITransport(app=it.service)
    sending = case.as_transport_kwargs(base_url="http://localhost")
    sending = {name: value for name, value in sending.items() if name not in {"cookies", "files"}}
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(**sending | {"headers": {**sending["headers"], "api-key": KEY}})
