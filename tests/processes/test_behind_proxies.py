"""A session lives behind nginx and HAProxy as it does without them, also where they take a prefix off the paths."""

from __future__ import annotations

import httpx
import pytest

from tests.processes import serving
from tests.support.proxies import haproxy, nginx

PROXIES = {"nginx": nginx, "haproxy": haproxy}


@pytest.fixture(scope="module", params=[("gthread", ""), ("gthread", "/api"), ("uvicorn", "/api")], ids="".join)
def served(request, tmp_path_factory):
    server, prefix = request.param
    folder = tmp_path_factory.mktemp(server)
    with serving.run(server, folder, DATABASE=f"sqlite:///{folder}/sessions.db", PREFIX=prefix) as site:
        yield site, prefix


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_session_lives_from_sign_in_to_sign_out_behind_a_proxy(served, proxy, tmp_path):
    server, prefix = served
    with PROXIES[proxy](tmp_path, httpx.URL(server).port, prefix=prefix, ready=f"{prefix}/readyz") as port:
        serving.live(f"http://localhost:{port}{prefix}")
        serving.refresh_at_once(f"http://localhost:{port}{prefix}")
