"""Events reach syslog servers, each message whole and by itself, whatever is in them."""

import asyncio
import re
import socket
import ssl

import pytest

from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.events import Event, EventName
from reseal.core.model import Device, Scope
from reseal.core.syslog import Framing, SyslogEndpoint
from reseal.core.webhooks import TYPES
from reseal.testing import ManualClock
from reseal.testing.material import USER_IDS
from reseal.webhooks.delivering import POLL
from reseal.webhooks.syslog import Syslog
from reseal.webhooks.syslog_sending import SyslogSender
from tests.support.certificates import Authority
from tests.support.mortal import Killed, Mortal
from tests.support.ports import free_port
from tests.webhooks.material import HOUR, MINUTE, SECOND, report, worker
from tests.webhooks.syslog_server import listening, parse

AT = 1_700_000_000_001
LEASE = 15 * SECOND
INJECTION = 'al"ice] \\ \n<34>1 - - - - - - forged \r\x00\x1b[31m \x85\u2028 [x@1 a="b"]'


def server_at(url, **changes):
    return SyslogEndpoint(**({"name": "siem", "url": url, "timeout": 5} | changes))


def event(name=EventName.SESSION_REVOKED, **changes):
    given = {"at": AT, "scope": Scope("shop", "eu"), "session_handle": "h1", "user_id": "alice", "id": "ab" * 16}
    return Event(name, **(given | {"reason": "signed_out"} | changes))


def packed(happened, **changes):
    form = Syslog(server_at("udp://127.0.0.1", **changes))
    [message] = asyncio.run(form.messages(happened, HOUR))
    return form.packed(message, AT + HOUR)[0]


# -- messages -------------------------------------------------------------------------------------------------------


def test_a_message_has_the_facts_as_structured_data_and_a_text():
    found = parse(packed(event(by="user:alice", correlation_id="request-1", device=Device("203.0.113.9", "Firefox"))))
    assert found == (
        86,
        "2023-11-14T22:13:20.001Z",
        "reseal",
        "session.revoked",
        "reseal@32473",
        {
            "id": "ab" * 16,
            "app_id": "shop",
            "tenant_id": "eu",
            "session_handle": "h1",
            "user_id": "alice",
            "reason": "signed_out",
            "by": "user:alice",
            "correlation_id": "request-1",
        },
        'session.revoked user_id="alice" session_handle="h1" reason="signed_out"',
    )


def test_facility_names_and_addresses_are_configured():
    changes = {"facility": "local7", "app_name": "shop-sessions", "structured_data_id": "sessions@99.1"}
    device = {"device": Device("203.0.113.9", "Firefox"), "other_device": Device("198.51.100.1", "curl")}
    found = parse(packed(event(EventName.TOKEN_THEFT, **device), client_addresses=True, **changes))
    assert (found.priority, found.app, found.element) == (8 * 23 + 2, "shop-sessions", "sessions@99.1")
    assert found.facts["ip"] == "203.0.113.9"
    assert found.facts["other_user_agent"] == "curl"
    assert "203.0.113.9" not in packed(event(EventName.TOKEN_THEFT, **device)).decode()


@pytest.mark.parametrize("name", TYPES)
def test_each_event_has_its_severity(name):
    severity = {
        "token_theft": 2,
        "store_rolled_back": 3,
        "session_in_step": 4,
        "new_device": 5,
        "impersonation_begun": 5,
    }.get(name.value, 6)
    assert parse(packed(event(name))).priority == 80 + severity


@pytest.mark.parametrize(
    "user_id", [*USER_IDS, INJECTION, "a\\", 'a"', "a]", "\\]" * 256], ids=lambda each: ascii(each)[:30]
)
def test_nothing_in_an_event_leaves_its_parameter(user_id):
    device = Device(user_id, user_id)
    found = parse(packed(event(user_id=user_id, by=user_id, device=device, other_device=device), client_addresses=True))
    shown = re.sub("[\x00-\x1f\x7f-\x9f\u2028]", "\ufffd", user_id)
    assert found.facts["user_id"] == shown
    assert found.facts["by"] == shown.encode()[:255].decode("utf-8", "ignore")
    assert len(found.facts) == 11


def test_the_longest_message_is_one_that_servers_take():
    longest = "\U0001d535" * 512
    device = Device(longest[:64], longest)
    happened = event(
        user_id=longest, by=longest, session_handle=longest, correlation_id=longest, device=device, other_device=device
    )
    assert len(packed(happened, client_addresses=True)) < 8192
    quoted = event(
        user_id='"' * 512, by='"' * 512, device=Device("1" * 64, '"' * 512), other_device=Device("1", '"' * 512)
    )
    assert len(packed(quoted, client_addresses=True)) < 8192


# -- transports -----------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def tls_context(authority, *, demands=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    if demands:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def sent(endpoint, lines, resolver=None):
    sender = SyslogSender(endpoint, *([resolver] if resolver else []))
    try:
        return [await sender.send(line, {}, AT) for line in lines]
    finally:
        await sender.close()


LINES = [packed(event(id=f"{n:032x}", user_id=INJECTION)) for n in range(5)]


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("kind", ["udp", "tcp", "tls", "unix", "unix-stream"])
async def test_messages_arrive_one_by_one_over_every_transport(tmp_path, authority, kind, framing):
    context = tls_context(authority) if kind == "tls" else None
    async with listening(kind, tmp_path, context=context) as server:
        endpoint = server_at(server.url, framing=framing, authority_file=str(authority.file))
        answers = await sent(endpoint, LINES)
        await server.until(5)
    assert [answer.is_success for answer in answers] == [True] * 5
    assert server.ids() == [f"{n:032x}" for n in range(5)]
    assert server.problems == []
    assert len(server.connections) == (0 if kind in {"udp", "unix"} else 1)


async def test_many_messages_at_once_are_not_mixed(tmp_path):
    async with listening("tcp", tmp_path) as server:
        sender = SyslogSender(server_at(server.url))
        answers = await asyncio.gather(*(sender.send(line * 1, {}, AT) for line in LINES * 20))
        await server.until(100)
        await sender.close()
    assert all(answer.is_success for answer in answers)
    assert (server.problems, len(server.connections)) == ([], 1)


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix"])
async def test_a_server_that_is_down_is_an_answer(tmp_path, kind):
    url = f"unix://{tmp_path}/nobody" if kind == "unix" else f"{kind}://127.0.0.1:{free_port()}"
    [first, second] = await sent(server_at(url), LINES[:2])
    assert not first.is_success
    assert not second.is_success
    assert first.problem.startswith("not reached (")


async def test_a_connection_that_the_server_closed_is_opened_again(tmp_path):
    async with listening("tcp", tmp_path) as server:
        sender = SyslogSender(server_at(server.url))
        assert (await sender.send(LINES[0], {}, AT)).is_success
        await server.until(1)
        server.connections[0].close()
        await server.connections[0].wait_closed()
        await asyncio.sleep(0.01)
        assert (await sender.send(LINES[1], {}, AT)).is_success
        await server.until(2)
        await sender.close()
    assert len(server.connections) == 2


async def test_a_server_that_does_not_read_is_given_up_in_time(tmp_path):
    ends = asyncio.Event()

    async def sleeping(_, writer):
        await ends.wait()
        writer.transport.abort()

    streams = await asyncio.start_server(sleeping, "127.0.0.1", 0, limit=1)
    url = f"tcp://127.0.0.1:{streams.sockets[0].getsockname()[1]}"
    [answer] = await sent(server_at(url, timeout=0.2), [b"x" * 50_000_000])
    ends.set()
    streams.close()
    await asyncio.sleep(0.01)
    assert answer.problem == "not taken within 0.2 seconds"


async def test_what_a_server_has_not_taken_yet_is_not_delivered(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.listen()  # the kernel connects, and nobody reads
        sender = SyslogSender(server_at(f"unix://{tmp_path}/log", timeout=0.2))
        answers = await asyncio.gather(*(sender.send(line, {}, AT) for line in LINES))
        await sender.close()
    assert [answer.is_success for answer in answers] == [False] * 5


@pytest.mark.parametrize("kind", ["unix", "unix-stream"])
async def test_a_local_server_that_was_restarted_gets_the_next_message_but_one(tmp_path, kind):
    async with listening(kind, tmp_path) as server:
        sender = SyslogSender(server_at(server.url))
        assert (await sender.send(LINES[0], {}, AT)).is_success
        await server.until(1)
    assert not (await sender.send(LINES[1], {}, AT)).is_success
    (tmp_path / "log").unlink(missing_ok=True)
    async with listening(kind, tmp_path) as server:
        assert (await sender.send(LINES[1], {}, AT)).is_success
        await server.until(1)
        await sender.close()


async def test_datagrams_follow_the_name_of_the_host(tmp_path):
    where = ["127.0.0.2"]

    async def names(host, port):
        return where

    async with listening("udp", tmp_path) as server:
        sender = SyslogSender(server_at(server.url.replace("127.0.0.1", "logs.example.com")), names)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as before:
            before.bind(("127.0.0.2", int(server.url.rpartition(":")[2])))
            assert (await sender.send(LINES[0], {}, AT)).is_success
            where[:] = ["127.0.0.1"]
            assert (await sender.send(LINES[1], {}, AT)).is_success
        await server.until(1)
        await sender.close()
    assert server.ids() == [f"{1:032x}"]


async def test_a_certificate_of_another_authority_or_host_is_refused(tmp_path, authority):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    async with listening("tls", tmp_path, context=tls_context(authority)) as server:
        [unknown] = await sent(server_at(server.url, authority_file=str(other.file)), LINES[:1])
        elsewhere = server_at(server.url.replace("localhost", "127.0.0.1"), authority_file=str(authority.file))
        [wrong] = await sent(elsewhere, LINES[:1])
    assert unknown.problem == wrong.problem == "not reached (SSLCertVerificationError)"
    assert server.got == []


async def test_a_server_may_demand_a_certificate(tmp_path, authority):
    certificate, key = authority.issue("reseal")
    ours = tmp_path / "ours.pem"
    ours.write_bytes(certificate.read_bytes() + key.read_bytes())
    async with listening("tls", tmp_path, context=tls_context(authority, demands=True)) as server:
        given = {"authority_file": str(authority.file), "certificate_file": str(ours)}
        [answer] = await sent(server_at(server.url, **given), LINES[:1])
        await server.until(1)
    assert answer.is_success


async def test_private_addresses_may_be_refused(tmp_path):
    async def names(host, port):
        return ["10.0.0.1", "127.0.0.1"]

    [answer] = await sent(server_at("tcp://logs.example.com", allow_private_addresses=False), LINES[:1], names)
    assert answer.problem == "its host has no public address; allow_private_addresses allows others"


async def test_the_next_address_is_tried(tmp_path):
    async def names(host, port):
        return ["127.0.0.9", "127.0.0.1"]

    async with listening("tcp", tmp_path) as server:
        url = server.url.replace("127.0.0.1", "logs.example.com")
        [answer] = await sent(server_at(url), LINES[:1], names)
        await server.until(1)
    assert answer.is_success


# -- delivery -------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request, clock, tmp_path):
    match request.param:
        case "memory":
            store = AsyncMemoryStore(clock)
        case "sqlite":
            store = AsyncSQLiteStore(tmp_path / "s.db", clock)
        case _:
            store = AsyncPostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
    await store.open()
    yield store
    await store.close()


async def rest(deliverer):
    while await deliverer.turn() < POLL:
        pass


async def spend(deliverer, clock, milliseconds, step=MINUTE):
    for _ in range(0, milliseconds, step):
        await rest(deliverer)
        clock.advance(step)
    await rest(deliverer)


async def test_nothing_is_lost_while_the_server_is_down_for_an_hour(store, clock, tmp_path):
    port = free_port()
    endpoint = server_at(f"tcp://127.0.0.1:{port}")
    sender = SyslogSender(endpoint)
    deliverer = worker(store, sender, to=endpoint)
    ids = [await report(store, n, f"h{n % 3}") for n in range(9)]
    await spend(deliverer, clock, HOUR, 5 * MINUTE)
    async with listening("tcp", tmp_path, port) as server:
        await spend(deliverer, clock, 2 * HOUR, 5 * MINUTE)
        await server.until(9)
        await sender.close()
    assert sorted(server.ids()) == sorted(ids)
    for n in range(3):
        assert [each.facts["id"] for each in server.got if each.facts["session_handle"] == f"h{n}"] == ids[n::3]
    assert (await store.purge_events(100)).removed == 9


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 3, 4, 6, 7])
async def test_a_worker_may_be_killed_at_any_call(store, clock, tmp_path, at, done):
    ids = [await report(store, n, f"h{n % 2}") for n in range(6)]
    async with listening("tcp", tmp_path) as server:
        endpoint = server_at(server.url)
        first, second = SyslogSender(endpoint), SyslogSender(endpoint)
        with pytest.raises(Killed):
            await rest(worker(Mortal(store, at=at, done=done), first, to=endpoint))
        await first.close()
        await spend(worker(store, second, "second", to=endpoint), clock, LEASE, SECOND)
        await server.until(6)
        await second.close()
    assert set(server.ids()) == set(ids)
    for n in range(2):
        once = dict.fromkeys(each.facts["id"] for each in server.got if each.facts["session_handle"] == f"h{n}")
        assert list(once) == ids[n::2]
