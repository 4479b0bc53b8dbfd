"""The commands: what they print, what they refuse, and with which exit code."""

import asyncio
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import types
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from reseal import AsyncSQLiteStore, Reseal, Settings
from reseal.clock import SystemClock
from reseal.core.store_time import Times
from reseal.server.app import Service
from reseal.server.cli import CONFIGURATION, DONE, REFUSED, UNAVAILABLE, main
from reseal.server.config import ServiceSettings
from reseal.server.inspection import clocks, inspect
from reseal.server.running_services import Instance, prepare, registered, running
from tests.support.postgres import cluster

SECRET = "canary-Q7v2mB9xK4tR8wZ1pL6nD3sF5hJ0gYaE"
OTHER = "canary-aE0gYhJ5sF3nD6pL1wZ8tR4xK9mB2vQ7"


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("RESEAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESEAL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RESEAL_DATABASE_URI", f"sqlite:///{tmp_path}/r.db")
    return tmp_path


@pytest.fixture
def run(home, capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def run(*arguments):
        code = main(arguments)
        shown = capsys.readouterr()
        assert "canary" not in shown.out + shown.err
        assert "Traceback" not in shown.out + shown.err
        return code, shown.out, shown.err

    return run


@pytest.fixture
def sessions(home):
    """Two users' sessions in the store; gives their handles."""

    async def begin():
        settings = ServiceSettings(database_uri=f"sqlite:///{home}/r.db", access_token_signing_algorithm="ES256")
        service = Service(settings, AsyncSQLiteStore(home / "r.db"), on_event=lambda _: None)
        await service.open()
        await service.directory.put("a1", "public", {})
        app = await service.directory.find("public", "public")
        options = {"version": 5, "anti_csrf": False, "static_key": False}
        made = [
            await app.driver.create("public", user, {}, {"c": "canary"}, **options) for user in ("u1", "u1", "u\n2")
        ]
        await service.close()
        return [each.session.handle for each in made]

    return asyncio.run(begin())


def raising(error):
    def fail():
        raise error

    return fail


def rows(output):
    return json.loads(output)


# ---------------------------------------------------------------------------------------------------- usage


def test_version_is_told(run):
    code, out, _ = run("version", "--json")
    assert code == DONE
    assert rows(out)[0]["interface"] == "1.0 to 5.6"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "reseal: the following arguments are required: COMMAND; see reseal --help"),
        (["srve"], "reseal: the command is not 'srve' (did you mean serve?) but one of serve, start, stop, list"),
        (["start", "--port=many"], "reseal start: argument --port: invalid int value: 'many'; see reseal start --help"),
        (["serve", "--prot", "1"], "reseal serve: --prot is not known here (did you mean --port?); see reseal serve"),
        (["sessions", "list"], "reseal sessions list: the following arguments are required: --user; see reseal"),
        (["sessions", "lst"], "reseal sessions: the command is not 'lst' (did you mean list?) but one of list, show"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_was_meant_perhaps(arguments, told, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(told)


def test_a_port_that_cannot_be_is_told_with_its_option(run):
    code, _, err = run("serve", "--port=70000")
    assert (code, "'port' must be between 0 and 65535 (got 70000 from --port)" in err) == (CONFIGURATION, True)


# ---------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("command", ["serve", "start", "migrate"])
def test_a_bad_configuration_is_one_message_with_every_problem(run, monkeypatch, command):
    monkeypatch.setenv("API_KEYS", "canary-short")
    monkeypatch.setenv("RESEAL_PORT", "-1")
    monkeypatch.setenv("RESEAL_SECRET", "canary")
    code, _, err = run(command)
    assert code == CONFIGURATION
    assert err.startswith("reseal: The configuration has 3 problems:")
    assert "did you mean RESEAL_SECRET_KEY?" in err


def test_a_file_that_is_not_there_is_told(run):
    code, _, err = run("serve", "--with-config=/nowhere/config.yaml")
    assert code == CONFIGURATION
    assert "/nowhere/config.yaml cannot be read (No such file or directory)" in err


@pytest.mark.parametrize("missing", ["uvicorn", "httptools"])
def test_a_package_that_is_missing_is_named_with_what_brings_it(home, missing):
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from reseal.server.cli import main; sys.exit(main(['serve']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (CONFIGURATION, "")
    assert done.stderr.endswith(f' the service needs {missing}: pip install "reseal[server]"\n')


def test_an_open_service_beyond_loopback_is_not_started(run):
    code, _, err = run("serve", "--host=0.0.0.0")
    assert code == CONFIGURATION
    assert "'host' must be a loopback address as long as there are no 'api_keys'" in err


def test_sqlite_has_one_worker(run):
    code, _, err = run("serve", "--workers=2")
    assert (code, "it has one writer" in err) == (CONFIGURATION, True)


def test_an_unreachable_database_is_told(run, monkeypatch, home):
    monkeypatch.setenv("RESEAL_DATABASE_URI", f"sqlite:///{home}/no/such/folder/r.db")
    for command in (["migrate"], ["keys", "list"], ["serve", "--port=0"]):
        code, _, err = run(*command)
        assert code == CONFIGURATION
        assert "cannot be opened for writing (No such file or directory)" in err


def test_a_silent_database_server_is_told_without_its_password(run, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("RESEAL_DATABASE_URI", f"postgresql://canary:canary@127.0.0.1:{port}/canary")
    code, _, err = run("keys", "list")
    assert (code, err.startswith("reseal: the session store does not answer: ")) == (UNAVAILABLE, True)
    code, out, _ = run("check")
    assert (code, "FAIL  store: " in out) == (REFUSED, True)


def test_a_wrong_secret_key_is_told(run, monkeypatch):
    monkeypatch.setenv("RESEAL_SECRET_KEY", SECRET)
    run("migrate")
    assert run("keys", "rotate")[0] == DONE
    monkeypatch.setenv("RESEAL_SECRET_KEY", OTHER)
    for command in (["keys", "rotate"], ["serve", "--port=0"]):
        code, _, err = run(*command)
        assert code == CONFIGURATION
        assert "secret_key: does not open key" in err
    monkeypatch.delenv("RESEAL_SECRET_KEY")
    assert "secret_key: missing" in run("keys", "rotate")[2]


def test_secret_key_is_rolled_over_and_a_command_says_when_the_old_one_may_go(run, home, monkeypatch):
    monkeypatch.setenv("RESEAL_SECRET_KEY", SECRET)
    run("migrate")
    assert run("keys", "rotate")[0] == DONE
    (home / "accepted").write_text(f"{SECRET}\n")
    monkeypatch.setenv("RESEAL_SECRET_KEY", OTHER)
    monkeypatch.setenv("RESEAL_ACCEPTED_SECRET_KEYS_FILE", str(home / "accepted"))
    code, out, _ = run("check")
    assert (code, "are not under secret_key" in out) == (DONE, True)
    code, out, _ = run("keys", "rewrap", "--json")
    assert code == DONE
    [row] = rows(out)
    assert row["rewrapped"] == len(rows(run("keys", "list", "--json")[1]))
    week = datetime.fromisoformat(row["accepted_may_go"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < week <= timedelta(days=7)
    assert rows(run("keys", "rewrap", "--json")[1])[0]["rewrapped"] == 0
    monkeypatch.delenv("RESEAL_ACCEPTED_SECRET_KEYS_FILE")
    code, out, _ = run("check")
    assert (code, "WARN" in out) == (DONE, False)
    assert run("keys", "rotate")[0] == DONE


def test_check_tells_a_secret_key_that_reads_like_words(run, monkeypatch):
    monkeypatch.setenv("RESEAL_SECRET_KEY", "canary birds sing in the morning at five")
    run("migrate")
    assert "WARN  configuration: secret_key reads like words" in run("check")[1]


@pytest.mark.parametrize(
    "command",
    [
        ["keys", "list"],
        ["keys", "rotate"],
        ["apps", "list"],
        ["sessions", "list", "--user=u"],
        ["sessions", "show", "h"],
    ],
)
def test_what_looks_after_a_database_makes_none(run, home, command):
    code, out, err = run(*command)
    assert (code, out) == (REFUSED, "")
    assert "r.db does not exist: correct database_uri" in err
    assert not (home / "r.db").exists()


def test_what_is_in_the_memory_of_a_service_is_not_looked_for_elsewhere(run, monkeypatch):
    monkeypatch.setenv("RESEAL_DATABASE_URI", "memory:")
    code, _, err = run("sessions", "list", "--user=u")
    assert (code, "only the service itself can read" in err) == (REFUSED, True)


@pytest.mark.parametrize("command", ["serve", "start"])
def test_a_state_directory_that_cannot_be_written_to_is_told(run, command):
    code, out, err = run(command, "--port=0", "--state-dir=/proc/reseal")
    assert (code, out) == (CONFIGURATION, "")
    assert "the state directory /proc/reseal cannot be written to (No such file or directory)" in err


@pytest.mark.parametrize("command", ["list", "stop"])
def test_a_state_directory_that_cannot_be_looked_into_is_told(run, home, command):
    (home / "file").touch()
    code, out, err = run(command, f"--state-dir={home}/file")
    assert (code, out) == (CONFIGURATION, "")
    assert f"the state directory {home}/file cannot be read (Not a directory)" in err


def test_a_configuration_that_is_a_folder_is_told(run, home):
    code, _, err = run("apps", "list", f"--config={home}")
    assert (code, "cannot be read (Is a directory)" in err) == (CONFIGURATION, True)


def test_a_port_that_is_taken_is_told(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", f"--port={port}")
    assert (code, out) == (CONFIGURATION, "")
    assert f"port {port} of 127.0.0.1 is taken" in err
    assert "by --port" in err


def test_what_the_owner_should_know_at_the_start_is_a_line_of_the_log(run, home):
    (home / "config.yaml").write_text("disable_telemetry: true\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _, _, err = run("serve", "--config=config.yaml", f"--port={taken.getsockname()[1]}")
    told = json.loads(err.splitlines()[0])
    assert (told["event"], told["level"]) == ("log", "WARNING")
    assert told["message"].startswith("'disable_telemetry' has no effect")


def test_an_error_text_does_not_steer_the_terminal(run, sessions):
    err = run("sessions", "show", "a\x1b[2Jb")[2]
    assert "\x1b" not in err


def test_ctrl_c_is_one_line(run, sessions, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(AsyncSQLiteStore, "open", interrupted)
    assert run("apps", "list") == (REFUSED, "", "reseal: interrupted\n")


def test_a_reader_who_goes_away_early_is_no_error(home, sessions):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "reseal", "apps", "list"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (REFUSED, "")


# ---------------------------------------------------------------------------------------------------- check


def test_check_lists_every_failure_of_the_configuration(run, monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "x")
    monkeypatch.setenv("BASE_PATH", "a b")
    code, out, _ = run("check")
    assert code == REFUSED
    assert [line[:4] for line in out.splitlines()] == ["FAIL", "FAIL"]


def test_check_tells_certificates_that_the_service_would_not_start_with(run, home, monkeypatch):
    run("migrate")
    (home / "empty.pem").touch()
    for name in ("CERTIFICATE", "KEY"):
        monkeypatch.setenv(f"RESEAL_TLS_{name}_FILE", str(home / "empty.pem"))
    code, out, _ = run("check")
    assert (code, "FAIL  configuration: the tls_… files cannot be used" in out) == (REFUSED, True)


def test_check_is_content_with_a_sound_service(run):
    assert run("migrate")[0] == DONE
    assert run("keys", "rotate")[0] == DONE
    code, out, _ = run("check", "--json")
    assert code == DONE
    assert all(finding["fine"] for finding in rows(out))
    subjects = {finding["subject"] for finding in rows(out)}
    assert subjects >= {"configuration", "schema", "durability", "store", "clock", "keys"}


def test_check_misses_a_database_and_makes_none(run, home):
    code, out, _ = run("check")
    assert (code, "does not exist: run reseal migrate" in out) == (REFUSED, True)
    assert not (home / "r.db").exists()


@pytest.mark.parametrize(("schema", "text"), [(1, "run reseal migrate"), (99, "upgrade Reseal")])
def test_check_tells_another_schema_and_leaves_it(run, home, schema, text):
    run("migrate")
    database = sqlite3.connect(home / "r.db")
    database.execute(f"PRAGMA user_version = {schema}")
    code, out, _ = run("check")
    assert (code, text in out) == (REFUSED, True)
    assert database.execute("PRAGMA user_version").fetchone() == (schema,)
    database.close()


def test_check_tells_a_file_that_is_no_database(run, home):
    (home / "r.db").write_bytes(b"canary" * 1000)
    code, out, _ = run("check")
    assert (code, "FAIL  store: " in out) == (REFUSED, True)


@pytest.mark.parametrize("command", ["migrate", "check"])
@pytest.mark.parametrize("script", ["CREATE TABLE session (a)", "CREATE TABLE mine (a); PRAGMA user_version = 1"])
def test_the_database_of_something_else_is_told_and_left_as_it_was(run, home, command, script):
    with closing(sqlite3.connect(home / "r.db")) as database:
        database.executescript(script)
    before = (home / "r.db").read_bytes()
    code, out, err = run(command)
    assert (code, "r.db is the database of something else; name another file" in out + err) == (
        {"migrate": CONFIGURATION, "check": REFUSED}[command],
        True,
    )
    assert (home / "r.db").read_bytes() == before


def test_a_damaged_file_is_told(run, home):
    run("migrate")
    with closing(sqlite3.connect(home / "r.db")) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        size = database.execute("PRAGMA page_size").fetchone()[0]
    whole = (home / "r.db").read_bytes()
    (home / "r.db").write_bytes(whole[:size] + b"canary" * (len(whole) // 6))
    code, out, err = run("migrate")
    assert (code, out) == (UNAVAILABLE, "")
    assert "SQLITE_CORRUPT (the file is damaged: restore a backup)" in err


def test_check_tells_every_key_that_does_not_open(run, monkeypatch):
    monkeypatch.setenv("RESEAL_SECRET_KEY", SECRET)
    run("migrate")
    run("keys", "rotate")
    monkeypatch.setenv("RESEAL_SECRET_KEY", OTHER)
    code, out, _ = run("check")
    assert code == REFUSED
    assert out.count("FAIL  keys: ") == len(rows(run("keys", "list", "--json")[1]))


def test_check_tells_how_durable_the_file_is_and_how_old_its_keys_are(run):
    run("migrate")
    assert "none yet" in run("check")[1]
    run("apps", "list")
    kid = rows(run("keys", "rotate", "--json")[1])[0]["kid"]
    out = run("check")[1]
    assert "journal_mode=wal synchronous=FULL" in out
    [line] = [line for line in out.splitlines() if line.startswith("ok    keys: ")]
    assert " signs, 0 min old, until " in line
    assert f"{kid} does at 20" in line


def test_check_warns_of_a_database_and_a_configuration_that_others_may_read(run, home, monkeypatch):
    monkeypatch.setenv("RESEAL_CONFIG", str(home / "config.yaml"))
    (home / "config.yaml").write_text(f"secret_key: {SECRET}\n")
    (home / "config.yaml").chmod(0o600)
    run("migrate")
    assert "WARN" not in run("check")[1]
    (home / "config.yaml").chmod(0o640)
    (home / "r.db").chmod(0o644)
    code, out, _ = run("check")
    assert code == DONE
    warnings = [line for line in out.splitlines() if line.startswith("WARN  ")]
    assert [warning.split(": ")[0] for warning in warnings] == ["WARN  configuration", "WARN  permissions"]
    assert all("chmod 600" in warning for warning in warnings)


def test_check_of_postgresql_tells_what_is_pending_and_creates_nothing(run, monkeypatch, postgres_uri):
    monkeypatch.setenv("RESEAL_DATABASE_URI", postgres_uri)
    for _ in range(2):
        code, out, _ = run("check")
        assert (code, "FAIL  schema: no tables yet" in out) == (REFUSED, True)
    run("migrate")
    code, out, _ = run("check")
    assert (code, "nothing pending" in out) == (DONE, True)
    assert "fsync=on synchronous_commit=on: an acknowledged write survives" in out
    assert "no standby is synchronous" in out
    assert "agrees with the store" in out


@pytest.mark.parametrize(("change", "text"), [("DELETE FROM reseal_schema WHERE version > 1", "pending"),
                                              ("INSERT INTO reseal_schema VALUES (99)", "upgrade Reseal")])  # fmt: skip
def test_check_of_postgresql_tells_another_schema_and_leaves_it(run, monkeypatch, postgres_uri, change, text):
    monkeypatch.setenv("RESEAL_DATABASE_URI", postgres_uri)
    run("migrate")
    with psycopg.connect(postgres_uri) as database:
        database.execute(change)
        before = database.execute("SELECT version FROM reseal_schema").fetchall()
    code, out, _ = run("check")
    assert (code, text in out) == (REFUSED, True)
    with psycopg.connect(postgres_uri) as database:
        assert database.execute("SELECT version FROM reseal_schema").fetchall() == before


def test_check_of_postgresql_tells_what_a_power_cut_could_do(run, monkeypatch):
    with cluster("-c fsync=off -c full_page_writes=off -c synchronous_commit=off") as careless:
        monkeypatch.setenv("RESEAL_DATABASE_URI", careless.uri())
        code, out, _ = run("check")
        assert (code, "the server runs with fsync = off" in out) == (REFUSED, True)
    with cluster("-c full_page_writes=off -c synchronous_commit=off") as lax:
        monkeypatch.setenv("RESEAL_DATABASE_URI", lax.uri())
        run("migrate")
        code, out, _ = run("check")
        assert (code, "WARN  durability: full_page_writes=off" in out) == (DONE, True)
        assert "synchronous_commit=on" in out  # on our connections, whatever the server's default is


def test_check_of_mariadb_tells_what_is_pending_and_what_a_power_cut_could_do(run, monkeypatch, mariadb, mariadb_uri):
    monkeypatch.setenv("RESEAL_DATABASE_URI", mariadb_uri)
    for _ in range(2):
        code, out, _ = run("check")
        assert (code, "FAIL  schema: no tables yet" in out) == (REFUSED, True)
    run("migrate")
    code, out, _ = run("check")
    assert (code, "nothing pending" in out) == (DONE, True)
    assert "innodb_flush_log_at_trx_commit=1: an acknowledged write survives a power cut" in out
    assert "agrees with the store" in out
    name = mariadb_uri.rpartition("/")[2]
    mariadb.sql("ALTER TABLE reseal_event_number ENGINE = MyISAM", name)
    code, out, _ = run("check")
    assert (code, "reseal_event_number is kept by MyISAM" in out) == (REFUSED, True)
    mariadb.sql("INSERT INTO reseal_schema (version) VALUES (99)", name)
    code, out, _ = run("check")
    assert (code, "upgrade Reseal" in out) == (REFUSED, True)


@pytest.mark.parametrize(("rights", "text"), [
    ("SELECT, INSERT, UPDATE", "the user may not DELETE in reseal_session: GRANT SELECT, INSERT, UPDATE, DELETE"),
    ("INSERT, UPDATE, DELETE", "the user may not SELECT in reseal_schema: GRANT SELECT, INSERT, UPDATE, DELETE"),
])  # fmt: skip
def test_check_of_mariadb_tells_a_missing_right(run, monkeypatch, mariadb, mariadb_uri, rights, text):
    monkeypatch.setenv("RESEAL_DATABASE_URI", mariadb_uri)
    run("migrate")
    name = mariadb_uri.rpartition("/")[2]
    mariadb.sql(f"CREATE USER r_{name} IDENTIFIED BY 'pw'; GRANT {rights} ON {name}.* TO r_{name}")
    monkeypatch.setenv("RESEAL_DATABASE_URI", f"mysql://r_{name}:pw@127.0.0.1:{mariadb.port}/{name}")
    code, out, _ = run("check")
    assert (code, text in out) == (REFUSED, True)


@pytest.mark.parametrize(("rights", "text"), [
    ("SELECT", "the user may not DELETE, INSERT, UPDATE in reseal_audit and in"),
    ("INSERT", "the user may not use the tables that are there"),
])  # fmt: skip
def test_check_of_postgresql_tells_a_missing_right(run, monkeypatch, postgres, postgres_uri, rights, text):
    monkeypatch.setenv("RESEAL_DATABASE_URI", postgres_uri)
    run("migrate")
    schema, place = postgres_uri.rpartition("%3D")[2], postgres_uri.rpartition("@")[2]
    with psycopg.connect(postgres_uri, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE auditor LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA {schema} TO auditor")
        admin.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO auditor")
        try:
            monkeypatch.setenv("RESEAL_DATABASE_URI", f"postgresql://auditor:pw@{place}")
            code, out, _ = run("check")
            assert (code, text in out) == (REFUSED, True)
        finally:
            admin.execute("DROP OWNED BY auditor; DROP ROLE auditor")


def set_noted(home, text):
    """Have the store's time noted anew, by SQL; ``now`` is the machine's."""
    with closing(sqlite3.connect(home / "r.db")) as database:
        database.execute(f"UPDATE high_water SET run = NULL, at = {text.replace('now', str(time.time_ns() // 10**6))}")
        database.commit()


def test_check_tells_a_clock_that_was_fast_and_a_command_repairs_the_store(run, home, sessions):
    run("migrate")
    hour = 3_600_000
    set_noted(home, f"now + {hour}")
    code, out, _ = run("check")
    assert code == REFUSED
    assert "FAIL  clock: the store's time is 3600 seconds ahead of this machine's clock" in out
    assert "run reseal clock repair" in out
    shown = rows(run("clock", "show", "--json")[1])[0]
    assert shown["followed"] == shown["machine"] < shown["store"]
    code, out, _ = run("clock", "repair", "--json")
    assert code == DONE
    repaired = rows(out)[0]
    assert (repaired["sessions_redated"], repaired["keys_redated"]) == (0, 0)
    assert repaired["after"] < repaired["before"]
    assert run("check")[0] == DONE


def test_check_changes_no_store_while_the_clock_of_the_machine_is_fast(run, home):
    run("migrate")
    before = dump(home)
    fast = SystemClock().wall() + 10 * 365 * 86_400_000
    settings = ServiceSettings(database_uri=f"sqlite:///{home}/r.db")
    asyncio.run(inspect(settings, types.SimpleNamespace(wall=lambda: fast, monotonic=lambda: 0)))
    assert dump(home) == before


@pytest.mark.parametrize(
    ("machine", "times", "shared", "text"),
    [
        (
            0,
            Times(0, 3_600_000),
            True,
            "database server's clock is 3600 seconds ahead of this machine's: one of the two",
        ),
        (3_600_000, Times(0, 0), True, "database server's clock is 3600 seconds behind this machine's: one of the two"),
        (3_600_000, Times(0, 3_600_000), False, "this machine's clock is 3600 seconds ahead of the store's time"),
        (3_600_000, Times(0, 3_600_000), True, "the database server's clock is 3600 seconds ahead of the store's time"),
        (0, Times(3_600_000, 0), True, "the store's time is 3600 seconds ahead of the database server's clock"),
        (4_000, Times(2_000, 1_000), True, None),
    ],
)
def test_check_says_which_clock_is_wrong(machine, times, shared, text):
    finding = clocks.look(machine, times, shared=shared)
    assert finding.fine is (text is None)
    assert (text or "agrees") in finding.text


def dump(home):
    with closing(sqlite3.connect(home / "r.db")) as database:
        return list(database.iterdump())


def test_commands_that_look_change_nothing_in_the_file_of_an_application(run, home):
    with Reseal(Settings(api_domain="http://localhost:8000", database_uri=f"sqlite:///{home}/r.db")) as reseal:
        handle = reseal.backend.create("u1").claims.sid
        reseal.backend.create("u1")
    before = dump(home)
    assert len(rows(run("sessions", "list", "--user=u1", "--json")[1])) == 2
    for command in (("sessions", "show", handle), ("keys", "list"), ("apps", "list"), ("clock", "show"), ("check",)):
        assert run(*command)[0] == DONE
    assert dump(home) == before
    code, _, err = run("keys", "rotate")
    assert (code, "rotate_keys()" in err) == (REFUSED, True)
    keys = [line for line in dump(home) if "app_key" in line]
    assert run("sessions", "revoke", handle)[0] == DONE
    assert [line for line in dump(home) if "app_key" in line] == keys


def test_commands_that_look_leave_an_older_schema_as_it_is(run, home):
    run("migrate")
    with closing(sqlite3.connect(home / "r.db")) as database:
        database.execute("PRAGMA user_version = 1")
    before = dump(home)
    code, _, err = run("sessions", "list", "--user=u1")
    assert (code, "run reseal migrate" in err) == (CONFIGURATION, True)
    assert dump(home) == before


def test_the_clock_of_a_postgresql_store_is_shown_and_repaired(run, monkeypatch, postgres_uri):
    monkeypatch.setenv("RESEAL_DATABASE_URI", postgres_uri)
    assert run("migrate")[0] == DONE
    with psycopg.connect(postgres_uri) as database:
        database.execute("UPDATE reseal_time SET at = at + 86400000, run = NULL")
    code, out, _ = run("check")
    assert code == REFUSED
    assert re.search(r"the store's time is 86[34]\d\d seconds ahead of the database server's clock", out)
    assert run("clock", "repair")[0] == DONE
    assert run("check")[0] == DONE
    shown = rows(run("clock", "show", "--json")[1])[0]
    assert shown.keys() == {"store", "followed", "machine"}


# ---------------------------------------------------------------------------------------------------- sessions, keys


def test_the_sessions_of_a_user_are_listed_shown_and_revoked(run, sessions):
    first, second, _ = sessions
    code, out, _ = run("sessions", "list", "--user=u1", "--json")
    assert (code, {row["handle"] for row in rows(out)}) == (DONE, {first, second})  # of one ms, perhaps
    code, out, _ = run("sessions", "show", first, "--json")
    assert rows(out)[0]["user"] == "u1"
    code, out, _ = run("sessions", "revoke", first, "--json")
    assert (code, rows(out)) == (DONE, [{"revoked": first}])
    assert run("sessions", "show", first)[:2] == (REFUSED, "")
    assert rows(run("sessions", "revoke", "--user=u1", "--json")[1]) == [{"revoked": second}]
    assert run("sessions", "revoke", "--user=u1")[:2] == (REFUSED, "No live session was revoked.\n")


def test_sessions_ended_by_a_command_leave_an_event_that_tells_who_and_why(run, sessions, home, monkeypatch):
    first, second, _ = sessions
    monkeypatch.setenv("SUDO_USER", "carol")
    err = run("sessions", "revoke", first, "--by=alice", "--note=stolen laptop, ticket 7")[2]
    told = json.loads(err)
    assert (told["event"], told["session_handle"], told["by"], told["note"]) == (
        *("session_revoked", first, "alice", "stolen laptop, ticket 7"),
    )
    run("sessions", "revoke", "--user=u1", "--reason=left the company")
    assert run("sessions", "revoke", "--user=u1", "--by=nobody")[0] == REFUSED  # nothing happened, nothing to tell
    kid = rows(run("keys", "rotate", "--json")[1])[0]["kid"]
    log = home / "state" / "administration.log"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0] == told
    assert (lines[1]["session_handle"], lines[1]["user_id"], lines[1]["note"]) == (second, "u1", "left the company")
    assert lines[1]["by"].startswith("carol@")
    assert kid in {line["reason"] for line in lines[2:] if line["event"] == "key_published"}
    assert log.stat().st_mode & 0o777 == 0o600


def test_where_no_event_can_be_left_no_session_is_ended(run, sessions, home):
    (home / "taken").write_text("")
    code, _, err = run("sessions", "revoke", sessions[0], f"--state-dir={home / 'taken'}")
    assert (code, "cannot be written" in err) == (CONFIGURATION, True)
    assert run("sessions", "revoke", sessions[0], f"--note={'x' * 201}")[0] == REFUSED
    assert run("sessions", "show", sessions[0])[0] == DONE


def test_sessions_before_a_moment_are_listed_and_ended(run, home, sessions):
    moment = datetime.now(UTC).isoformat()
    for arguments, handles in ((["--user=u1"], set(sessions[:2])), (["--tenant=public"], set(sessions))):
        code, out, _ = run("sessions", "not-before", moment, "--dry-run", "--json", *arguments)
        assert (code, {row["handle"] for row in rows(out)}) == (DONE, handles)
    assert run("sessions", "not-before", "2020-01-01T00:00Z", "--json")[:2] == (
        DONE,
        '[\n  {\n    "ended": 0\n  }\n]\n',
    )
    code, out, err = run("sessions", "not-before", "now", "--user=u1", "--by=ops", "--note=restored", "--json")
    assert (code, rows(out)) == (DONE, [{"ended": 2}])
    told = [json.loads(line) for line in err.splitlines()]
    assert {(each["session_handle"], each["user_id"], each["reason"], each["by"], each["note"]) for each in told} == {
        (handle, "u1", "not_before", "ops", "restored") for handle in sessions[:2]
    }
    assert "not_before" in run("sessions", "show", sessions[0])[2]
    assert rows(run("sessions", "not-before", "now", "--json")[1]) == [{"ended": 1}]


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-29T10:00", "", "2099-01-01T00:00Z"])
def test_a_moment_has_passed_and_has_a_time_zone(run, sessions, moment):
    code, out, err = run("sessions", "not-before", moment)
    assert (code, out) == (REFUSED, "")
    assert "moment" in err
    assert len(rows(run("sessions", "list", "--user=u1", "--json")[1])) == 2


def test_events_are_printed_once_to_each_consumer(run, sessions, monkeypatch):
    assert run("events", "read", "audit") == (DONE, "", "")
    monkeypatch.setenv("RESEAL_EVENT_OUTBOX", "security")
    assert run("sessions", "revoke", sessions[0])[0] == DONE
    assert run("sessions", "not-before", "now", "--user=u1")[0] == DONE
    code, out, err = run("events", "read", "audit")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (DONE, "")
    assert [(line["session_handle"], line["user_id"], line["reason"]) for line in lines] == [
        (sessions[0], "u1", "revoked"),
        (sessions[1], "u1", "not_before"),
    ]
    assert len({line["id"] for line in lines}) == 2
    assert run("events", "read", "audit")[1] == ""
    assert run("events", "read", "mailer")[1] == out
    code, _, err = run("events", "read", "no name")
    assert (code, "consumer: must be a name" in err) == (REFUSED, True)


def test_events_that_could_not_be_printed_are_not_acknowledged(run, sessions, monkeypatch):
    monkeypatch.setenv("RESEAL_EVENT_OUTBOX", "security")
    assert run("sessions", "revoke", sessions[0])[0] == DONE
    with monkeypatch.context() as patched:
        patched.setattr(sys.stdout, "flush", raising(OSError("no space left on the device")))
        with pytest.raises(OSError, match="no space"):
            main(("events", "read", "audit"))
    assert sessions[0] in run("events", "read", "audit")[1]


def test_check_after_a_restore_lists_the_sessions_at_risk(run, home, sessions):
    assert "restore" not in run("check")[1]
    shutil.copy(home / "r.db", home / "copy.db")  # nobody has it open
    assert run("sessions", "revoke", sessions[0])[0] == DONE
    for leftover in home.glob("r.db*"):
        leftover.unlink()
    shutil.copy(home / "copy.db", home / "r.db")
    code, out, _ = run("check", "--restored", datetime.now(UTC).isoformat())
    assert (code, "app public: 3 live sessions are of the backup" in out) == (DONE, True)
    assert [handle for handle in sessions if f"at risk: {handle} of " in out] == sessions
    assert run("sessions", "not-before", "now")[0] == DONE
    assert "no live session is as old as the backup" in run("check", "--restored", datetime.now(UTC).isoformat())[1]


def test_check_tells_a_store_that_was_set_back(run, home, sessions):
    with closing(sqlite3.connect(home / "r.db")) as database:
        database.execute("UPDATE session SET adopted_at = rotated_at WHERE handle = ?", (sessions[0],))
        database.commit()
    code, out, _ = run("check")
    assert (code, "WARN  restore: the store was set back to an older state: 1 of its sessions" in out) == (DONE, True)


def test_handles_or_a_user_are_named_and_not_both(run, sessions):
    assert run("sessions", "revoke")[0] == REFUSED
    assert run("sessions", "revoke", sessions[0], "--user=u1")[0] == REFUSED
    assert len(rows(run("sessions", "list", "--user=u1", "--json")[1])) == 2


def test_a_user_id_does_not_steer_the_terminal(run, sessions):
    out = run("sessions", "show", sessions[2])[1]
    assert len(out.splitlines()) == 2


def test_apps_are_listed_and_an_unknown_one_is_told(run, sessions):
    names = {row["app"]: row["tenants"] for row in rows(run("apps", "list", "--json")[1])}
    assert names == {"public": ["public"], "a1": ["public"]}
    code, _, err = run("keys", "list", "--app=nobody")
    assert (code, err) == (REFUSED, "reseal: there is no tenant public of an app nobody\n")


def test_a_rotated_key_is_published_before_it_signs(run, sessions, monkeypatch):
    monkeypatch.setenv("RESEAL_ACCESS_TOKEN_SIGNING_ALGORITHM", "ES256")
    kid = rows(run("keys", "rotate", "--json")[1])[0]["kid"]
    keys = {row["kid"]: row for row in rows(run("keys", "list", "--json")[1])}
    assert keys[kid]["signs"] is False
    dynamic = [row["algorithm"] for row in keys.values() if row["kid"].startswith("d-") and row["signs"]]
    assert sorted(dynamic) == ["ES256", "RS256"]


def test_keys_of_an_algorithm_that_was_left_are_kept_and_sign_no_more(run, sessions, monkeypatch):
    def that_sign():
        return {row["algorithm"] for row in rows(run("keys", "list", "--json")[1]) if row["signs"]}

    def told():
        [line] = [line for line in run("check")[1].splitlines() if line.startswith("ok    keys: app public")]
        return line

    monkeypatch.setenv("RESEAL_ACCESS_TOKEN_SIGNING_ALGORITHM", "ES256")
    assert that_sign() == {"RS256", "ES256"}
    assert "(RS256) signs" in told()
    assert "(ES256) signs" in told()
    monkeypatch.delenv("RESEAL_ACCESS_TOKEN_SIGNING_ALGORITHM")
    assert that_sign() == {"RS256"}
    assert "(ES256)" not in told()
    assert "5 open" in told()


# ---------------------------------------------------------------------------------------------------- instances


def test_only_what_runs_is_listed(run, home):
    state = home / "state"
    (state / ".started").mkdir(parents=True)
    (state / ".started" / "127.0.0.1-1").write_text("1\n\n")
    with registered(state, Instance(7, "::1", 3567, "/auth")):
        assert (state / ".started" / "::1-3567").read_text() == "7\n/auth\n"
        assert running(state) == [Instance(7, "::1", 3567, "/auth")]
        assert rows(run("list", "--json")[1]) == [{"pid": 7, "host": "::1", "port": 3567, "base_path": "/auth"}]
    assert run("list")[1] == "No instance runs here.\n"


def test_a_state_directory_that_is_made_is_the_users_own(home):
    assert prepare(home / "fresh") == home / "fresh"
    assert [oct((home / name).stat().st_mode & 0o777) for name in ("fresh", "fresh/.started")] == ["0o700", "0o700"]
    assert list((home / "fresh/.started").iterdir()) == []


def test_a_pid_that_is_none_of_ours_is_not_stopped(run, home):
    (home / "state" / ".started").mkdir(parents=True)
    (home / "state" / ".started" / "127.0.0.1-1").write_text(f"{os.getpid()}\n\n")
    assert run("stop", f"--id={os.getpid()}")[0] == REFUSED
    assert run("stop")[2] == "reseal: nothing to stop\n"
