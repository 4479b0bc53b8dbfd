"""The request and response cases of the core interface, each with the cases that it builds on."""

from __future__ import annotations

import json
import re
import uuid
from base64 import urlsafe_b64decode
from pathlib import Path

import httpx
import pytest

from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store
from reseal.testing import ManualClock

CASES = {c["name"]: c for c in map(json.loads, Path(__file__).with_name("cases.jsonl").read_text().splitlines())}
V1 = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0="
V2 = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0="


@pytest.fixture(scope="module")
def postgres_schema(postgres):
    return postgres.schema()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def database_uri(request, tmp_path):
    """Name an empty store. The tables in PostgreSQL are made once."""
    if request.param == "memory":
        return "memory:"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sessions.db"
    cluster, schema = (request.getfixturevalue(name) for name in ("postgres", "postgres_schema"))
    with cluster.admin() as admin:
        admin.execute(f"SET search_path = {schema}")
        for table in ("session", "key", "tenant"):
            if admin.execute("SELECT to_regclass(%s)", [f"reseal_{table}"]).fetchone() != (None,):
                admin.execute(f"DELETE FROM reseal_{table}")
                admin.execute("UPDATE reseal_time SET at = 0")
    return cluster.uri(schema)


@pytest.mark.parametrize("name", CASES)
async def test_the_service_answers_as_the_interface_says(name, database_uri):
    names = [*(CASES[name].get("given") or ()), name]
    config = {"database_uri": database_uri, "refresh_token_rotation_grace_period": 0}  # the verdict of other cores
    for each in names:
        config |= CASES[each].get("config") or {}
    clock = ManualClock()
    service = Service(settings(config), make_store(settings(config), clock), clock=clock)
    await service.open()
    try:
        await run(service, clock, names)
    finally:
        await service.close()


async def run(service, clock, names):
    replies = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=service), base_url="http://localhost") as client:
        for each in names:
            clock.advance(CASES[each].get("wait_ms") or 0)
            response = await send(client, CASES[each], replies)
            check(CASES[each], response, replies)
            if response.headers["content-type"].startswith("application/json"):
                replies[each] = response.json()


def settings(config):
    api_keys = tuple(key.strip() for key in config.get("api_keys", "").split(",") if key.strip())
    return ServiceSettings(**{**config, "api_keys": api_keys})


async def send(client, case, replies):
    headers = {**(case.get("headers") or {})}
    if case.get("cdi"):
        headers["cdi-version"] = case["cdi"]
    body = fill(case.get("body"), replies)
    if body is not None:
        headers["content-type"] = "application/json"
    content = body if isinstance(body, str) or body is None else json.dumps(body)
    return await client.request(case["method"], fill(case["path"], replies), headers=headers, content=content)


def check(case, response, replies):
    assert response.status_code == case["expect_status"], response.text
    for part in case.get("expect_body_contains") or ():
        assert part in response.text
    for header, pattern in (case.get("expect_headers") or {}).items():
        assert re.search(pattern, response.headers[header])
    if case.get("expect_json") is not None:
        matches(case["expect_json"], response.json(), replies, "")
    for path, names in (case.get("expect_keys") or {}).items():
        found = response.json()
        for step in filter(None, path.split(".")):
            found = found[step]
        assert set(found) == set(names), path


def fill(value, replies):
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]+)\}", lambda m: str(lookup(m[1], replies)), value)
    if isinstance(value, dict):
        return {key: fill(inner, replies) for key, inner in value.items()}
    return [fill(inner, replies) for inner in value] if isinstance(value, list) else value


def lookup(path, replies):
    found = replies
    for step in path.split("."):
        found = found[step]
    return found


def matches(expected, actual, replies, where):
    if isinstance(expected, dict):
        for key, inner in expected.items():
            if inner == "$absent":
                assert key not in actual, f"{where}.{key}"
            else:
                matches(inner, actual[key], replies, f"{where}.{key}")
    elif isinstance(expected, list):
        for index, inner in enumerate(expected):
            matches(inner, actual[index], replies, f"{where}[{index}]")
    elif isinstance(expected, str) and expected.startswith("$"):
        assert fits(expected, actual, replies), f"{where}: {actual!r} is not {expected}"
    else:
        assert actual == expected, where


def fits(matcher, actual, replies):  # noqa: PLR0911, PLR0912 - one branch for each matcher
    kind, _, rest = matcher[1:].partition(":")
    if matcher.startswith("${"):
        return actual == lookup(matcher[2:-1], replies)
    match kind:
        case "string":
            return isinstance(actual, str)
        case "int":
            return type(actual) is int
        case "bool":
            return isinstance(actual, bool)
        case "object":
            return isinstance(actual, dict)
        case "array":
            return isinstance(actual, list)
        case "uuid":
            return str(uuid.UUID(actual)) == actual
        case "jwt_v1":
            return actual.split(".")[0] == V1
        case "jwt_v2":
            return actual.split(".")[0] == V2
        case "jwt":
            version, prefix = rest.split(":")
            header = json.loads(urlsafe_b64decode(actual.split(".")[0] + "=="))
            return header["version"] == version and header["kid"].startswith(prefix)
        case "refresh_v2":
            return re.fullmatch(r"[A-Za-z0-9+/]+=*\.[0-9a-f]{64}\.V2", actual) is not None
        case "eq":
            return actual == lookup(rest[2:-1], replies)
        case "ne":
            return actual != lookup(rest[2:-1], replies)
        case "contains":
            return rest in actual
        case "len":
            return len(actual) == int(rest)
    raise AssertionError(matcher)
