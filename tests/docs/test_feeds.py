"""``./run example NAME``: the small feed in each framework, from the sign-in to the sign-out."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from examples.feeds.__main__ import frameworks
from tests.docs.pages import ROOT
from tests.support.ports import free_port

PATIENCE = 60


@contextmanager
def started(*command):
    """Start an example over a store in memory; gives its address once it answers."""
    environ = {"PATH": os.environ["PATH"], "RESEAL_DATABASE_URI": "memory:"}
    whole = [sys.executable, "-m", *command, "--port", str(free_port())]
    with subprocess.Popen(whole, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as example:
        try:
            yield next(line.split()[1] for line in example.stdout if line.strip().startswith("Open "))
        finally:
            example.terminate()
            example.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("framework", frameworks())
def test_the_feed_is_there_in_each_framework(framework):
    page_of_ours = {"sec-fetch-site": "same-origin"}
    with (
        started("examples.feeds", framework) as site,
        httpx.Client(base_url=site, headers=page_of_ours, timeout=PATIENCE, trust_env=False) as alice,
    ):
        for path, content in {"/": "text/html", "/feed.js": "text/javascript", "/feed.css": "text/css"}.items():
            assert alice.get(path).headers["content-type"].startswith(content)
        assert alice.get("/getHomeFeed").json()["message"] == "unauthorised"
        assert alice.post("/login", json={"user": "alice"}).json() == {"user": "alice"}
        seen = alice.get("/getHomeFeed").json()
        assert (seen["user"], seen["framework"].lower()) == ("alice", framework)
        old = alice.cookies["sRefreshToken"]
        assert alice.post("/session/refresh").status_code == 200
        assert alice.cookies["sRefreshToken"] != old
        assert alice.get("/getHomeFeed").status_code == 200
        assert alice.post("/signout").json() == {"status": "OK"}
        assert not alice.cookies
