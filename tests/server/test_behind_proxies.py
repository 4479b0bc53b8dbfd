"""The service behind nginx and HAProxy: what they let through hides nothing, and they are told who called
(security: S77, S83)."""

import socket

import httpx
import pytest

from tests.server.running import PATIENCE, running, until
from tests.server.test_framing import HIDDEN, REFUSED, TAKEN
from tests.support.proxies import haproxy, nginx

LAST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PROXIES = {"nginx": nginx, "haproxy": haproxy}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    with running(folder, RESEAL_FAILURES_PER_MINUTE="0", RESEAL_TRUSTED_PROXIES="127.0.0.1") as service:
        yield service


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request, service, tmp_path_factory):
    with PROXIES[request.param](tmp_path_factory.mktemp("proxy"), service.port) as port:
        yield port


@pytest.mark.parametrize("how", REFUSED | TAKEN)
def test_the_service_answers_what_the_proxy_asked_and_nothing_else(service, proxy, how):
    before = handled(service)
    with socket.create_connection(("127.0.0.1", proxy), timeout=PATIENCE) as connection:
        connection.sendall((REFUSED | TAKEN)[how] + LAST)
        answers = read_to_end(connection)
    assert answers.startswith(b"HTTP/1.1 ")
    asked = handled(service) - before
    assert asked == answers.lower().count(b"\r\nx-request-id:"), "an answer that nobody waited for"
    if how in {"a length", "chunks"}:
        assert asked == 2


def test_a_hidden_request_of_one_caller_is_not_answered_to_the_next(service, proxy):
    for raw in REFUSED.values():
        with socket.create_connection(("127.0.0.1", proxy), timeout=PATIENCE) as connection:
            connection.sendall(raw + HIDDEN)
            with socket.create_connection(("127.0.0.1", proxy), timeout=PATIENCE) as other:
                other.sendall(LAST)
                answer = read_to_end(other)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\nHello\n")


def test_the_address_in_the_log_is_that_before_the_proxy(service, proxy):
    for claimed in ("203.0.113.9", "unknown", "2001:db8::1, 198.51.100.7"):
        mark = f"{proxy}-{claimed[:3]}"
        httpx.get(f"http://127.0.0.1:{proxy}/hello", headers={"x-forwarded-for": claimed, "x-request-id": mark})
        [line] = until(lambda mark=mark: service.lines(correlation_id=mark))
        # this test calls from loopback too, which is trusted, so what it claims is what a proxy before it would say
        assert line["ip"] == {"unknown": None}.get(claimed, claimed.rpartition(", ")[2])


def handled(service):
    """Give how many requests were answered, but for the proxies' probes."""
    return sum(count for name, count in service.handled().items() if name != "readyz")


def read_to_end(connection):
    answers = b""
    try:
        while piece := connection.recv(65536):
            answers += piece
    except ConnectionResetError:
        pass  # hung up on while more was under way
    return answers
