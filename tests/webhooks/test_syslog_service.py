"""The service and an application send their events to a syslog server; no HTTP client is needed for it."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from flask import Flask

from reseal import AsyncReseal, Settings
from reseal.flask import Reseal as FlaskReseal
from reseal.server.cli import DONE, main
from reseal.webhooks import SyslogEndpoint, deliver_webhooks
from tests.server.running import running
from tests.webhooks.material import report
from tests.webhooks.syslog_server import listening
from tests.webhooks.test_service import create, in_store, remove


def variables(url, database):
    entry = {"name": "siem", "format": "syslog", "url": url, "facility": "auth", "timeout": 1}
    return {"RESEAL_EVENT_OUTBOX": "all", "RESEAL_WEBHOOKS": json.dumps([entry]), "RESEAL_DATABASE_URI": database}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    return f"sqlite:///{tmp_path}/r.db" if request.param == "sqlite" else request.getfixturevalue("postgres_uri")


async def test_the_service_sends_what_it_could_not_send_before_it_was_killed(tmp_path, database):
    async with listening("tcp", tmp_path) as first:
        url = first.url
    port = int(url.rpartition(":")[2])

    def until_killed():
        with running(tmp_path, **variables(url, database)) as service:
            handle = create(service, "alice")
            remove(service, handle)
            service.kill()
        return handle

    handle = await asyncio.to_thread(until_killed)
    async with listening("tcp", tmp_path, port) as server:
        with running(tmp_path, **variables(url, database)):
            await server.until(2)
    assert [(each.kind, each.facts["session_handle"], each.priority // 8) for each in server.got] == [
        ("session.created", handle, 4),
        ("session.revoked", handle, 4),
    ]
    assert server.problems == []


async def test_sessions_of_a_flask_application_are_told_by_another_process(tmp_path, database):
    async with listening("udp", tmp_path) as server:
        settings = Settings(
            api_domain="https://api.example.com",
            database_uri=database,
            event_outbox="all",
            webhooks=(SyslogEndpoint(name="siem", url=server.url),),
        )

        def used():
            app = Flask("shop")
            app.config["SECRET_KEY"] = "a key of the tests"
            reseal = FlaskReseal(app, settings=settings)
            with app.test_request_context("/login", method="POST", headers={"sec-fetch-site": "same-origin"}):
                handle = reseal.create_new_session("alice").get_handle()
            with app.app_context():
                reseal.close()
            return handle

        handle = await asyncio.to_thread(used)

        async def deliver():
            async with AsyncReseal(settings) as sessions:
                await deliver_webhooks(sessions)

        task = asyncio.create_task(deliver())
        await server.until(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [(each.kind, each.facts["session_handle"]) for each in server.got] == [("session.created", handle)]


async def test_the_commands_show_and_test_a_server(tmp_path, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("RESEAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    async with listening("unix", tmp_path) as server:
        for name, text in variables(server.url, f"sqlite:///{tmp_path}/r.db").items():
            monkeypatch.setenv(name, text)

        async def run(*arguments):
            code = await asyncio.to_thread(main, ("webhooks", *arguments, "--json"))
            return code, json.loads(capsys.readouterr().out)

        await asyncio.to_thread(in_store, tmp_path, lambda store: report(store, 1))
        code, [row] = await run("list")
        assert (code, row["host"], row["public_keys"]) == (DONE, server.url, [])
        code, [row] = await run("test", "siem")
        assert (code, row["delivered"], row["answer"]) == (DONE, True, "sent; syslog confirms nothing")
        await server.until(1)
    assert (server.got[0].kind, server.problems) == ("reseal.test", [])


def test_no_http_client_is_needed():
    code = (
        "import sys; sys.modules['httpx'] = None\n"
        "from reseal.webhooks import SyslogEndpoint, require_client\n"
        "from reseal.webhooks.senders import sender_of\n"
        "endpoint = SyslogEndpoint(name='siem', url='udp://127.0.0.1')\n"
        "require_client([endpoint]); sender_of(endpoint)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
