"""Management commands and signals."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from reseal.core.events import EventName
from reseal.django.shortcuts import create_new_session
from reseal.django.signals import session_event


@pytest.fixture
def manage(reseal, capsys):
    def run(*words):
        call_command("reseal", "--json", *words)
        return json.loads(capsys.readouterr().out)

    return run


def test_sessions_of_a_user_are_listed_and_ended(manage, client):
    client.post("/login")
    client.post("/login")
    [session] = manage("list", "--user", "alice")
    assert session["ip"] == "127.0.0.1"
    assert session["created"] < session["expires"]
    assert manage("revoke", "--user", "alice") == [{"ended": session["handle"]}]
    assert manage("list", "--user", "alice") == []


def test_a_session_is_ended_by_its_handle(manage, client):
    client.post("/login")
    [session] = manage("list", "--user", "alice")
    assert manage("revoke", session["handle"]) == [{"ended": session["handle"]}]


def test_a_user_has_a_name(manage, client, user, rf):
    create_new_session(rf.get("/"), user)
    assert len(manage("list", "--username", "alice")) == 1
    assert len(manage("list", "--user", str(user.pk))) == 1


def test_everybody_is_signed_out_as_of_now(manage, client, clock):
    client.post("/login")
    clock.advance(1)
    assert manage("not-before", "now") == [{"ended": 1}]
    assert manage("not-before", "2020-01-01T00:00Z", "--user", "alice") == [{"ended": 0}]


def test_keys_tables_and_old_sessions(manage):
    assert manage("rotate-keys")[0]["kid"]
    assert manage("migrate") == [{"store": "up to date"}]
    assert manage("purge") == [{"removed": 0}]


def test_a_line_is_printed_for_each_session(manage, client, capsys):
    client.post("/login")
    call_command("reseal", "list", "--user", "alice")
    assert capsys.readouterr().out.startswith("handle=")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["list"], "name the user"),
        (["revoke"], "name the user"),
        (["revoke", "h", "--user", "alice"], "not both"),
        (["list", "--username", "nobody"], "no user named 'nobody'"),
        (["not-before", "yesterday"], "must be now, or a date"),
        (["not-before", "2026-11-29"], "must be now, or a date"),
        (["not-before", "2999-01-01T00:00Z"], "moment"),
        (["lsit"], "invalid choice"),
    ],
)
def test_a_mistake_is_told(reseal, user, words, text):
    with pytest.raises(CommandError, match=text):
        call_command("reseal", *words)


class TestSignals:
    @pytest.fixture
    def received(self):
        found = []

        def receive(**told):
            found.append(told)

        session_event.connect(receive)
        yield found
        session_event.disconnect(receive)

    def test_an_event_is_a_signal(self, client, received):
        client.post("/login")
        client.post("/signout")
        created, revoked = [each for each in received if each["handle"]]
        assert (created["name"], created["user_id"]) == (EventName.SESSION_CREATED, "alice")
        assert (revoked["name"], revoked["reason"]) == (EventName.SESSION_REVOKED, "signed_out")
        assert created["handle"] == revoked["event"].session_handle

    def test_a_receiver_that_fails_signs_nobody_out(self, client, caplog):
        def receive(**_):
            raise ZeroDivisionError

        session_event.connect(receive)
        try:
            assert client.post("/login").status_code == 200
        finally:
            session_event.disconnect(receive)
        assert "ZeroDivisionError" in caplog.text
        assert client.get("/feed").status_code == 200
