"""What administrators and processes do besides sessions is in the trail, with who did it."""

import json

import httpx
import pytest

from reseal import AsyncReseal, Reseal, Settings
from reseal._async.audit import AsyncAuditTrail
from reseal._async.audit_actions import audited
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.audit import async_audit_trail, audit_trail
from reseal.core.acting import acting
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope, StoredKey
from reseal.server.app import Service
from reseal.server.cli import DONE, main
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder

KEY = "a-key-of-twenty-characters"
SECRET = "pJ3x9Qv7Lr2mT8wZ4bN6cY1kD5fH0gSaeUiOqWzX"
GIVEN = {"event_outbox": "all", "audit": True, "secret_key": SECRET}
SETTINGS = Settings(api_domain="https://api.example.com", database_uri="memory:", **GIVEN)
DAY = 24 * 3600 * 1000


@pytest.fixture
def clock():
    return ManualClock()


async def actions_of(store):
    entries = [json.loads(row.entry) for row in await store.audit.read(0, 1000)]
    return [each for each in entries if each["kind"] == "action"]


async def names_of(store):
    return [each["name"] for each in await actions_of(store)]


async def test_an_application_records_its_keys(clock):
    async with AsyncReseal(SETTINGS, clock=clock, on_event=Recorder()) as reseal:
        store = reseal.backend.store
        first, second = await actions_of(store)
        assert [each["name"] for each in (first, second)] == ["key_published"] * 2
        assert {first["by"], second["by"]} == {"system"}
        assert {first["app"], second["app"]} == {"public"}
        kid = await reseal.rotate_keys()
        assert (await actions_of(store))[-1]["key"] == kid
        clock.advance(400 * DAY)
        await reseal.backend.keep_fresh()
        retired = [each["key"] for each in await actions_of(store) if each["name"] == "key_retired"]
        assert second["key"] in retired
        assert (await async_audit_trail(reseal).verify()).problems == ()


def test_sync_code_records_its_keys(clock):
    with Reseal(SETTINGS, clock=clock, on_event=Recorder()) as reseal:
        rows = audit_trail(reseal).read(0, 10)
    assert [json.loads(row.entry)["name"] for row in rows] == ["key_published"] * 2


async def test_without_an_audit_trail_nothing_is_recorded_and_no_method_replaced(clock):
    store = AsyncMemoryStore(clock)
    before = dict(vars(store))
    assert audited(store, Settings(api_domain="https://api.example.com", database_uri="memory:")) is store
    assert vars(store).keys() == before.keys()


async def test_the_service_names_the_key_with_which_tenants_were_changed(clock):
    settings = ServiceSettings(
        database_uri="memory:", api_keys=({"name": "billing", "key": KEY, "may": "admin"},), **GIVEN
    )
    service = Service(settings, make_store(settings, clock), clock=clock, on_event=Recorder())
    headers = {"api-key": KEY, "cdi-version": "5.1"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="https://core.test") as client:
        put = await client.put("/recipe/multitenancy/tenant/v2", json={"tenantId": "t1"}, headers=headers)
        gone = await client.post("/recipe/multitenancy/tenant/remove", json={"tenantId": "t1"}, headers=headers)
    assert [put.status_code, gone.status_code] == [200, 200]
    changes = [each for each in await actions_of(service.store) if each["name"].startswith("tenant")]
    assert [(each["name"], each["app"], each["tenant"]) for each in changes] == [
        ("tenant_written", "public", "t1"),
        ("tenant_written", "public", "t1"),  # as one that is being removed
        ("tenant_removed", "public", "t1"),
    ]
    assert {each["by"] for each in changes} == {"api_key:billing"}


def test_a_command_names_its_operator(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    uri = f"sqlite:///{tmp_path}/sessions.db"
    config.write_text(f"database_uri: {uri}\nevent_outbox: all\naudit: true\nsecret_key: {SECRET}\n")
    with Reseal(Settings(api_domain="https://api.example.com", database_uri=uri, **GIVEN), on_event=Recorder()):
        """The keys are made."""
    arguments = ["--by", "ops", "--state-dir", str(tmp_path), "--config", str(config)]
    assert main(["audit", "replace-key", *arguments, "--json"]) == DONE
    assert main(["audit", "export", "--config", str(config)]) == DONE
    shown = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in shown if line.startswith("{")]
    assert [row["by"] for row in rows if row["kind"] == "action"] == ["system", "system", "operator:ops"]


async def test_a_user_who_did_it_is_named_by_a_pseudonym(clock):
    store = audited(AsyncMemoryStore(clock), SETTINGS)
    with acting("user:carol"):
        await store.put_tenant(Scope("app", "t1"), b"{}")
    [action] = await actions_of(store)
    assert action["by"].startswith("user:")
    assert "carol" not in json.dumps(action)


async def test_what_cannot_be_recorded_is_not_done(clock):
    inner = AsyncFaultyStore(AsyncMemoryStore(clock))
    store = audited(inner, SETTINGS)
    inner.refuse("times")
    with pytest.raises(StoreUnavailable):
        await store.put_tenant(Scope("app", "t1"), b"{}")
    assert not (await store.changed_tenants()).there


async def test_a_damaged_trail_does_not_stop_the_keys_and_the_log_says_so(clock, caplog):
    store = AsyncMemoryStore(clock)
    await store.audit.append([(await good_row(clock))._replace(entry="nonsense")])
    audited(store, SETTINGS)
    assert await store.add_key("public", StoredKey("kid", "HS256", b"x", 0, 0))
    assert "key_published is not in the audit trail" in caplog.text


async def good_row(clock):
    other = AsyncMemoryStore(clock)
    await AsyncAuditTrail.of(other, SETTINGS).checkpoint()
    return (await other.audit.read(0, 1))[0]


async def test_an_offer_of_a_key_that_is_there_is_no_action(clock):
    store = audited(AsyncMemoryStore(clock), SETTINGS)
    key = StoredKey("kid", "HS256", b"x", 0, 0)
    assert await store.add_key("public", key)
    assert not await store.add_key("public", key)
    assert await store.replace_key("public", key, b"y")
    await store.remove_keys("public", ["kid"])
    await store.repair_clock()
    assert await names_of(store) == ["key_published", "key_encrypted_anew", "key_retired", "clock_repaired"]
    assert [each.get("app") for each in await actions_of(store)] == ["public", "public", "public", None]
