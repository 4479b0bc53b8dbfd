"""The servers that people use, with several workers each: a session lives the same life in all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.processes import serving
from tests.processes.serving import ASGI, KEY, WSGI, browser
from tests.server.running import running

OVER_SQLITE = [(server, "sqlite") for server in WSGI], [(server, "sqlite") for server in ASGI]
OVER_POSTGRESQL = [
    (name, "postgres") for name in ("sync-preload", "gunicorn-uvicorn", "gevent-preload", "gthread-preload")
]
OVER_A_SERVICE = [(name, "remote") for name in ("gthread-preload", "gevent-preload")]
SERIES = (*OVER_SQLITE, OVER_POSTGRESQL, OVER_A_SERVICE)
pytestmark = pytest.mark.sampled("site", *SERIES)


@pytest.fixture(scope="module", params=[case for series in SERIES for case in series], ids="-".join)
def site(request, tmp_path_factory):
    server, store = request.param
    folder = tmp_path_factory.mktemp(server)
    match store:
        case "sqlite":
            with serving.run(server, folder, DATABASE=f"sqlite:///{folder}/sessions.db") as site:
                yield site
        case "postgres":
            postgres = request.getfixturevalue("postgres")
            with serving.run(server, folder, DATABASE=postgres.uri(postgres.schema())) as site:
                yield site
        case _:
            with (
                running(folder, RESEAL_API_KEYS=KEY) as service,
                serving.run(server, folder, SERVICE=service.url) as site,
            ):
                yield site


def test_a_session_lives_from_sign_in_to_sign_out(site):
    serving.live(site)


def test_of_many_refreshes_of_one_token_at_once_all_get_the_same_successor(site):
    serving.refresh_at_once(site)


def test_nobody_meets_somebody_else_whichever_worker_answers(site):
    def live_as(name):
        pids = set()
        with browser(site) as user:
            user.post(f"/login?{name}")
            for _ in range(3):
                seen = user.get("/feed", headers={"connection": "close"}).json()
                assert seen["user"] == name
                pids.add(seen["pid"])
                assert user.post("/session/refresh").status_code == 200
        return pids

    with ThreadPoolExecutor(4) as threads:
        pids = set().union(*threads.map(live_as, [f"user-{n}" for n in range(8)]))
    assert 1 <= len(pids) <= 2
