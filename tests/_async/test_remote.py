"""Sessions over the network keep the promises of sessions, and those that only a network asks for."""

from __future__ import annotations

import pytest

from reseal._async.remote import AsyncRemote
from reseal._async.remote_hosts import REST
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.core.dpop import DpopRefused, Shown
from reseal.core.errors import (
    ConfigurationError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
)
from reseal.core.events import Caller, EventName
from reseal.core.model import Scope
from reseal.core.session_keys import PUBLICATION_LEAD
from reseal.correlation import correlated
from reseal.rpc.hosts import addresses
from reseal.settings import Settings
from reseal.testing._async.sessions_suite import AsyncSessionsSuite
from reseal.testing._async.world import API, AsyncWorld
from reseal.testing.material import MINUTE
from tests._async.serving import API_KEY, AsyncServed
from tests.support.device import Device
from tests.support.program import proof

HOSTS = "https://one:3567;https://two:3567"
SCOPES = (Scope("a", "public"), Scope("b", "public"), Scope("a", "b"))


class RemoteWorld(AsyncWorld):
    """Every sessions are a ``Remote`` to a service of its own over the data of this world."""

    trials = 500

    async def sessions(self, **changes):
        for scope in SCOPES:
            await self._make_store(self.clock).put_tenant(scope, b"{}")
        return await super().sessions(**changes)

    def make_sessions(self, settings, store):
        self.served = AsyncServed(store, self.clock, self.events)
        return AsyncRemote(settings, HOSTS, api_key=API_KEY, clock=self.clock, transport=self.served)


@pytest.fixture
async def world():
    kept = {}
    async with RemoteWorld(lambda clock: kept.setdefault("store", AsyncMemoryStore(clock))) as world:
        yield world


class TestOverAService(AsyncSessionsSuite):
    @pytest.fixture
    async def world(self):
        kept = {}
        async with RemoteWorld(lambda clock: kept.setdefault("store", AsyncMemoryStore(clock))) as world:
            yield world


async def test_verifying_asks_nobody(world):
    sessions = await world.sessions(enable_anti_csrf=True)
    pair = await sessions.create("user")
    world.served.requests.clear()
    for _ in range(100):
        await sessions.keep_fresh()
        assert sessions.verify(pair.access_token) == pair.claims
        assert sessions.check_anti_csrf(pair.claims, pair.anti_csrf)
    with pytest.raises(TryRefreshToken):
        sessions.verify(pair.access_token[:-2])
    assert world.served.requests == []


async def test_the_service_keeps_who_acts_and_why_where_the_caller_is_an_application(world):
    sessions = await world.sessions()
    own = await sessions.create("sam")
    act = {"sub": "sam", "sid": own.claims.sid}
    acted = await sessions.create("alice", {"act": act | {"reason": "ticket 4711"}})
    assert acted.claims.jwt_payload() == {"act": act}
    [event] = (await world.store.read_events("reader", 10)).events
    assert (event.name, event.session_handle) == (EventName.IMPERSONATION_BEGUN, acted.claims.sid)
    assert (event.user_id, event.by, event.note) == ("alice", "user:sam", "ticket 4711")


async def test_an_answer_that_another_call_was_meant_to_get_is_none(world):
    sessions = await world.sessions()
    alice, bob = await sessions.create("alice"), await sessions.create("bob")
    world.served.late = True  # as if two processes read from one connection
    calls = (
        lambda: sessions.get(bob.claims.sid),
        lambda: sessions.get(alice.claims.sid),
        lambda: sessions.get("nobody's"),
        lambda: sessions.refresh(alice.refresh_token),  # gets the refusal of the call before
        lambda: sessions.refresh(bob.refresh_token),
        lambda: sessions.revoke_user("alice"),
    )
    for call in calls:
        with pytest.raises(StoreUnavailable, match="is not one to this call"):
            await call()
    world.served.late = False
    assert (await sessions.refresh(bob.refresh_token)).claims.sub == "bob"
    assert await sessions.list_user("alice") == ()  # what was asked for was done, once


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
async def test_the_published_keys_are_read_whatever_their_algorithm(world, algorithm):
    sessions = await world.sessions(access_token_signing_algorithm=algorithm)
    pair = await sessions.create("user", {"role": "reader"})
    assert sessions.verify(pair.access_token).jwt_payload() == {"role": "reader"}
    assert [key["alg"] for key in sessions.jwks()["keys"]] == [algorithm]


async def test_a_key_is_known_before_it_signs(world):
    sessions, elsewhere = await world.sessions(), await world.sessions()
    kid = await sessions.rotate_keys()
    assert sessions.jwks()["keys"][0]["kid"] == kid
    assert kid.startswith("n-")
    world.clock.advance(PUBLICATION_LEAD)
    await elsewhere.keep_fresh()
    pair = await sessions.create("user")
    assert elsewhere.verify(pair.access_token) == pair.claims


async def test_hosts_take_turns_and_one_that_is_away_is_asked_last(world):
    sessions = await world.sessions()
    pair = await sessions.create("user")
    world.served.requests.clear()
    for _ in range(4):
        await sessions.check(pair.claims)
    assert [host for host, _ in world.served.requests] in (["one", "two"] * 2, ["two", "one"] * 2)
    world.served.away = {"one"}
    world.served.requests.clear()
    for _ in range(10):
        await sessions.create("user")
    assert [host for host, _ in world.served.requests].count("one") == 1
    assert len(await sessions.list_user("user")) == 11


async def test_a_host_that_is_about_to_leave_is_left_in_time(world):
    sessions = await world.sessions()
    world.served.leaving = {"one"}
    world.served.requests.clear()
    for _ in range(10):
        await sessions.create("user")
    assert [host for host, _ in world.served.requests].count("one") == 1
    world.served.leaving = set()
    world.clock.advance(REST)
    world.served.requests.clear()
    for _ in range(10):
        await sessions.create("user")
    assert [host for host, _ in world.served.requests].count("one") == 5


async def test_hosts_that_are_all_about_to_leave_are_asked_all_the_same(world):
    sessions = await world.sessions()
    world.served.leaving = {"one", "two"}
    for _ in range(4):
        await sessions.create("user")
    assert len(await sessions.list_user("user")) == 4


async def test_with_all_hosts_away_tokens_are_verified_and_nobody_is_signed_out(world):
    sessions = await world.sessions()
    pair = await sessions.create("user")
    world.served.away = {"one", "two"}
    world.served.requests.clear()
    with pytest.raises(StoreUnavailable):
        await sessions.refresh(pair.refresh_token)
    assert len(world.served.requests) == 4, "every host twice and no more"
    world.clock.advance(MINUTE)
    for _ in range(10):
        await sessions.keep_fresh()
    assert len(world.served.requests) == 8, "the keys were asked for once"
    assert sessions.verify(pair.access_token) == pair.claims
    world.served.away = set()
    await sessions.refresh(pair.refresh_token)


async def test_a_refresh_whose_answer_is_lost_is_sent_again_and_gives_one_successor(world):
    sessions = await world.sessions()
    pair = await sessions.create("user")
    world.served.lose = 1
    successor = await sessions.refresh(pair.refresh_token)
    assert (await sessions.refresh(pair.refresh_token)).refresh_token == successor.refresh_token
    assert len(world.events.named(EventName.SESSION_REFRESHED)) == 1


async def test_a_proof_that_is_sent_again_because_an_answer_is_lost_is_no_replay(world):
    sessions = await world.sessions(device_binding="offer")
    device, url = Device(), f"{API}/session/refresh"

    def shown():
        return Shown(proof(device, "POST", url, world.clock.wall() // 1000), "POST", url)

    pair = await sessions.create("user", proof=shown())
    captured = shown()
    world.served.lose = 1
    successor = await sessions.refresh(pair.refresh_token, proof=captured)
    assert successor.claims.gen == 1
    assert world.events.named(EventName.BINDING_REFUSED) == []
    for _ in range(2):
        with pytest.raises(DpopRefused):
            await sessions.refresh(pair.refresh_token, proof=captured)
    world.served.away = {"one"}
    with pytest.raises(DpopRefused):
        await sessions.refresh(pair.refresh_token, proof=captured)  # what did not arrive was not sent before
    assert len(world.events.named(EventName.BINDING_REFUSED)) == 3


async def test_a_sign_in_whose_answer_is_lost_is_not_sent_again(world):
    sessions = await world.sessions()
    world.served.lose = 1
    with pytest.raises(StoreUnavailable):
        await sessions.create("user")
    assert len(await sessions.list_user("user")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (401, "Invalid API key"),
        (403, ""),
        (404, ""),
        (429, ""),
        (500, ""),
        (502, ""),
        (503, ""),
        (200, "<p>"),
        (422, "{}"),
    ],
    ids=lambda answer: str(answer[0]),
)
async def test_an_answer_that_is_none_ends_no_session(world, answer):
    sessions = await world.sessions()
    pair = await sessions.create("user")
    world.served.instead = answer
    with pytest.raises(StoreUnavailable):
        await sessions.refresh(pair.refresh_token)
    with pytest.raises(StoreUnavailable):
        await sessions.check(pair.claims)
    with pytest.raises(StoreUnavailable):
        await sessions.revoke([pair.claims.sid])
    world.clock.advance(MINUTE)
    await sessions.keep_fresh()
    assert sessions.verify(pair.access_token) == pair.claims


async def test_a_wrong_api_key_is_told_at_the_start_without_the_key(world):
    await world.sessions()
    wrong = AsyncRemote(
        Settings(api_domain=API), HOSTS, api_key="another-key-of-this-length", clock=world.clock, transport=world.served
    )
    with pytest.raises(ConfigurationError) as error:
        await wrong.open()
    assert "api_key" in str(error.value)
    assert "another" not in str(error.value) + repr(error.value) + repr(wrong)


async def test_a_tenant_that_the_service_does_not_have_is_told_at_the_start(world):
    with pytest.raises(ConfigurationError, match="nowhere"):
        await world.sessions(tenant_id="nowhere")


async def test_theft_names_the_user_and_the_session(world):
    sessions = await world.sessions()
    pair = await sessions.create("user")
    second = await sessions.refresh(pair.refresh_token)
    await sessions.refresh(second.refresh_token)
    with pytest.raises(TokenTheftDetected) as error:
        await sessions.refresh(pair.refresh_token)
    assert (error.value.user_id, error.value.session_handle, error.value.subtype) == ("user", pair.claims.sid, "older")


async def test_no_hash_and_no_seal_leaves_the_service(world):
    sessions = await world.sessions()
    pair = await sessions.refresh((await sessions.create("user")).refresh_token)
    record = await sessions.get(pair.claims.sid)
    assert (record.current_hash, record.previous_hash, record.successor_sealed) == (b"", None, None)


async def test_a_request_bears_the_id_of_the_one_that_it_is_made_for(world):
    sessions = await world.sessions()
    world.served.ids.clear()
    pair = await sessions.create("user", caller=Caller(correlation_id="page-1"))
    with correlated("page-2"):
        await sessions.check(pair.claims)
        await sessions.refresh(pair.refresh_token)
        await sessions.revoke([pair.claims.sid])
    await sessions.list_user("user")
    assert world.served.ids == ["page-1", "page-2", "page-2", "page-2", None]


async def test_the_caller_s_own_id_is_nearer_than_that_of_the_block_and_it_is_in_the_event_too(world):
    sessions = await world.sessions()
    world.served.ids.clear()
    with correlated("outer"), correlated("inner"):
        await sessions.create("user", caller=Caller(correlation_id="own"))
        await sessions.list_user("user")
    assert world.served.ids == ["own", "inner"]
    assert [event.correlation_id for event in world.events.named(EventName.SESSION_CREATED)] == ["own"]


@pytest.mark.parametrize("sent", ["", "a b", "a\r\nx-other: b", "x" * 129, "\ud800", "é", None], ids=ascii)
async def test_an_id_that_could_be_more_than_an_id_is_left_out(world, sent):
    sessions = await world.sessions()
    world.served.ids.clear()
    with correlated(sent):
        await sessions.create("user", caller=Caller(correlation_id=sent))
    assert world.served.ids == [None]


async def test_each_try_of_a_call_bears_the_same_id(world):
    sessions = await world.sessions()
    pair = await sessions.create("user")
    world.served.away = {"one", "two"}
    world.served.ids.clear()
    with correlated("page"), pytest.raises(StoreUnavailable):
        await sessions.get(pair.claims.sid)
    assert world.served.ids == ["page"] * 4


async def test_an_error_names_the_id_under_which_the_service_tells_more(world):
    sessions = await world.sessions()
    world.served.instead = (500, "")
    with pytest.raises(StoreUnavailable, match=r"status 500 \(x-request-id made-up\)"):
        await sessions.create("user")
    with correlated("page-1"), pytest.raises(StoreUnavailable, match=r"status 500 \(x-request-id page-1\)"):
        await sessions.create("user")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ("http://a:3567", ("http://a:3567",)),
        ("http://a:3567; https://b/core/ ;", ("http://a:3567", "https://b/core")),
        ([{"hostname": "a", "port": 3567}, {"hostname": "b", "port": 3568}], ("http://a:3567", "http://b:3568")),
    ],
    ids=["one", "two", "seed"],
)
def test_hosts_are_written_as_people_know_them(hosts, found):
    assert addresses(hosts, allow_plain_http=True) == found


@pytest.mark.parametrize(
    "hosts",
    ["", ";", "a:3567", "ftp://a", "http://", "http://a:x", "http://u:p@a", "http://a?q", "http://a b", [], [{}]],
    ids=repr,
)
def test_hosts_that_are_none_are_refused_before_anything_is_sent(hosts):
    with pytest.raises(ConfigurationError):
        AsyncRemote(Settings(api_domain=API), hosts)


@pytest.mark.parametrize(
    "hosts",
    ["http://core-1:3567", "https://core-1;http://core-2", "http://192.0.2.1", [{"hostname": "core-1", "port": 1}]],
)
def test_plain_http_to_another_machine_is_refused_unless_it_is_wanted(hosts):
    with pytest.raises(ConfigurationError, match=r"core-|192") as error:
        AsyncRemote(Settings(api_domain=API), hosts)
    assert "allow_plain_http=True" in str(error.value)
    AsyncRemote(Settings(api_domain=API), hosts, allow_plain_http=True)


@pytest.mark.parametrize("hosts", ["http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1", "https://core-1"])
def test_plain_http_within_this_machine_is_nobody_elses_business(hosts):
    AsyncRemote(Settings(api_domain=API), hosts)


async def test_sessions_that_are_not_open_say_so(world):
    sessions = AsyncRemote(Settings(api_domain=API), HOSTS)
    with pytest.raises(RuntimeError):
        await sessions.create("user")
