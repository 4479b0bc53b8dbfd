"""What ``./run example`` says to somebody who starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.support.ports import free_port

COMMAND = [sys.executable, "-m", "examples.fastapi_feed"]


def refusal(*options, **environ):
    """Give the one message of a start that fails."""
    told = {"PATH": "/usr/bin:/bin", "RESEAL_DATABASE_URI": "memory:", **environ}
    done = subprocess.run(
        [*COMMAND, *options], cwd=ROOT, env=told, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "Open " not in done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_that_is_taken_is_told_with_the_option_that_chooses_another():
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        [line] = refusal("--port", str(port)).splitlines()
    assert f"Port {port} cannot be used" in line
    assert "--port" in line


@pytest.mark.parametrize("port", ["70000", "0", "-1", "http", "٣", ""])
def test_what_is_no_port_is_told_by_the_name_of_what_was_set(port):
    assert refusal(f"--port={port}").startswith("--port: ")
    if port:
        assert refusal(PORT=port).startswith("PORT: ")


def test_a_database_that_cannot_be_written_is_told_without_a_traceback(tmp_path):
    (tmp_path / "feed.db").mkdir()
    told = refusal("--port", str(free_port()), RESEAL_DATABASE_URI=f"sqlite:///{tmp_path}/feed.db")
    assert f"database_uri: {tmp_path}/feed.db cannot be opened for writing" in told


def test_the_address_is_shown_when_it_answers():
    port, environ = free_port(), {"PATH": "/usr/bin:/bin", "RESEAL_DATABASE_URI": "memory:"}
    command = [*COMMAND, "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as example:
        try:
            shown = next(line.split()[1] for line in example.stdout if line.strip().startswith("Open "))
            assert shown == f"http://localhost:{port}"
            assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        finally:
            example.terminate()
