"""The service pushes security event tokens, also after it was killed, and publishes what receivers need."""

import json
import os
import signal
import urllib.parse

import httpx
import jwt
import pytest

from reseal.server.cli import DONE, REFUSED, main
from tests.server.running import running
from tests.webhooks import signals
from tests.webhooks.material import report
from tests.webhooks.test_service import create, in_store, remove

METADATA = "/.well-known/ssf-configuration"


@pytest.fixture
def site():
    with signals.listening() as site:
        yield site


@pytest.fixture
def variables(tmp_path, site):
    (tmp_path / "signals.pem").write_text(signals.key())
    (tmp_path / "authorization").write_text(signals.AUTHORIZATION)
    entry = {
        "name": "idp",
        "format": "caep",
        "url": site.url,
        "issuer": signals.ISSUER,
        "audience": signals.AUDIENCE,
        "signing_keys_file": str(tmp_path / "signals.pem"),
        "authorization_file": str(tmp_path / "authorization"),
        "allow_private_addresses": True,
        "timeout": 1,
    }
    return {
        "RESEAL_EVENT_OUTBOX": "all",
        "RESEAL_WEBHOOKS": json.dumps([entry]),
        "RESEAL_DATABASE_URI": f"sqlite:///{tmp_path}/r.db",
    }


def published(service, site):
    """Read what the service publishes, without a key, as a receiver does."""
    origin = service.url
    metadata = httpx.get(origin + METADATA).raise_for_status().json()
    assert metadata["issuer"] == signals.ISSUER
    path = urllib.parse.urlsplit(metadata["jwks_uri"]).path
    assert len(jwt.PyJWKClient(origin + path).get_signing_keys()) == 1
    site.keys = httpx.get(origin + path).json()
    return origin


def test_what_is_published_needs_no_key_and_changes_nothing(site, tmp_path, variables):
    variables |= {"RESEAL_API_KEYS": "an-api-key-of-the-tests", "RESEAL_BASE_PATH": "/core"}
    with running(tmp_path, **variables) as service:
        origin = published(service, site)
        for path in (METADATA, "/ssf/jwks.json"):
            assert httpx.head(origin + path).status_code == 200
            refused = httpx.post(origin + path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert httpx.get(f"{origin}{METADATA}/other").status_code == 404
        assert httpx.get(f"{origin}/core{METADATA}").status_code == 404


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_service_that_is_killed_between_commit_and_delivery_delivers_when_it_is_back(
    request, site, tmp_path, variables, database
):
    if database == "postgresql":
        variables["RESEAL_DATABASE_URI"] = request.getfixturevalue("postgres_uri")
    site.refusal = 503, b""
    with running(tmp_path, **variables) as service:
        published(service, site)
        handles = [create(service, user) for user in ("alice", "bob")]
        site.wait_for(lambda: site.asked)
        remove(service, handles[0])
        service.kill()
    assert site.accepted == []
    site.refusal = None
    with running(tmp_path, **variables) as service:
        site.wait_for(lambda: len(site.once()) == 3)
        service.tell(signal.SIGTERM)
        assert service.ended() == 0
        log = service.log()
    assert site.problems == []
    assert [each.kind for each in site.once() if each.session == handles[0]] == [
        "session-established",
        "session-revoked",
    ]
    assert [each.kind for each in site.once() if each.session == handles[1]] == ["session-established"]
    assert "canary" not in log
    assert "PRIVATE KEY" not in log


def test_the_list_shows_the_receiver_and_a_trial_what_it_answers(site, tmp_path, variables, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("RESEAL_")]:
        monkeypatch.delenv(name)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(("webhooks", *arguments, "--json"))
        return code, json.loads(capsys.readouterr().out)

    in_store(tmp_path, lambda store: report(store, 1))
    site.trust(signals.receiver_at(site.url))
    code, [row] = run("list")
    assert (code, row["name"], row["public_keys"]) == (DONE, "idp", [])
    assert row["events"] == ["session-revoked", "risk-level-change", "session-established"]
    assert run("test", "idp") == (DONE, [{"name": "idp", "delivered": True, "answer": "status 202"}])
    site.refusal = 400, b'{"err": "invalid_audience", "description": "unknown"}'
    code, [row] = run("test", "idp")
    assert (code, row["answer"]) == (REFUSED, "status 400: invalid_audience unknown")
