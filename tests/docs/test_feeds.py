"""``./run example NAME``: the small feed in each framework, from the sign-in to the sign-out."""

from __future__ import annotations

import os
import re
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
    kept = {name: os.environ[name] for name in ("PATH", "DATABASE") if name in os.environ}
    environ = {"RESEAL_DATABASE_URI": "memory:", **kept}
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


def test_the_site_of_django_is_there_with_login_form_and_admin(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE", f"{tmp_path}/site.db")
    page_of_ours = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "accept": "text/html"}
    with (
        started("examples.django_site") as site,
        httpx.Client(base_url=site, headers=page_of_ours, timeout=PATIENCE, trust_env=False) as admin,
    ):

        def send(path, page=None, **fields):
            form = admin.get(page or path)
            assert form.status_code == 200
            token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', form.text)[1]
            origin = {"origin": site, "referer": f"{site}{path}"}
            return admin.post(
                path, data={"csrfmiddlewaretoken": token, **fields}, headers=origin, follow_redirects=True
            )

        assert admin.get("/").headers["location"] == "/login/?next=/"
        assert "Signed in as" in send("/login/", username="admin", password="reseal").text
        assert "Your posts in this session: 1" in send("/", text="The first post").text
        assert "The first post" in admin.get("/").text
        assert "Site administration" in admin.get("/admin/").text
        assert admin.get("/static/admin/css/base.css").status_code == 200
        assert "<h1>Sign in</h1>" in send("/logout/", page="/").text
