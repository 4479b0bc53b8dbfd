"""The service delivers by itself, also after it was killed; commands show and repair what it does."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3

import httpx
import pytest
from flask import Flask

from reseal import AsyncRemote, AsyncReseal, RequestFacts, SessionHeaders, Settings
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.flask import Reseal as FlaskReseal
from reseal.server.cli import CONFIGURATION, DONE, REFUSED, main
from reseal.webhooks import WebhookEndpoint, deliver_webhooks
from reseal.webhooks.answers import Answer
from reseal.webhooks.delivering import POLL
from tests.server.running import launch, running
from tests.webhooks import peers
from tests.webhooks.material import SECRET, Receiver, endpoint, report, worker
from tests.webhooks.site import listening

PRIVATE = "whsk_" + "QUFB" * 10 + "QUE="
"""32 letters A."""


@pytest.fixture
def site():
    with listening() as site:
        yield site


def configuration(site, **changes):
    entry = {"name": "crm", "url": site.url, "secrets": [SECRET], "timeout": 1, "allow_private_addresses": True}
    return {"RESEAL_EVENT_OUTBOX": "all", "RESEAL_WEBHOOKS": json.dumps([entry | changes])}


@pytest.fixture
def variables(tmp_path, site):
    return configuration(site) | {"RESEAL_DATABASE_URI": f"sqlite:///{tmp_path}/r.db"}


@pytest.fixture
def run(tmp_path, variables, monkeypatch, capsys):
    """Run a command in this process; returns exit code, standard output and standard error."""
    for name in [name for name in os.environ if name.startswith("RESEAL_")]:
        monkeypatch.delenv(name)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(arguments)
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err
        return code, shown.out, shown.err

    return run


def in_store(tmp_path, use):
    """Use the store of a service that does not run."""

    async def opened():
        store = AsyncSQLiteStore(tmp_path / "r.db")
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def create(service, user):
    body = {"userId": user, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
    made = httpx.post(
        f"{service.url}/recipe/session",
        json=body | {"useDynamicSigningKey": True},
        headers={"cdi-version": "5.4"},
    )
    return made.raise_for_status().json()["session"]["handle"]


def remove(service, handle):
    body = {"sessionHandles": [handle]}
    httpx.post(f"{service.url}/recipe/session/remove", json=body, headers={"cdi-version": "5.4"}).raise_for_status()


# -- the service ----------------------------------------------------------------------------------------------------


def test_sessions_that_begin_and_end_are_told_to_a_receiver_with_the_published_library(site, tmp_path, variables):
    with running(tmp_path, **variables) as service:
        handle = create(service, "alice")
        remove(service, handle)
        site.wait_for(lambda: len(site.arrived) >= 2)
        service.tell(signal.SIGTERM)
        assert service.ended() == 0
        assert SECRET not in service.log()
    bodies = [json.loads(each.body) for each in site.arrived]
    assert [body["type"] for body in bodies] == ["session.created", "session.revoked"]
    assert {body["data"]["session_handle"] for body in bodies} == {handle}
    for each in site.arrived:
        assert (
            peers.pypi([SECRET], each.headers, each.body) == peers.npm([SECRET], each.headers, each.body) == ["valid"]
        )
    [(text,)] = sqlite3.connect(tmp_path / "r.db").execute("SELECT text FROM note WHERE name = 'webhook:crm'")
    assert "held_by" not in json.loads(text)


def test_a_service_that_is_killed_between_commit_and_delivery_delivers_when_it_is_back(site, tmp_path, variables):
    site.hangs = True
    with running(tmp_path, **variables) as service:
        handles = [create(service, "alice")]
        site.wait_for(lambda: site.asked)
        handles.append(create(service, "bob"))
        remove(service, handles[0])
        service.kill()
    assert site.arrived == []
    site.hangs = False
    with running(tmp_path, **variables):
        site.wait_for(lambda: len(site.arrived) >= 3)
    told = [(body["type"], body["data"]["session_handle"]) for body in (json.loads(each.body) for each in site.arrived)]
    assert sorted(told) == sorted(
        [("session.created", handles[0]), ("session.created", handles[1]), ("session.revoked", handles[0])]
    )
    assert told.index(("session.created", handles[0])) < told.index(("session.revoked", handles[0]))
    assert len(set(site.ids())) == 3


def test_of_two_services_on_postgresql_the_other_delivers_when_one_is_killed(tmp_path, postgres_uri):
    with listening() as crm, listening() as audit:
        entries = [
            {"name": name, "url": site.url, "secrets": [SECRET], "timeout": 1, "allow_private_addresses": True} | more
            for name, site, more in (("crm", crm, {}), ("audit", audit, {"events": ["session.revoked"]}))
        ]
        variables = {"RESEAL_EVENT_OUTBOX": "all", "RESEAL_WEBHOOKS": json.dumps(entries)}
        variables |= {"RESEAL_DATABASE_URI": postgres_uri}
        (tmp_path / "other").mkdir()
        with running(tmp_path, **variables) as first, running(tmp_path / "other", **variables) as second:
            handles = [create(service, f"user{n}") for n in range(10) for service in (first, second)]
            crm.wait_for(lambda: crm.arrived)
            first.kill()
            for handle in handles:
                remove(second, handle)
            crm.wait_for(lambda: len(set(crm.ids())) == 40)
            audit.wait_for(lambda: len(set(audit.ids())) == 20)
    once = {each.headers["webhook-id"]: json.loads(each.body) for each in crm.arrived}
    for handle in handles:
        of_session = [body["type"] for body in once.values() if body["data"]["session_handle"] == handle]
        assert of_session == ["session.created", "session.revoked"]
    assert {json.loads(each.body)["type"] for each in audit.arrived} == {"session.revoked"}


def test_a_process_of_its_own_may_deliver(site, tmp_path, variables, run):
    in_store(tmp_path, lambda store: report(store, 1))
    process = launch(
        "from reseal.server.cli import main; raise SystemExit(main(['webhooks', 'deliver']))",
        tmp_path,
        tmp_path / "log",
        variables,
    )
    try:
        site.wait_for(lambda: site.arrived)
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert len(site.arrived) == 1


# -- commands -------------------------------------------------------------------------------------------------------


def shown(run, *arguments):
    code, out, _ = run("webhooks", *arguments, "--json")
    return code, json.loads(out)


def test_the_list_shows_what_every_endpoint_does(site, tmp_path, run, monkeypatch):
    monkeypatch.setenv(
        "RESEAL_WEBHOOKS",
        configuration(site, url="https://crm.example.com/secret-path", secrets=[PRIVATE])["RESEAL_WEBHOOKS"],
    )
    in_store(tmp_path, lambda store: report(store, 1))
    code, [row] = shown(run, "list")
    assert code == DONE
    assert row == {
        "name": "crm",
        "host": "https://crm.example.com",
        "events": ["session.created", "session.revoked", "session.theft_detected"],
        "state": "enabled",
        "waiting": 0,
        "given_up": [],
        "last_success": None,
        "last_failure": None,
        "public_keys": row["public_keys"],
    }
    assert row["public_keys"][0].startswith("whpk_")
    code, out, _ = run("webhooks", "list")
    assert (code, "secret-path" in out, PRIVATE in out) == (DONE, False, False)


def test_a_trial_says_what_the_endpoint_answers(site, run):
    assert shown(run, "test", "crm") == (DONE, [{"name": "crm", "delivered": True, "answer": "status 204"}])
    assert json.loads(site.arrived[0].body)["type"] == "webhook.test"
    assert peers.pypi([SECRET], site.arrived[0].headers, site.arrived[0].body) == ["valid"]
    site.status = 500
    assert shown(run, "test", "crm") == (REFUSED, [{"name": "crm", "delivered": False, "answer": "status 500"}])


def test_a_disabled_endpoint_is_enabled_by_a_command(site, tmp_path, run):
    receiver = Receiver()
    receiver.answer = lambda _: Answer(410)

    async def be_gone(store):
        await report(store, 1)
        await worker(store, receiver).turn()
        await worker(store, receiver).release()

    in_store(tmp_path, be_gone)
    _, [row] = shown(run, "list")
    assert (row["state"], row["waiting"]) == ("disabled: the endpoint answered 410 Gone", 1)
    assert row["last_failure"].endswith(" status 410")
    was = "the endpoint answered 410 Gone"
    assert shown(run, "enable", "crm") == (DONE, [{"name": "crm", "was_disabled": was, "waiting": 1}])
    assert shown(run, "list")[1][0]["state"] == "enabled"
    receiver.answer = lambda _: Answer(200)
    in_store(tmp_path, lambda store: worker(store, receiver).turn())
    assert len(receiver.arrived) == 1
    assert shown(run, "list")[1][0]["last_success"] is not None


def test_messages_that_were_given_up_are_replayed_by_a_command(site, tmp_path, run):
    receiver = Receiver()

    async def fail(store):
        """Make ten attempts for each; time is not waited for."""
        ids = [await report(store, n) for n in range(3)]
        receiver.answer = lambda message: Answer(200 if message == ids[2] else 400)
        for _ in range(10):
            await worker(store, receiver).turn()
            note = await store.read_note("webhook:crm")
            text = json.loads(note.text)
            for message in text.get("messages", []):
                message["next_at"] = 0
            await store.write_note("webhook:crm", note.version, json.dumps(text))
        return ids[:2]

    given_up = in_store(tmp_path, fail)
    assert sorted(shown(run, "list")[1][0]["given_up"]) == sorted(given_up)
    assert shown(run, "replay", "crm", "--id", given_up[1]) == (DONE, [{"replayed": given_up[1]}])
    assert shown(run, "replay", "crm", "--id", given_up[1]) == (REFUSED, [])
    assert shown(run, "replay", "crm") == (DONE, [{"replayed": given_up[0]}])
    receiver.answer = lambda _: Answer(200)
    in_store(tmp_path, lambda store: worker(store, receiver).turn())
    assert sorted(receiver.arrived[1:]) == sorted(given_up)


def test_mistakes_are_told(site, tmp_path, run, monkeypatch):
    code, _, error = run("webhooks", "test", "crn")
    assert (code, error) == (REFUSED, "reseal: there is no webhook crn; configured: crm\n")
    monkeypatch.setenv("RESEAL_WEBHOOKS", "[]")
    in_store(tmp_path, lambda store: report(store, 1))
    assert run("webhooks", "list")[1] == "No webhooks are configured.\n"
    assert run("webhooks", "deliver")[0] == REFUSED
    assert run("webhooks", "enable", "crm")[2] == "reseal: there is no webhook crm; configured: none\n"
    monkeypatch.setenv("RESEAL_WEBHOOKS", '[{"name": "crm"}]')
    code, _, error = run("webhooks", "list")
    assert (code, "'url' is missing" in error) == (CONFIGURATION, True)


@pytest.mark.parametrize("arguments", [["serve"], ["webhooks", "deliver"], ["webhooks", "test", "crm"]])
def test_without_the_client_the_service_does_not_start(tmp_path, variables, arguments):
    start = f"import sys; sys.modules['httpx'] = None\nfrom reseal.server.cli import main; raise SystemExit(main({arguments}))"
    process = launch(start, tmp_path, tmp_path / "log", variables | {"RESEAL_STATE_DIR": str(tmp_path / "state")})
    assert process.wait(timeout=60) == CONFIGURATION
    process.stdout.close()
    assert 'pip install "reseal[webhooks]"' in (tmp_path / "log").read_text()


# -- embedded -------------------------------------------------------------------------------------------------------


def settings_for(site, tmp_path, **changes):
    to = WebhookEndpoint(name="crm", url=site.url, secrets=(Secret(SECRET),), allow_private_addresses=True)
    return Settings(
        api_domain="https://api.example.com",
        database_uri=f"sqlite:///{tmp_path}/r.db",
        event_outbox="security",
        webhooks=(to,),
        **changes,
    )


async def test_an_application_delivers_by_a_task_of_its_own(site, tmp_path):
    page = RequestFacts.of("POST", "/", [("sec-fetch-site", "same-origin")], None)
    async with AsyncReseal(settings_for(site, tmp_path, access_token_validity=60)) as reseal:
        task = asyncio.create_task(deliver_webhooks(reseal))
        await reseal.create_new_session(page, SessionHeaders(), "alice")
        [handle] = await reseal.revoke_all_sessions_for_user("alice")
        await asyncio.to_thread(site.wait_for, lambda: site.arrived)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    body = json.loads(site.arrived[0].body)
    assert (body["data"]["session_handle"], body["data"]["user_id"]) == (handle, "alice")


def test_a_sync_application_is_delivered_for_by_another_process(site, tmp_path, postgres_uri, variables):
    app = Flask("shop")
    for name, text in (variables | {"RESEAL_DATABASE_URI": postgres_uri}).items():
        app.config[name] = json.loads(text) if name == "RESEAL_WEBHOOKS" else text
    app.config["RESEAL_API_DOMAIN"] = "http://localhost"
    reseal = FlaskReseal(app)

    @app.post("/login")
    def sign_in():
        reseal.create_new_session("alice")
        return "welcome"

    @app.post("/end")
    def end():
        return {"ended": list(reseal.sessions.revoke_all_sessions_for_user("alice"))}

    page = {"Sec-Fetch-Site": "same-origin"}
    with app.test_client() as client:
        assert client.post("/login", headers=page).status_code == 200
        [handle] = client.post("/end", headers=page).json["ended"]
    with app.app_context():
        reseal.close()
    start = (
        "import asyncio, os\nfrom reseal import AsyncReseal, Settings\nfrom reseal.webhooks import deliver_webhooks\n"
        "os.environ.pop('RESEAL_HTTP', None)\n"  # it is for services
        "async def main():\n    async with AsyncReseal(Settings.from_env()) as reseal:\n"
        "        await deliver_webhooks(reseal)\nasyncio.run(main())"
    )
    own = variables | {"RESEAL_API_DOMAIN": "http://localhost", "RESEAL_DATABASE_URI": postgres_uri}
    process = launch(start, tmp_path, tmp_path / "log", own)
    try:
        site.wait_for(lambda: len(site.arrived) == 2)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert [json.loads(each.body)["data"]["session_handle"] for each in site.arrived] == [handle, handle]


async def test_a_service_delivers_for_its_callers(site, tmp_path):
    settings = settings_for(site, tmp_path)
    reseal = AsyncReseal(settings, sessions=AsyncRemote(settings, "http://127.0.0.1:3567"))
    with pytest.raises(ConfigurationError, match="configure webhooks there"):
        await deliver_webhooks(reseal)


async def test_a_store_that_is_away_or_an_error_does_not_end_the_delivery(site, tmp_path, monkeypatch, caplog):
    from reseal.core.errors import StoreUnavailable
    from reseal.webhooks import running as webhooks_running

    monkeypatch.setattr(webhooks_running, "RETRY", 0)
    problems = [StoreUnavailable("away"), RuntimeError("a fault of ours")]
    receiver, done = Receiver(), asyncio.Event()

    class Deliverer(webhooks_running.Deliverer):
        async def turn(self):
            if problems:
                raise problems.pop()
            if await super().turn() == POLL and receiver.arrived:
                done.set()
            return 0

    monkeypatch.setattr(webhooks_running, "Deliverer", Deliverer)
    store = AsyncSQLiteStore(tmp_path / "r.db")
    await store.open()
    await report(store, 1)

    async def lifetime(_):
        return 1

    task = asyncio.create_task(webhooks_running.deliver_for_ever(store, [endpoint()], lifetime, lambda _: receiver))
    await asyncio.wait_for(done.wait(), 60)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await store.close()
    assert len(receiver.arrived) == 1
    assert "webhook crm waits for the store: away" in caplog.text
    assert "webhook crm failed" in caplog.text
