"""The service over its own HTTP and over uvicorn's: the same answers, except for the limits."""

import http.client
import json
import signal
import ssl

import pytest

from tests.server.running import PATIENCE, running
from tests.server.test_framing import BODY, CHUNKED, HIDDEN, INSIDE, TAKEN, one_answer, post, statuses
from tests.support.certificates import Authority

BOTH = ("strict", "uvicorn")
CREATE = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}


@pytest.fixture(scope="module", params=BOTH)
def service(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), RESEAL_HTTP=request.param) as service:
        yield service


def call(connection, method, path, body=None):
    connection.request(method, path, None if body is None else json.dumps(body), {"cdi-version": "5.4"})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_a_session_lives_and_ends_over_one_connection(service):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    status, headers, created = call(connection, "POST", "/recipe/session", CREATE | {"useDynamicSigningKey": True})
    assert (status, headers["x-request-id"] is None, headers["date"] is None) == (200, False, False)
    handle = json.loads(created)["session"]["handle"]
    token = {"refreshToken": json.loads(created)["refreshToken"]["token"], "enableAntiCsrf": False}
    socket = connection.sock
    status, _, refreshed = call(connection, "POST", "/recipe/session/refresh", token | {"useDynamicSigningKey": True})
    assert (status, json.loads(refreshed)["status"]) == (200, "OK")
    _, _, removed = call(connection, "POST", "/recipe/session/remove", {"sessionHandles": [handle]})
    assert json.loads(removed)["sessionHandlesRevoked"] == [handle]
    assert connection.sock is socket, "the connection was kept"
    status, headers, body = call(connection, "HEAD", "/hello")
    assert (status, int(headers["content-length"]) > 0, body) == (200, True, b"")
    assert call(connection, "GET", "/nowhere")[0] == 404
    connection.close()


@pytest.mark.parametrize("how", TAKEN)
def test_a_request_whose_end_is_clear_is_answered_and_so_is_the_next(service, how):
    with service.connect() as connection:
        connection.sendall(TAKEN[how])
        assert statuses(one_answer(connection)) == [400]  # there is no userId in it
        if "HTTP/1.0" not in how:
            connection.sendall(HIDDEN)
            assert statuses(one_answer(connection)) == [200]


def test_requests_that_come_together_are_answered_in_their_order(service):
    with service.connect() as connection:
        connection.sendall(INSIDE + HIDDEN * 2)
        assert [statuses(one_answer(connection)) for _ in range(3)] == [[400], [200], [200]]


def test_a_request_with_two_ends_is_refused(service):
    with service.connect() as connection:
        connection.sendall(post(b"Content-Length: 2\r\n" + CHUNKED, BODY + HIDDEN))
        assert statuses(b"".join(iter(lambda: connection.recv(65536), b""))) == [400]


def test_too_long_a_body_is_refused(service):
    with service.connect() as connection:
        connection.sendall(post(b"Content-Length: 9000000\r\n"))
        assert statuses(one_answer(connection)) == [413]


def test_tls_is_spoken_and_the_service_ends_at_sigterm_with_uvicorns_connections(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue()
    files = {"RESEAL_TLS_CERTIFICATE_FILE": str(certificate), "RESEAL_TLS_KEY_FILE": str(key)}
    with running(tmp_path, RESEAL_HTTP="uvicorn", **files) as service:
        trust = ssl.create_default_context(cafile=authority.file)
        connection = http.client.HTTPSConnection("localhost", service.port, timeout=PATIENCE, context=trust)
        assert call(connection, "GET", "/hello")[0] == 200
        connection.close()
        service.tell(signal.SIGTERM)
        assert service.ended() == 0
