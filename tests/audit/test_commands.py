"""The commands for the audit trail, and the calls for applications."""

from __future__ import annotations

import json

import pytest

from reseal import AsyncReseal, ConfigurationError, RequestFacts, Reseal, SessionHeaders, Settings, SQLiteStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.audit import async_audit_trail, audit_trail
from reseal.core import audit_persons
from reseal.server.audit import Housekeeping
from reseal.server.cli import DONE, REFUSED, main
from reseal.server.config import ServiceSettings
from tests.audit.material import Tables

SECRET = "pJ3x9Qv7Lr2mT8wZ4bN6cY1kD5fH0gSaeUiOqWzX"
OPENED = 2
"""Rows about the keys that the first opening of a store makes."""
PAGE = RequestFacts.of("POST", "/", [("sec-fetch-site", "same-origin")], None)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def settings(file):
    return Settings(
        api_domain="https://api.example.com",
        database_uri=f"sqlite:///{file}",
        event_outbox="all",
        audit=True,
        secret_key=SECRET,
    )


@pytest.fixture
def run(file, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(f"database_uri: sqlite:///{file}\nevent_outbox: all\naudit: true\nsecret_key: {SECRET}\n")

    def run(*arguments, code=DONE):
        assert main(["audit", *arguments, "--config", str(config)]) == code
        return capsys.readouterr().out

    return run


@pytest.fixture
def signed_in(settings):
    with Reseal(settings) as reseal:
        for user in ("alice", "bob"):
            reseal.create_new_session(PAGE, SessionHeaders(), user)
        reseal.revoke_all_sessions_for_user("alice")


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_an_application_seals_and_verifies(settings, signed_in):
    with Reseal(settings) as reseal:
        trail = audit_trail(reseal)
        assert trail.seal() == 3
        assert trail.verify() == (1, OPENED + 3, 0, ())


async def test_an_application_in_async_code_does_the_same(settings, signed_in):
    async with AsyncReseal(settings) as reseal:
        trail = async_audit_trail(reseal)
        assert await trail.seal() == 3
        assert json.loads(await trail.checkpoint())["seq"] == OPENED + 4
        assert await trail.verify() == (1, OPENED + 4, OPENED + 4, ())


def test_events_wait_for_the_audit_trail(settings, signed_in):
    with Reseal(settings) as reseal:
        assert reseal.backend.purge() == 0
        store = SQLiteStore(settings.database_uri.removeprefix("sqlite:///"))
        store.open()
        assert len(store.read_events("other", 10).events) == 3
        store.acknowledge_events("other", 3)
        reseal.backend.purge()
        assert audit_trail(reseal).seal() == 3
        assert store.purge_events(10).removed == 0
        store.close()


async def test_the_service_seals_before_it_removes_events(file, settings, signed_in):
    store = AsyncSQLiteStore(file)
    await store.open()
    configured = ServiceSettings(database_uri=f"sqlite:///{file}", event_outbox="all", audit=True, secret_key=SECRET)
    assert not await Housekeeping(store, configured).step()
    assert len(await store.audit.read(OPENED, 10)) == 3
    assert (await store.purge_events(10)).removed == 0
    await store.close()


async def test_a_trail_that_cannot_go_on_keeps_the_events(file, settings, signed_in, caplog):
    store = AsyncSQLiteStore(file)
    await store.open()
    Tables(file).execute("UPDATE TABLE SET entry = 'nonsense'")
    configured = ServiceSettings(database_uri=f"sqlite:///{file}", event_outbox="all", audit=True)
    assert not await Housekeeping(store, configured).step()
    assert "reseal audit verify" in caplog.text
    assert len((await store.read_events("other", 10)).events) == 3
    await store.close()


def test_commands_seal_sign_and_verify(run, signed_in, tmp_path, file):
    assert json.loads(run("seal", "--json")) == [{"sealed": 3}]
    checkpoint = tmp_path / "checkpoint.json"
    checkpoint.write_text(run("checkpoint"))
    assert run("checkpoint") == checkpoint.read_text()
    found = json.loads(run("verify", "--checkpoint", str(checkpoint), "--json"))
    assert found == [{"first": 1, "last": OPENED + 4, "signed_up_to": OPENED + 4}]
    Tables(file).remove(OPENED + 4)
    run("verify")
    [problem] = json.loads(run("verify", "--checkpoint", str(checkpoint), "--json", code=REFUSED))
    assert problem["row"] == OPENED + 3
    assert "missing at the end" in problem["problem"]


@pytest.mark.parametrize("text", [None, "nonsense"])
def test_a_checkpoint_that_cannot_be_read_is_refused(run, signed_in, tmp_path, text):
    path = tmp_path / "checkpoint.json"
    if text is not None:
        path.write_text(text)
    run("verify", "--checkpoint", str(path), code=REFUSED)


def test_the_export_shows_pseudonyms_and_with_the_user_what_belongs_to_it(run, signed_in):
    run("seal")
    text = run("export")
    assert "alice" not in text
    created, other, revoked = rows_of(text)[OPENED:]
    assert created["user"] == revoked["user"] != other["user"]
    assert {row["by"] for row in (created, other, revoked)} == {"system"}
    own = rows_of(run("export", "--user", "alice"))
    assert [row["private"]["user_id"] for row in own] == ["alice", "alice"]
    assert rows_of(run("export", "--user", "nobody")) == []
    assert [row["seq"] for row in rows_of(run("export", "--after", "4"))] == [5]


def test_the_export_as_ocsf_has_what_the_class_requires(run, signed_in):
    run("seal")
    run("checkpoint")
    rows = rows_of(run("export", "--format", "ocsf"))
    assert [row["type_uid"] for row in rows] == [300401, 300401, 300201, 300201, 300202]
    for row in rows:
        assert row["category_uid"] == 3
        assert {"time", "severity_id", "metadata"} <= row.keys()
        assert ({"entity"} if row["class_uid"] == 3004 else {"user", "service"}) <= row.keys()


def test_an_erasure_destroys_the_key_of_a_user(run, signed_in, tmp_path):
    run("erase", "alice", "--by", "ops", "--state-dir", str(tmp_path))
    run("erase", "alice", "--by", "ops", "--state-dir", str(tmp_path), code=REFUSED)
    assert rows_of(run("export", "--user", "alice")) == []
    assert rows_of(run("export"))[-1]["by"] == "operator:ops"
    run("verify")


def test_an_audit_trail_needs_events():
    with pytest.raises(ConfigurationError, match="event_outbox"):
        Settings(api_domain="https://api.example.com", audit=True)
    with pytest.raises(ConfigurationError, match="event_outbox"):
        ServiceSettings(audit=True)


def test_an_operator_who_ends_sessions_is_named(run, signed_in, file, tmp_path):
    config = str(tmp_path / "config.yaml")
    arguments = ["--user", "bob", "--by", "ops", "--state-dir", str(tmp_path), "--config", config]
    assert main(["sessions", "revoke", *arguments]) == DONE
    run("seal")
    assert rows_of(run("export"))[-1]["by"] == "operator:ops"


async def test_a_user_who_acts_as_another_is_named_by_a_pseudonym(settings):
    async with AsyncReseal(settings) as reseal:
        headers = SessionHeaders()
        await reseal.create_new_session(PAGE, headers, "carol")
        cookies = "; ".join(value.split(";")[0] for name, value in headers.items() if name.lower() == "set-cookie")
        page = RequestFacts.of("POST", "/", [("sec-fetch-site", "same-origin"), ("cookie", cookies)], None)
        await reseal.impersonate(page, SessionHeaders(), "alice", reason="a call")
        trail = async_audit_trail(reseal)
        await trail.seal()
        own, created, begun = [json.loads(row.entry) for row in await trail.read(OPENED, 10)]
        assert [each["name"] for each in (own, created, begun)] == [
            "session_created",
            "session_created",
            "impersonation_begun",
        ]
        for other in (created, begun):
            assert other["by"] == f"user:{own['user']}"
            assert other["user"] != own["user"]
        key = await trail.person_key("alice", "public")
        assert audit_persons.opened(begun, key)["note"] == "a call"
