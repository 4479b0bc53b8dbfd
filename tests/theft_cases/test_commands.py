"""The commands for theft cases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reseal import Engine, Settings, SQLiteStore, TokenTheftDetected
from reseal.core.events import Caller
from reseal.core.model import Device
from reseal.server.cli import DONE, REFUSED, main
from reseal.testing import ManualClock

Run = Callable[..., tuple[int, str]]
HOUR = 3_600_000


@pytest.fixture
def case_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have two users robbed; returns the ids of their cases."""
    for name in [name for name in os.environ if name.startswith("RESEAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RESEAL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RESEAL_DATABASE_URI", f"sqlite:///{tmp_path}/s.db")
    clock, ids = ManualClock(), []
    settings = Settings(api_domain="https://api.example.com", database_uri="memory:", theft_cases=90)
    with Engine(settings, SQLiteStore(tmp_path / "s.db", clock), clock=clock, on_event=lambda _: None) as engine:
        for user in ("alice", "bob"):
            pair = engine.create(user)
            line = [pair.refresh_token or ""]
            for _ in range(2):
                line.append(engine.refresh(line[-1]).refresh_token or "")
            clock.advance(HOUR)
            with pytest.raises(TokenTheftDetected):
                engine.refresh(line[0], caller=Caller(Device("203.0.113.9", "Thief/1\x1b[2J")))
            ids.append(pair.claims.sid)
    return ids


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; gives exit code and output."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def test_cases_are_listed_by_user_and_state(case_ids: list[str], run: Run) -> None:
    alice, bob = case_ids
    listed = json.loads(run("cases", "list", "--json")[1])
    assert [(row["id"], row["user"], row["verdict"], row["token"]) for row in listed] == [
        (bob, "bob", "token_theft", "older"),
        (alice, "alice", "token_theft", "older"),
    ]
    assert [row["id"] for row in json.loads(run("cases", "list", "--user", "alice", "--json")[1])] == [alice]
    code, text = run("cases", "close", alice, "--by", "ops", "--note", "changed the password")
    assert code == DONE
    assert alice in text
    assert [row["id"] for row in json.loads(run("cases", "list", "--open", "--json")[1])] == [bob]
    assert run("cases", "list", "--tenant", "other") == (DONE, "No cases.\n")


def test_a_case_is_shown_as_a_table_or_a_page(case_ids: list[str], run: Run) -> None:
    [bob] = case_ids[1:]
    steps = json.loads(run("cases", "show", bob, "--json")[1])
    assert [step["step"] for step in steps] == ["begun", "issued", "presented"]
    assert (steps[-1]["ip"], steps[-1]["generation"]) == ("203.0.113.9", 0)
    code, text = run("cases", "show", bob)
    assert code == DONE
    assert "refused; the session was ended" in text
    assert "\x1b" not in text
    page = run("cases", "show", bob, "--html")[1]
    assert page.startswith("<!doctype html>")
    assert "<svg" in page


@pytest.mark.parametrize("command", [("show", "absent"), ("close", "absent", "--note", "none")])
def test_a_case_that_is_not_there_is_said_to_be(case_ids: list[str], run: Run, command: tuple[str, ...]) -> None:
    assert case_ids
    code, text = run("cases", *command)
    assert code == REFUSED
    assert "there is no case absent" in text


@pytest.mark.parametrize("note", [(), ("--note", "x" * 257)])
def test_a_case_is_closed_with_a_note(case_ids: list[str], run: Run, note: tuple[str, ...]) -> None:
    code, text = run("cases", "close", case_ids[0], *note)
    assert code == REFUSED
    assert "--note" in text
