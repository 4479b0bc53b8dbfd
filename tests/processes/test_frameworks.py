"""Each framework under the servers that people use for it, with two workers over PostgreSQL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.processes import serving

FLASK = [(server, "flask_app:app") for server in ("sync", "gthread", "sync-preload", "gthread-preload", "gevent")]
DJANGO = [(server, "django_app:app") for server in ("sync", "gthread", "gevent", "sync-preload", "gthread-preload")]
DJANGO_ASGI = [(server, "django_app:asgi") for server in ("hypercorn", "uvicorn")]
LITESTAR = [(server, "litestar_app:app") for server in ("hypercorn", "granian", "uvicorn")]
QUART = [(server, "quart_app:app") for server in ("uvicorn", "hypercorn")]
WRAPPED = [
    *((server, "bottle_app:app") for server in ("sync", "gthread", "gevent", "gthread-preload")),
    *((server, "pyramid_app:app") for server in ("sync", "gthread", "granian-wsgi")),
    *((server, "falcon_app:app") for server in ("uvicorn", "gunicorn-uvicorn-preload", "granian", "hypercorn")),
    ("sync-preload", "pyramid_app:app"),
]
OWN_SERVERS = [("aiohttp", "aiohttp_app:make"), ("gunicorn-aiohttp", "aiohttp_app:app"), ("sanic", "sanic_app:app")]
SERIES = (FLASK, DJANGO, DJANGO_ASGI, LITESTAR, QUART, WRAPPED, OWN_SERVERS)


@pytest.fixture(scope="module", params=[case for series in SERIES for case in series], ids="-".join)
def site(request, tmp_path_factory, postgres):
    server, app = request.param
    folder = tmp_path_factory.mktemp(server)
    variables = {"DATABASE": postgres.uri(postgres.schema()), "USERS": f"{folder}/users.db"}
    if app.startswith("django"):
        create_users(**variables)
    with serving.run(server, folder, app, **variables) as site:
        yield site


def create_users(**variables):
    """Create Django's users, in a database of their own."""
    script = serving.APPS / "django_app.py"
    subprocess.run(
        [sys.executable, script], env={"API": "http://localhost", "KEY": serving.KEY, **variables}, check=True
    )


@pytest.mark.sampled("site", *SERIES)
def test_a_session_lives_from_sign_in_to_sign_out_and_its_refreshes_at_once_converge(site):
    serving.live(site)
    serving.refresh_at_once(site)


@pytest.mark.sampled("site", *SERIES)
def test_of_many_users_at_once_nobody_is_somebody_else_and_nobody_is_signed_out(site):
    serving.crowd(site)
