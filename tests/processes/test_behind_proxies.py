"""A session lives behind nginx and HAProxy as it does without them."""

from __future__ import annotations

import httpx
import pytest

from tests.processes import serving
from tests.support.proxies import haproxy, nginx

PROXIES = {"nginx": nginx, "haproxy": haproxy}


@pytest.fixture(scope="module", params=["gthread", "uvicorn"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with serving.run(request.param, folder, DATABASE=f"sqlite:///{folder}/sessions.db") as site:
        yield site


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_session_lives_from_sign_in_to_sign_out_behind_a_proxy(server, proxy, tmp_path):
    with PROXIES[proxy](tmp_path, httpx.URL(server).port) as port:
        serving.live(f"http://localhost:{port}")
        serving.refresh_at_once(f"http://localhost:{port}")
