"""nginx and HAProxy as Debian has them, in front of services on loopback, with what they need in a folder of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_header_timeout 1s;
    client_body_timeout 1s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream services {{ {servers} keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location {prefix}/ {{
            proxy_pass http://services{stripping};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host localhost;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""
HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 2s
    timeout client {client_seconds}s
    timeout server 30s
    timeout check 30s
    option redispatch
    option forwardfor
frontend in
    bind 127.0.0.1:{port}
    default_backend services
backend services
{rewrite}
    option httpchk
    http-check send meth GET uri {ready} ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    default-server check inter 100ms fall 1 rise 1
{servers}
"""
PATIENCE = 30


@contextmanager
def nginx(folder: Path, *ports: int, prefix: str = "", ready: str = "/readyz") -> Iterator[int]:
    """Run nginx in front of services; give its port. It takes ``prefix`` off the paths that it passes on."""
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in ports)
    config = folder / "nginx.conf"
    stripping = "/" if prefix else ""
    config.write_text(NGINX.format(folder=folder, port=port, servers=servers, prefix=prefix, stripping=stripping))
    with _running(
        [_program("nginx"), "-p", str(folder), "-c", str(config), "-e", str(folder / "nginx.log")], port, ready
    ):
        yield port


@contextmanager
def haproxy(
    folder: Path, *ports: int, client_seconds: int = 1, prefix: str = "", ready: str = "/readyz"
) -> Iterator[int]:
    """Run HAProxy in front of services; give its port. It sends nothing to one that is not ready.

    It takes ``prefix`` off the paths that it passes on.
    """
    port = free_port()
    servers = "\n".join(f"    server s{each} 127.0.0.1:{each}" for each in ports)
    config = folder / "haproxy.cfg"
    given = {
        "rewrite": rf"    http-request replace-path {prefix}(/.*) \1" if prefix else "",
        "ready": ready.removeprefix(prefix),
    }
    config.write_text(HAPROXY.format(port=port, servers=servers, client_seconds=client_seconds, **given))
    with _running([_program("haproxy"), "-db", "-f", str(config)], port, ready):
        yield port


@contextmanager
def _running(command: list[str], port: int, ready: str) -> Iterator[None]:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(port, ready):
            assert child.poll() is None, child.communicate()[1].decode()
            assert time.monotonic() < deadline, "the proxy does not answer"
            time.sleep(0.05)
        yield
    finally:
        child.terminate()
        child.communicate(timeout=PATIENCE)


def _answers(port: int, ready: str) -> bool:
    """Tell whether a request gets through to a service."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {ready} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install {name}")
    return found
