"""A process that forks while its sessions are open: nobody meets somebody else's session, and nobody waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import running

KEY = "a-key-of-twenty-characters"
FAMILY = Path(__file__).with_name("family.py")
VARIANTS = ["async", "sync"]
PATIENCE = 400


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), RESEAL_API_KEYS=KEY) as service:
        yield service.url


def run(*command, cwd=None, **variables):
    """Run a program to its end; give its status, and what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=os.environ | {"KEY": KEY} | variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_parent_children_and_grandchildren_share_a_sqlite_file(variant, tmp_path):
    assert run(FAMILY, variant, f"sqlite:///{tmp_path}/sessions.db") == (0, "")


@pytest.mark.parametrize("variant", VARIANTS)
def test_parent_children_and_grandchildren_share_a_postgresql_database(variant, postgres_uri):
    assert run(FAMILY, variant, postgres_uri) == (0, "")


@pytest.mark.parametrize("variant", VARIANTS)
def test_parent_children_and_grandchildren_share_a_redis(variant, redis_uri):
    assert run(FAMILY, variant, redis_uri) == (0, "")


@pytest.mark.parametrize("variant", VARIANTS)
def test_parent_children_and_grandchildren_share_a_service(variant, service):
    assert run(FAMILY, variant, service) == (0, "")


MEMORY = """
import asyncio, os
from reseal import AsyncReseal, Reseal, Settings, StoreUnavailable, ConfigurationError

settings = Settings(api_domain="https://api.example.com", database_uri="memory:")
reseal = Reseal(settings)
reseal.open()
if os.fork() == 0:
    for call in (lambda: reseal.backend.create("alice"), lambda: reseal.backend.list_user("alice")):
        try:
            call()
        except StoreUnavailable as error:
            print("refused", "forked" in str(error), flush=True)
    try:
        reseal.open()
    except ConfigurationError as error:
        print("refused", "name a file" in str(error), flush=True)
    os._exit(0)
os.wait()
reseal.backend.create("alice")
reseal.close()
if os.fork() == 0:  # closed before: the child may have it
    with reseal:
        reseal.backend.create("alice")
        print("kept", len(reseal.get_all_session_handles_for_user("alice")), flush=True)
    os._exit(0)
os.wait()
"""


def test_a_store_in_memory_refuses_a_child_and_says_why():
    assert run("-c", MEMORY) == (0, "refused True\nrefused True\nrefused True\nkept 2\n")


UNTOLD = """
import ctypes, os
from reseal import Reseal, Settings, StoreUnavailable

settings = Settings(api_domain="https://api.example.com", database_uri="sqlite:///sessions.db")
reseal = Reseal(settings)
reseal.open()
if ctypes.PyDLL(None).fork() == 0:  # as a server written in C does
    for sessions in (reseal, Reseal(settings)):
        try:
            if sessions is not reseal:
                sessions.open()
            sessions.backend.create("alice")
        except StoreUnavailable as error:
            print("refused", "lazy-apps" in str(error), flush=True)
    os._exit(0)
os.wait()
reseal.backend.create("alice")
reseal.close()
"""


def test_a_child_of_which_python_was_not_told_may_not_use_an_open_sqlite_file(tmp_path):
    status, told = run("-c", UNTOLD, cwd=tmp_path)
    assert (status, told.count("refused True\n")) == (0, 2), told


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from reseal import Reseal, Settings

reseal = Reseal(Settings(api_domain="https://api.example.com", database_uri="sqlite:///sessions.db"))


def handles(user):
    if multiprocessing.get_start_method() != "fork":
        reseal.open()
    pair = reseal.backend.create(user)
    assert reseal.backend.get(pair.claims.sid).user_id == user
    return pair.claims.sid


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with reseal:
        with ProcessPoolExecutor(2) as pool:
            made = list(pool.map(handles, ["alice"] * 4, chunksize=2))
        found = reseal.get_all_session_handles_for_user("alice")
        print(sorted(made) == sorted(found), len(found))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes_uses_the_sessions_however_it_is_started(method, tmp_path):
    (tmp_path / "job.py").write_text(POOL)
    status, told = run("job.py", method, cwd=tmp_path)
    assert (status, told.splitlines()[0]) == (0, "True 4"), told


IN_A_ROUTE = """
import asyncio, os
from fastapi import FastAPI
from reseal.fastapi import Reseal, Settings

reseal = Reseal(Settings(api_domain="https://api.example.com", database_uri="sqlite:///sessions.db"))
app = FastAPI()
reseal.install(app)


def route():
    assert reseal.sync.sessions.get_all_session_handles_for_user("alice") == ()
    if os.fork() == 0:
        try:
            reseal.sync.sessions.get_all_session_handles_for_user("alice")
        except RuntimeError as error:
            print("refused", "forked" in str(error), flush=True)
        try:
            print(asyncio.run(handles()), flush=True)
        finally:
            os._exit(0)
    os.wait()


async def handles():
    return await reseal.sessions.get_all_session_handles_for_user("alice")


async def serve():
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(route)


asyncio.run(serve())
"""


def test_a_child_of_a_def_route_is_told_that_the_event_loop_did_not_come_along(tmp_path):
    assert run("-c", IN_A_ROUTE, cwd=tmp_path) == (0, "refused True\n()\n")


OPENED_TWICE = """
import asyncio, logging, os, sys
from fastapi import FastAPI
from reseal.fastapi import Reseal, Settings

logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
reseal = Reseal(Settings(api_domain="https://api.example.com", database_uri=os.environ["DATABASE"]))
app = FastAPI()
reseal.install(app)
asyncio.run(reseal.sessions.open())  # at import, and again in the lifespan


async def serve(name):
    async with app.router.lifespan_context(app):
        await asyncio.gather(*(reseal.sessions.backend.create(name) for _ in range(5)))
        print(len(await reseal.sessions.get_all_session_handles_for_user(name)), flush=True)


for n in range(2):
    if os.fork() == 0:
        try:
            asyncio.run(serve(f"child-{n}"))
        finally:
            os._exit(0)
    os.wait()
asyncio.run(serve("parent"))
asyncio.run(serve("parent"))
"""


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_what_was_opened_at_import_may_be_opened_again_by_the_lifespan_of_each_worker(store, tmp_path, request):
    uri = "sqlite:///sessions.db" if store == "sqlite" else request.getfixturevalue("postgres_uri")
    assert run("-W", "default", "-c", OPENED_TWICE, cwd=tmp_path, DATABASE=uri) == (0, "5\n5\n5\n10\n")
