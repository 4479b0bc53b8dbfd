"""A message reaches its endpoint and nothing else: checked addresses, no redirects, bounded time and size."""

import asyncio
import logging
import socket
import ssl
from contextlib import asynccontextmanager

import pytest

from reseal.webhooks.addresses import is_public
from reseal.webhooks.answers import PATIENCE, Answer, retry_after
from reseal.webhooks.sending import READ_MOST, HttpSender
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.webhooks.material import endpoint

NOW = 1_700_000_000_000
HEADERS = {"webhook-id": "1", "webhook-timestamp": "2", "webhook-signature": "v1,abc="}


class Server:
    """Answers each request on a connection with the same bytes."""

    def __init__(self, answer=b"HTTP/1.1 204 No Content\r\n\r\n"):
        self.answer = answer
        self.requests = []
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                self.requests.append((head.decode(), await reader.readexactly(size)))
                if self.answer is None:
                    await reader.read()
                    return
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(server, context=None, host="127.0.0.1"):
    listening = await asyncio.start_server(server.serve, host, 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def attempt(url, resolve=None, times=1, **changes):
    sender = HttpSender(endpoint(url=url, **({"allow_private_addresses": True, "timeout": 5} | changes)), resolve)
    try:
        for _ in range(times):
            answer = await sender.send(b'{"a":1}', HEADERS, NOW)
        return answer
    finally:
        await sender.close()


def names(**addresses):
    async def resolve(host, port):
        return addresses[host.partition(".")[0]]

    return resolve


async def test_the_message_is_posted_as_it_was_signed():
    server = Server()
    async with running(server) as port:
        answer = await attempt(f"http://hooks.example:{port}/in?a=b%20c", names(hooks=["127.0.0.1"]))
    assert answer == Answer(204)
    [(head, body)] = server.requests
    lines = head.split("\r\n")
    assert lines[0] == "POST /in?a=b%20c HTTP/1.1"
    assert body == b'{"a":1}'
    assert {line.lower() for line in lines} >= {
        f"host: hooks.example:{port}",
        "content-type: application/json",
        "webhook-id: 1",
        "webhook-timestamp: 2",
        "webhook-signature: v1,abc=",
    }


async def test_nothing_is_logged_of_the_url_and_no_cookie_is_sent_back(caplog):
    server = Server(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n")
    async with running(server) as port:
        with caplog.at_level(logging.DEBUG):
            await attempt(f"http://127.0.0.1:{port}/canary-path?canary-query", times=2)
    assert "canary" not in caplog.text
    assert [head for head, _ in server.requests if "cookie" in head.lower()] == []


async def test_a_connection_is_used_again_also_after_a_long_answer():
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n" + b"x" * 20_000)
    async with running(server) as port:
        assert await attempt(f"http://127.0.0.1:{port}/", times=3) == Answer(200)
    assert (len(server.requests), server.connections) == (3, 1)


async def test_of_an_endless_answer_only_the_beginning_is_read():
    size = 100 * READ_MOST
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1000 * size) + b"x" * size)
    async with running(server) as port:
        assert await attempt(f"http://127.0.0.1:{port}/", times=2) == Answer(200)
    assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_failures_and_not_followed(status):
    target = Server()
    async with running(target) as other:
        server = Server(
            f"HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:{other}/\r\ncontent-length: 0\r\n\r\n".encode()
        )
        async with running(server) as port:
            answer = await attempt(f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.is_success) == (status, False)
    assert target.requests == []


async def test_a_slow_endpoint_is_given_up_in_time():
    server = Server(None)
    async with running(server) as port:
        answer = await attempt(f"http://127.0.0.1:{port}/", timeout=0.05)
    assert answer == Answer(problem="no answer within 0.05 seconds")
    assert len(server.requests) == 1


async def test_an_endpoint_that_is_down_is_an_answer_too():
    assert await attempt(f"http://127.0.0.1:{free_port()}/") == Answer(problem="not reached (ConnectError)")
    assert (await attempt("http://nowhere.invalid/", no_host)).problem == "not reached (gaierror)"


async def no_host(host, port):
    raise socket.gaierror(socket.EAI_NONAME, "not known")


async def test_what_is_no_http_is_an_answer_too():
    server = Server(b"220 mail ready\r\n\r\n")
    async with running(server) as port:
        assert (await attempt(f"http://127.0.0.1:{port}/")).problem == "not reached (RemoteProtocolError)"


async def test_the_time_to_wait_is_read():
    server = Server(b"HTTP/1.1 429 x\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n")
    async with running(server) as port:
        assert await attempt(f"http://127.0.0.1:{port}/") == Answer(429, 120_000)


# -- addresses ------------------------------------------------------------------------------------------------------


async def test_private_addresses_get_nothing_unless_they_are_allowed():
    server = Server()
    async with running(server) as port:
        for url, resolve in (
            (f"https://127.0.0.1:{port}/", None),
            (f"https://localhost:{port}/", None),
            (f"https://hooks.example:{port}/", names(hooks=["127.0.0.1", "10.1.2.3", "::1"])),
        ):
            answer = await attempt(url, resolve, allow_private_addresses=False)
            assert answer.problem == "its host has no public address; allow_private_addresses allows others"
    assert server.connections == 0


async def test_the_connection_goes_to_the_checked_address_even_if_the_name_means_another_one_by_now(monkeypatch):
    """The name is asked once; a second question would be answered with another address."""
    server = Server()
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    def fail(*_args, **_options):
        raise AssertionError("the name was looked up once more")

    async with running(server) as port:
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def numeric_only(host, *rest, **options):
            assert host == "127.0.0.1"
            return await real(host, *rest, **options)

        monkeypatch.setattr(loop, "getaddrinfo", numeric_only)
        monkeypatch.setattr(socket, "gethostbyname", fail)
        assert await attempt(f"http://hooks.example:{port}/", resolve) == Answer(204)
    assert asked == ["hooks.example"]


async def test_the_next_address_is_tried_if_the_first_does_not_answer():
    server = Server()
    async with running(server) as port:
        assert await attempt(f"http://hooks.example:{port}/", names(hooks=["127.0.0.9", "127.0.0.1"])) == Answer(204)


async def test_addresses_of_the_sixth_version_work():
    server = Server()
    async with running(server, host="::1") as port:
        assert await attempt(f"http://hooks.example:{port}/", names(hooks=["::1"])) == Answer(204)
        assert await attempt(f"http://[::1]:{port}/") == Answer(204)


async def test_over_tls_the_certificate_has_to_be_that_of_the_name(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("hooks.example"))
    server = Server()
    async with running(server, context) as port:
        untrusted = await attempt(f"https://hooks.example:{port}/", names(hooks=["127.0.0.1"]))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        trusted = await attempt(f"https://hooks.example:{port}/", names(hooks=["127.0.0.1"]))
        other = await attempt(f"https://other.example:{port}/", names(other=["127.0.0.1"]))
    assert untrusted == other == Answer(problem="not reached (ConnectError)")
    assert trusted == Answer(204)
    assert len(server.requests) == 1


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
        "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "64:ff9b:1::a00:1",
        "::127.0.0.1", "fec0::1", "2001:0:7f00:1::1", "4000::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


# -- Retry-After ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("0", 0),
        ("120", 120_000),
        ("9" * 100, PATIENCE),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60_000),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60_000),
        ("Tue, 14 Nov 2023 20:00:00 GMT", 0),
        ("Tue, 14 Nov 2090 20:00:00 GMT", PATIENCE),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
        ("Tue, 99 Nov 2023 22:14:20 GMT", None),
    ],
)
def test_the_time_to_wait(text, expected):
    assert retry_after(text, NOW) == expected
