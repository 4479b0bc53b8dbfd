"""The frozen description of the interface is that of the route table, and the service does what it says."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from reseal.wire.paths import ROUTES
from tests.server.material import Core, core

ROOT = Path(__file__).resolve().parents[2]
FROZEN = ROOT / "src/reseal/server/openapi.json"


def tool():
    spec = importlib.util.spec_from_file_location("openapi_tool", ROOT / "tools/openapi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_frozen_description_is_up_to_date():
    assert json.loads(FROZEN.read_text()) == tool().document(), "run tools/openapi.py"


def test_every_current_operation_is_described():
    described = {
        (method.upper(), path)
        for path, methods in json.loads(FROZEN.read_text())["paths"].items()
        for method in methods
    }
    of_this_service = {"/healthz", "/readyz", "/metrics"}
    current = {
        (method, path)
        for path, operations in ROUTES.items()
        for method, operation in operations.items()
        if (operation.since, operation.until) <= ((5, 4), (5, 4)) <= (operation.until, operation.until)
        and path not in of_this_service
    }
    assert described == current


async def test_the_description_is_served_as_it_is_frozen():
    async with core() as it:
        assert (await it.call("GET", "/openapi.json")).text == FROZEN.read_text()


def test_the_service_answers_whatever_fits_the_description_as_described():
    schemathesis = pytest.importorskip("schemathesis")
    of_openapi = pytest.importorskip("schemathesis.specs.openapi.checks")
    checks = (
        schemathesis.checks.not_a_server_error,
        of_openapi.status_code_conformance,
        of_openapi.content_type_conformance,
        of_openapi.response_schema_conformance,
    )
    it, seen = Core(), set()
    schema = schemathesis.openapi.from_dict(json.loads(FROZEN.read_text()))
    with asyncio.Runner() as runner:
        runner.run(it.service.open())
        for result in schema.get_all_operations():
            operation = result.ok()

            @given(case=operation.as_strategy())
            @settings(
                max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=HealthCheck
            )
            def conforms(case):
                response = runner.run(sent(it, case))
                case.validate_response(response, checks=checks)
                seen.add((case.method, case.path, response.status_code))

            conforms()
    refused = {(method, path) for method, path, status in seen if status == 400}
    done = {(method, path) for method, path, status in seen if status == 200}
    assert len(done) > 30, "most operations could be carried out"
    assert len(refused) < len(done)


async def sent(it, case):
    transport = httpx.ASGITransport(app=it.service)
    sending = case.as_transport_kwargs(base_url="http://localhost")
    sending = {name: value for name, value in sending.items() if name not in {"cookies", "files"}}
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(**sending)
