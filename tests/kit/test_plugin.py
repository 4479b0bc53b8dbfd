"""The plugin of pytest: found by itself, and nothing to anybody who does not ask for a fixture."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = """
from typing import Annotated
from fastapi import Depends, FastAPI, Request
from reseal.fastapi import Reseal, Session, Settings

reseal = Reseal(Settings(api_domain="https://shop.example.com", database_uri="sqlite:////nowhere/sessions.db"))
app = FastAPI()
reseal.install(app)

@app.get("/me")
async def me(session: Annotated[Session, Depends(reseal.session())]) -> str:
    return session.get_user_id()
"""
OTHERS = "asyncio", "faker", "hypothesispytest", "anyio", "schemathesis"
ALONE = [part for name in OTHERS for part in ("-p", f"no:{name}")]
"""Without the plugins of others, which take seconds to import."""
TESTS = """
import pytest
from fastapi.testclient import TestClient
from reseal.testing import assert_refreshes, assert_theft_detected
from shop import app, reseal

HOUR = 3_600_000

@pytest.fixture
def client(reseal_in_memory):
    reseal_in_memory(reseal)
    with TestClient(app) as client:
        yield client

@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
def test_a_user_is_signed_in(client, signed_in, reseal_clock, user):
    signed_in(client, reseal, user)
    reseal_clock.advance(2 * HOUR)
    assert assert_refreshes(client, "/me").json() == user

def test_a_thief(reseal_in_memory, reseal_browser, signed_in, reseal_events, reseal_clock):
    reseal_in_memory(reseal)
    alice = reseal_browser(app, reseal.settings)
    thief = signed_in(alice, reseal).thief()
    for each in alice, alice, thief:
        reseal_clock.advance(2 * HOUR)
        each.refresh()
    assert_theft_detected(reseal_events)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run pytest in a process of its own, in a folder with these files, with the entry points of the package."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    metadata = tmp_path / "site" / "found-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: found\nVersion: 1.0\n")
    lines = "".join(f"{name} = {module}\n" for name, module in points.items())
    (metadata / "entry_points.txt").write_text(f"[pytest11]\n{lines}")
    (metadata / "RECORD").write_text("reseal/__init__.py,,\nreseal/testing/plugin.py,,\n")
    tests = tmp_path / "tests"
    tests.mkdir()
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT / "src")])

    def started(files, *options, start=("-m", "pytest")):
        for name, text in files.items():
            (tests / name).write_text(text)
        command = [sys.executable, *start, "-W", "error", "-p", "no:cacheprovider", *options]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(
            command, cwd=tests, check=False, env=environment, capture_output=True, text=True, timeout=120
        )

    return started


def test_the_fixtures_give_an_application_memory_a_clock_and_users(run):
    done = run({"shop.py": APPLICATION, "test_shop.py": TESTS}, *ALONE, "-p", "no:randomly", "-p", "no:xdist")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"4 passed in", done.stdout)


def test_they_work_in_any_order_and_in_several_processes(run):
    light = """
import pytest

@pytest.mark.parametrize("hours", range(4))
def test_a_clock_is_that_of_one_test(reseal_clock, reseal_events, hours):
    reseal_clock.advance(hours)
    assert (reseal_clock.monotonic(), reseal_events.all) == (hours, [])
"""
    done = run({"test_light.py": light}, *ALONE, "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"4 passed in", done.stdout)


def test_nothing_is_imported_for_tests_that_use_no_fixture(run):
    unused = """
import sys

def test_nothing_is_imported():
    ours = {name for name in sys.modules if name.startswith("reseal")}
    assert ours == {"reseal", "reseal.testing", "reseal.testing.plugin"}
    foreign = {"fastapi", "starlette", "django", "flask", "litestar", "httpx", "cryptography", "msgspec"}
    assert not foreign & set(sys.modules)
"""
    done = run({"test_unused.py": unused}, *ALONE, "-p", "no:randomly", "-p", "no:xdist")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 passed in", done.stdout)
    assert "warning" not in done.stdout + done.stderr


def test_a_program_may_import_the_package_before_it_starts_pytest(run):
    start = "-c", "import reseal, sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    done = run({"test_nothing.py": "def test_nothing(signed_in): pass"}, *ALONE, "-p", "no:randomly", start=start)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_fixtures_are_listed_with_what_they_are_for(run):
    done = run({"test_nothing.py": ""}, *ALONE, "--fixtures", "-p", "no:randomly")
    for name in "reseal_clock", "reseal_events", "reseal_in_memory", "reseal_browser", "signed_in", "async_signed_in":
        assert re.search(rf"^{name} -- .*plugin\.py:\d+\n    \w", done.stdout, re.MULTILINE), name


def test_without_httpx_a_browser_says_what_to_install(tmp_path):
    (tmp_path / "httpx.py").write_text('raise ModuleNotFoundError("No module named \'httpx\'", name="httpx")')
    code = "import reseal.testing; reseal.testing.ManualClock(); reseal.testing.Recorder(); reseal.testing.refresh_race"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")])}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: the browsers and simulators of reseal.testing need httpx: "
        "pip install \"reseal[testing]\" (No module named 'httpx')"
    )
