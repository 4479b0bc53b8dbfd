"""The commands of the operator's page do what it says, with each store."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reseal.clock import SystemClock
from reseal.log import log_event
from reseal.server.cli import main
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store
from reseal.server.tenants.directory import Directory
from tests.support.postgres import binaries

PAGE = (Path(__file__).parents[2] / "docs/how-to/run-the-service.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def block(*words):
    """Give the lines of the one block that has these words."""
    [found] = [each for each in BLOCKS if all(word in each for word in words)]
    return found.replace("\\\n", " ").strip().splitlines()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path, monkeypatch):
    """The configuration of a store; its commands run in a folder of their own."""
    name = f"sqlite:///{tmp_path}/reseal.db" if request.param == "sqlite" else request.getfixturevalue("postgres_uri")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESEAL_DATABASE_URI", name)
    monkeypatch.setenv("RESEAL_STATE_DIR", str(tmp_path / "state"))
    return ServiceSettings.load(environ={"RESEAL_DATABASE_URI": name})


@asynccontextmanager
async def opened(settings):
    store = make_store(settings)
    await store.open()
    directory = Directory(settings, store, SystemClock(), on_event=log_event)
    app = await directory.find("public", "public")
    await app.driver.ring()
    yield app
    await directory.close()
    await store.close()


async def sign_in(settings):
    async with opened(settings) as app:
        options = {"version": 5, "anti_csrf": False, "static_key": False}
        issued = await app.driver.create("public", "alice", {}, {}, **options)
        return issued.access.token


async def accepts(settings, token):
    async with opened(settings) as app:
        try:
            await app.driver.verify(token, anti_csrf=None, check_anti_csrf=False, check_database=False, stateless=True)
        except Exception as error:  # noqa: BLE001 - its name is compared
            return type(error).__name__
        return "accepted"


def keys(capsys):
    capsys.readouterr()
    assert main(["keys", "list", "--json"]) == 0
    return {row["kid"]: row for row in json.loads(capsys.readouterr().out)}


def test_leaked_keys_are_replaced_as_the_page_says(store, capsys, monkeypatch):
    token = asyncio.run(sign_in(store))
    leaked = [kid for kid, key in keys(capsys).items() if kid.startswith("d-") and key["signs"]]
    wall, slept = SystemClock.wall, 0
    for line in block("keys rotate", "sleep"):
        command, *arguments = shlex.split(line)
        if command == "sleep":
            slept += 1000 * int(arguments[0])
            monkeypatch.setattr(SystemClock, "wall", lambda clock, slept=slept: wall(clock) + slept)
            continue
        assert command == "reseal"
        kid = [each for each in arguments if re.match(r"d-\d+", each)]
        named = [each for each in arguments if each not in kid]
        assert main([*named, *(leaked if kid else [])]) == 0
    left = keys(capsys)
    assert not set(leaked) & set(left)
    assert [kid for kid, key in left.items() if kid.startswith("d-") and key["signs"]]
    assert asyncio.run(accepts(store, token)) == "TryRefreshToken"
    again = asyncio.run(sign_in(store))
    assert asyncio.run(accepts(store, again)) == "accepted"


def test_a_key_that_still_signs_is_not_removed(store, capsys):
    asyncio.run(sign_in(store))
    before = keys(capsys)
    [kid] = [kid for kid, key in before.items() if kid.startswith("d-") and key["signs"]]
    for name, problem in ((kid, "still signs"), ("d-1", "is no dynamic key"), ("refresh", "is no dynamic key")):
        assert main(["keys", "remove", name]) == 1
        assert problem in capsys.readouterr().err
    assert keys(capsys) == before


def test_every_command_of_the_page_that_looks_after_sessions_runs(store, capsys):
    asyncio.run(sign_in(store))
    for line in block("sessions list", "apps list"):
        command, *arguments = shlex.split(line)
        assert command == "reseal"
        assert main(arguments) == 0, line
    assert "laptop stolen" in Path("state/administration.log").read_text()


def test_a_backup_made_as_the_page_says_is_restored_as_it_says(store, capsys):
    token = asyncio.run(sign_in(store))
    if store.database_path is not None:
        backup, restore = block("sqlite3 reseal.db"), block("rm -f reseal.db")
        shell = {}
    else:
        backup, restore = block("pg_dump")
        backup, restore = [backup], [restore]
        shell = {"reseal": store.server_uri.reveal().decode()}
        [own] = re.findall(r"search_path%3D(\w+)", shell["reseal"])  # the others' schemas are in this database, too
        backup = [each.replace("pg_dump ", f"pg_dump --schema={own} ") for each in backup]
    run_all(backup, shell)
    assert main(["sessions", "revoke", "--user=alice"]) == 0
    if shell:
        restore = [each.replace("pg_restore", "pg_restore --clean --if-exists") for each in restore]
    run_all(restore, shell)
    capsys.readouterr()
    assert main(["sessions", "list", "--user=alice", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert asyncio.run(accepts(store, token)) == "accepted"


def run_all(lines, databases):
    """Run lines of a shell, the programs of PostgreSQL with the address of this database instead of its name."""
    for line in lines:
        words = line
        for name, uri in databases.items():
            words = words.replace(f"--dbname={name} ", f"--dbname={shlex.quote(uri)} ")
            words = re.sub(rf"(pg_dump .*) {name}$", lambda found, uri=uri: f"{found[1]} {shlex.quote(uri)}", words)
        path = f"{binaries()}:/usr/bin:/bin"
        subprocess.run(words, shell=True, check=True, env={"PATH": path})
