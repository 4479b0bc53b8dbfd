"""Requests whose end is in doubt, as bytes on a socket: nothing hides behind them (security: S83)."""

from __future__ import annotations

import re

import pytest

from tests.server.running import running

pytestmark = pytest.mark.own_http

HIDDEN = b"GET /apiversion HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""What an attacker would like to have answered as a request of somebody else."""
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BODY = b"2\r\n{}\r\n0\r\n\r\n"


def post(headers, body=b"{}", version=b"1.1"):
    return b"POST /recipe/session HTTP/%b\r\nHost: localhost\r\n%b\r\n%b" % (version, headers, body)


def chunks(body):
    return post(CHUNKED, body + HIDDEN)


def get(headers, line=b"GET /hello HTTP/1.1\r\n"):
    return line + headers


REFUSED = {
    "a length and chunks": post(b"Content-Length: 2\r\n" + CHUNKED, BODY + HIDDEN),
    "chunks and a length": post(CHUNKED + b"Content-Length: 2\r\n", BODY + HIDDEN),
    "chunked twice": post(CHUNKED + CHUNKED, BODY + HIDDEN),
    "chunked and something else": post(CHUNKED + b"Transfer-Encoding: x\r\n", BODY + HIDDEN),
    "something else and chunked": post(b"Transfer-Encoding: x\r\n" + CHUNKED, BODY + HIDDEN),
    "two codings": post(b"Transfer-Encoding: gzip, chunked\r\n", BODY + HIDDEN),
    "two codings, the other way round": post(b"Transfer-Encoding: chunked, gzip\r\n", BODY + HIDDEN),
    "chunked twice in a line": post(b"Transfer-Encoding: chunked, chunked\r\n", BODY + HIDDEN),
    "a coding nobody knows": post(b"Transfer-Encoding: xchunked\r\n", BODY + HIDDEN),
    "identity": post(b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n", b"{}" + HIDDEN),
    "a quoted coding": post(b'Transfer-Encoding: "chunked"\r\n', BODY + HIDDEN),
    "a coding behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", BODY + HIDDEN),
    "a coding and a comma": post(b"Transfer-Encoding: chunked,\r\n", BODY + HIDDEN),
    "no coding": post(b"Transfer-Encoding:\r\nContent-Length: 2\r\n", b"{}" + HIDDEN),
    "chunks in HTTP/1.0": post(CHUNKED, BODY + HIDDEN, b"1.0"),
    "a space before the colon": post(b"Transfer-Encoding : chunked\r\n", BODY + HIDDEN),
    "a space before the length's colon": post(b"Content-Length : 2\r\n", b"{}" + HIDDEN),
    "a space before the name": post(b" Transfer-Encoding: chunked\r\n", BODY + HIDDEN),
    "a folded line": post(b"Content-Length: 2\r\nX: a\r\n b\r\n"),
    "a line folded with a tab": post(b"Content-Length: 2\r\nX: a\r\n\tb\r\n"),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked\r\n", BODY + HIDDEN),
    "a folded first line": get(b" X: y\r\nHost: localhost\r\n\r\n"),
    "a bare line feed after the length": post(b"Content-Length: 2\n"),
    "a bare line feed in a header": post(b"Content-Length: 2\r\nX: a\nContent-Length: 50\r\n", b"{}" + HIDDEN),
    "a bare line feed after the request line": get(b"Host: localhost\r\n\r\n", b"GET /hello HTTP/1.1\n"),
    "a bare line feed at the end of the head": get(b"Host: localhost\r\n\n"),
    "bare line feeds alone": get(b"Host: localhost\n\n", b"GET /hello HTTP/1.1\n"),
    "a bare carriage return": post(b"Content-Length: 2\r\nX: a\rY: b\r\n"),
    "a carriage return too many": get(b"Host: localhost\r\r\n\r\n"),
    "bare carriage returns alone": get(b"Host: localhost\r\r", b"GET /hello HTTP/1.1\r"),
    **{
        f"the length {length.decode('latin-1')!r}": post(b"Content-Length: %b\r\n" % length, b"{}" + HIDDEN)
        for length in (b"", b"+2", b"-2", b"0x2", b"2 2", b"2, 2", b"2, 3", b"2e0", b"0_2", b"2.0", b"\xd9\xa2", b'"2"')
    },
    "a length beyond all numbers": post(b"Content-Length: 18446744073709551618\r\n", b"{}" + HIDDEN),
    "the same length twice": post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}" + HIDDEN),
    "two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}" + HIDDEN),
    "a chunk's size before a bare line feed": chunks(b"2\n{}\r\n0\r\n\r\n"),
    "a chunk before a bare line feed": chunks(b"2\r\n{}\n0\r\n\r\n"),
    "the last size before a bare line feed": chunks(b"2\r\n{}\r\n0\n\r\n"),
    "chunks that end in a bare line feed": chunks(b"2\r\n{}\r\n0\r\n\n"),
    **{
        f"the chunk size {size.decode()!r}": chunks(b"%b\r\n{}\r\n0\r\n\r\n" % size)
        for size in (b"", b"0x2", b"+2", b"-2", b" 2", b"2 ", b"10000000000000002", b"2;a\rx", b"2;a\nx")
    },
    "a chunk without an end": chunks(b"2\r\n{}XX0\r\n\r\n"),
    "a chunk longer than it says": chunks(b"2\r\n{}X\r\n0\r\n\r\n"),
    "a length behind the chunks": chunks(b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "no host": get(b"\r\n"),
    "two hosts": get(b"Host: localhost\r\nHost: localhost\r\n\r\n"),
    "a fragment in the target": get(b"Host: localhost\r\n\r\n", b"GET /hello#/apiversion HTTP/1.1\r\n"),
    "a version nobody knows": get(b"Host: localhost\r\n\r\n", b"GET /hello HTTP/1.2\r\n"),
    "a header without a colon": post(b"Content-Length: 2\r\nX\r\n"),
    "a header without a name": post(b"Content-Length: 2\r\n: a\r\n"),
    "a zero byte in a name": post(b"Content-Length: 2\r\nX\x00: a\r\n"),
    "a zero byte in a value": post(b"Content-Length: 2\r\nX: \x00a\r\n"),
}
TAKEN = {
    "a length": post(b"Content-Length: 2\r\n"),
    "chunks": post(CHUNKED, BODY),
    "chunks in capitals": post(b"TRANSFER-ENCODING:\tCHUNKED\r\n", BODY),
    "a chunk with an extension": post(CHUNKED, b"2;a=b\r\n{}\r\n0\r\n\r\n"),
    "a header behind the chunks": post(CHUNKED, b"2\r\n{}\r\n0\r\nX: y\r\n\r\n"),
    "HTTP/1.0 with a length": post(b"Content-Length: 2\r\nConnection: keep-alive\r\n", version=b"1.0"),
}
INSIDE = post(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN)
"""A request in the body of another is a body."""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), RESEAL_FAILURES_PER_MINUTE="0") as service:
        yield service


@pytest.mark.parametrize("how", REFUSED)
def test_a_request_whose_end_is_in_doubt_is_refused_and_the_connection_closed(service, how):
    before, refused = service.handled(), service.refused(400)
    with service.connect() as connection:
        connection.sendall(REFUSED[how])
        answers = b"".join(iter(lambda: connection.recv(65536), b""))  # until it is closed
    assert statuses(answers) == [400]
    after = service.handled()
    assert service.refused(400) == refused + 1
    assert after.get("apiversion", 0) == before.get("apiversion", 0)
    assert sum(after.values()) <= sum(before.values()) + 1, "one request was sent, and at most its head was believed"


@pytest.mark.parametrize("how", TAKEN)
def test_a_request_whose_end_is_clear_is_answered_and_so_is_the_next(service, how):
    before = service.handled()
    with service.connect() as connection:
        connection.sendall(TAKEN[how])
        assert statuses(one_answer(connection)) == [400]  # there is no userId in it
        if "HTTP/1.0" not in how:
            connection.sendall(HIDDEN)
            assert statuses(one_answer(connection)) == [200]
    assert sum(service.handled().values()) == sum(before.values()) + 1 + ("HTTP/1.0" not in how)


def test_a_request_in_the_body_of_another_is_a_body(service):
    before = service.handled().get("apiversion", 0)
    with service.connect() as connection:
        connection.sendall(INSIDE + HIDDEN)
        assert statuses(one_answer(connection) + one_answer(connection)) == [400, 200]
    assert service.handled()["apiversion"] == before + 1


def test_who_sends_what_is_no_http_does_not_fill_the_log(service):
    said = len(service.log())
    for raw in REFUSED.values():
        with service.connect() as connection:
            connection.sendall(raw)
            while connection.recv(65536):
                pass
    assert "Invalid HTTP" not in service.log()[said:]


def statuses(answers):
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answers, re.MULTILINE)]


def one_answer(connection):
    """Read one answer with its body, byte by byte, so that nothing is taken of the next."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += take(connection, 1)
    return answer + take(connection, int(re.search(rb"content-length: (\d+)", answer)[1]))


def take(connection, count):
    taken = b""
    while len(taken) < count:
        piece = connection.recv(count - len(taken))
        assert piece, "closed too early"
        taken += piece
    return taken


def test_whole_requests_before_one_that_is_refused_get_their_own_answers(service):
    before = service.handled().get("apiversion", 0)
    with service.connect() as connection:
        connection.sendall(HIDDEN + HIDDEN + b"GET /apiversion ocalhost\r\n\r\n")
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(answers) == [200, 200, 400]
    assert service.handled()["apiversion"] == before + 2


def test_a_request_that_breaks_in_its_body_is_refused_after_the_answers_to_those_before_it(service):
    before = service.handled().get("apiversion", 0)
    with service.connect() as connection:
        connection.sendall(HIDDEN + post(CHUNKED, b"2\r\n{}XX0\r\n\r\n"))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(answers) == [200, 400]
    assert service.handled()["apiversion"] == before + 1
