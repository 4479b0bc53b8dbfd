# Generated from tests/_async/test_remote.py by tools/unasync.py; edit that file instead.
"""Sessions over the network keep the promises of sessions, and those that only a network asks for."""

from __future__ import annotations

import pytest

from reseal._sync.remote import Remote
from reseal._sync.remote_hosts import REST
from reseal._sync.stores.memory import MemoryStore
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
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.world import API, World
from reseal.testing.material import MINUTE
from tests._sync.serving import API_KEY, Served
from tests.support.device import Device
from tests.support.program import proof

HOSTS = "https://one:3567;https://two:3567"
SCOPES = (Scope("a", "public"), Scope("b", "public"), Scope("a", "b"))


class RemoteWorld(World):
    """Every sessions are a ``Remote`` to a service of its own over the data of this world."""

    trials = 500

    def sessions(self, **changes):
        for scope in SCOPES:
            self._make_store(self.clock).put_tenant(scope, b"{}")
        return super().sessions(**changes)

    def make_sessions(self, settings, store):
        self.served = Served(store, self.clock, self.events)
        return Remote(settings, HOSTS, api_key=API_KEY, clock=self.clock, transport=self.served)


@pytest.fixture
def world():
    kept = {}
    with RemoteWorld(lambda clock: kept.setdefault("store", MemoryStore(clock))) as world:
        yield world


class TestOverAService(SessionsSuite):
    @pytest.fixture
    def world(self):
        kept = {}
        with RemoteWorld(lambda clock: kept.setdefault("store", MemoryStore(clock))) as world:
            yield world


def test_verifying_asks_nobody(world):
    sessions = world.sessions(enable_anti_csrf=True)
    pair = sessions.create("user")
    world.served.requests.clear()
    for _ in range(100):
        sessions.keep_fresh()
        assert sessions.verify(pair.access_token) == pair.claims
        assert sessions.check_anti_csrf(pair.claims, pair.anti_csrf)
    with pytest.raises(TryRefreshToken):
        sessions.verify(pair.access_token[:-2])
    assert world.served.requests == []


def test_the_service_keeps_who_acts_and_why_where_the_caller_is_an_application(world):
    sessions = world.sessions()
    own = sessions.create("sam")
    act = {"sub": "sam", "sid": own.claims.sid}
    acted = sessions.create("alice", {"act": act | {"reason": "ticket 4711"}})
    assert acted.claims.jwt_payload() == {"act": act}
    [event] = (world.store.read_events("reader", 10)).events
    assert (event.name, event.session_handle) == (EventName.IMPERSONATION_BEGUN, acted.claims.sid)
    assert (event.user_id, event.by, event.note) == ("alice", "user:sam", "ticket 4711")


def test_an_answer_that_another_call_was_meant_to_get_is_none(world):
    sessions = world.sessions()
    alice, bob = sessions.create("alice"), sessions.create("bob")
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
            call()
    world.served.late = False
    assert (sessions.refresh(bob.refresh_token)).claims.sub == "bob"
    assert sessions.list_user("alice") == ()  # what was asked for was done, once


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_the_published_keys_are_read_whatever_their_algorithm(world, algorithm):
    sessions = world.sessions(access_token_signing_algorithm=algorithm)
    pair = sessions.create("user", {"role": "reader"})
    assert sessions.verify(pair.access_token).jwt_payload() == {"role": "reader"}
    assert [key["alg"] for key in sessions.jwks()["keys"]] == [algorithm]


def test_a_key_is_known_before_it_signs(world):
    sessions, elsewhere = world.sessions(), world.sessions()
    kid = sessions.rotate_keys()
    assert sessions.jwks()["keys"][0]["kid"] == kid
    assert kid.startswith("n-")
    world.clock.advance(PUBLICATION_LEAD)
    elsewhere.keep_fresh()
    pair = sessions.create("user")
    assert elsewhere.verify(pair.access_token) == pair.claims


def test_hosts_take_turns_and_one_that_is_away_is_asked_last(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.served.requests.clear()
    for _ in range(4):
        sessions.check(pair.claims)
    assert [host for host, _ in world.served.requests] in (["one", "two"] * 2, ["two", "one"] * 2)
    world.served.away = {"one"}
    world.served.requests.clear()
    for _ in range(10):
        sessions.create("user")
    assert [host for host, _ in world.served.requests].count("one") == 1
    assert len(sessions.list_user("user")) == 11


def test_a_host_that_is_about_to_leave_is_left_in_time(world):
    sessions = world.sessions()
    world.served.leaving = {"one"}
    world.served.requests.clear()
    for _ in range(10):
        sessions.create("user")
    assert [host for host, _ in world.served.requests].count("one") == 1
    world.served.leaving = set()
    world.clock.advance(REST)
    world.served.requests.clear()
    for _ in range(10):
        sessions.create("user")
    assert [host for host, _ in world.served.requests].count("one") == 5


def test_hosts_that_are_all_about_to_leave_are_asked_all_the_same(world):
    sessions = world.sessions()
    world.served.leaving = {"one", "two"}
    for _ in range(4):
        sessions.create("user")
    assert len(sessions.list_user("user")) == 4


def test_with_all_hosts_away_tokens_are_verified_and_nobody_is_signed_out(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.served.away = {"one", "two"}
    world.served.requests.clear()
    with pytest.raises(StoreUnavailable):
        sessions.refresh(pair.refresh_token)
    assert len(world.served.requests) == 4, "every host twice and no more"
    world.clock.advance(MINUTE)
    for _ in range(10):
        sessions.keep_fresh()
    assert len(world.served.requests) == 8, "the keys were asked for once"
    assert sessions.verify(pair.access_token) == pair.claims
    world.served.away = set()
    sessions.refresh(pair.refresh_token)


def test_a_refresh_whose_answer_is_lost_is_sent_again_and_gives_one_successor(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.served.lose = 1
    successor = sessions.refresh(pair.refresh_token)
    assert (sessions.refresh(pair.refresh_token)).refresh_token == successor.refresh_token
    assert len(world.events.named(EventName.SESSION_REFRESHED)) == 1


def test_a_proof_that_is_sent_again_because_an_answer_is_lost_is_no_replay(world):
    sessions = world.sessions(device_binding="offer")
    device, url = Device(), f"{API}/session/refresh"

    def shown():
        return Shown(proof(device, "POST", url, world.clock.wall() // 1000), "POST", url)

    pair = sessions.create("user", proof=shown())
    captured = shown()
    world.served.lose = 1
    successor = sessions.refresh(pair.refresh_token, proof=captured)
    assert successor.claims.gen == 1
    assert world.events.named(EventName.BINDING_REFUSED) == []
    for _ in range(2):
        with pytest.raises(DpopRefused):
            sessions.refresh(pair.refresh_token, proof=captured)
    world.served.away = {"one"}
    with pytest.raises(DpopRefused):
        sessions.refresh(pair.refresh_token, proof=captured)  # what did not arrive was not sent before
    assert len(world.events.named(EventName.BINDING_REFUSED)) == 3


def test_a_sign_in_whose_answer_is_lost_is_not_sent_again(world):
    sessions = world.sessions()
    world.served.lose = 1
    with pytest.raises(StoreUnavailable):
        sessions.create("user")
    assert len(sessions.list_user("user")) == 1


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
def test_an_answer_that_is_none_ends_no_session(world, answer):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.served.instead = answer
    with pytest.raises(StoreUnavailable):
        sessions.refresh(pair.refresh_token)
    with pytest.raises(StoreUnavailable):
        sessions.check(pair.claims)
    with pytest.raises(StoreUnavailable):
        sessions.revoke([pair.claims.sid])
    world.clock.advance(MINUTE)
    sessions.keep_fresh()
    assert sessions.verify(pair.access_token) == pair.claims


def test_a_wrong_api_key_is_told_at_the_start_without_the_key(world):
    world.sessions()
    wrong = Remote(
        Settings(api_domain=API), HOSTS, api_key="another-key-of-this-length", clock=world.clock, transport=world.served
    )
    with pytest.raises(ConfigurationError) as error:
        wrong.open()
    assert "api_key" in str(error.value)
    assert "another" not in str(error.value) + repr(error.value) + repr(wrong)


def test_a_tenant_that_the_service_does_not_have_is_told_at_the_start(world):
    with pytest.raises(ConfigurationError, match="nowhere"):
        world.sessions(tenant_id="nowhere")


def test_theft_names_the_user_and_the_session(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    second = sessions.refresh(pair.refresh_token)
    sessions.refresh(second.refresh_token)
    with pytest.raises(TokenTheftDetected) as error:
        sessions.refresh(pair.refresh_token)
    assert (error.value.user_id, error.value.session_handle, error.value.subtype) == ("user", pair.claims.sid, "older")


def test_no_hash_and_no_seal_leaves_the_service(world):
    sessions = world.sessions()
    pair = sessions.refresh((sessions.create("user")).refresh_token)
    record = sessions.get(pair.claims.sid)
    assert (record.current_hash, record.previous_hash, record.successor_sealed) == (b"", None, None)


def test_a_request_bears_the_id_of_the_one_that_it_is_made_for(world):
    sessions = world.sessions()
    world.served.ids.clear()
    pair = sessions.create("user", caller=Caller(correlation_id="page-1"))
    with correlated("page-2"):
        sessions.check(pair.claims)
        sessions.refresh(pair.refresh_token)
        sessions.revoke([pair.claims.sid])
    sessions.list_user("user")
    assert world.served.ids == ["page-1", "page-2", "page-2", "page-2", None]


def test_the_caller_s_own_id_is_nearer_than_that_of_the_block_and_it_is_in_the_event_too(world):
    sessions = world.sessions()
    world.served.ids.clear()
    with correlated("outer"), correlated("inner"):
        sessions.create("user", caller=Caller(correlation_id="own"))
        sessions.list_user("user")
    assert world.served.ids == ["own", "inner"]
    assert [event.correlation_id for event in world.events.named(EventName.SESSION_CREATED)] == ["own"]


@pytest.mark.parametrize("sent", ["", "a b", "a\r\nx-other: b", "x" * 129, "\ud800", "é", None], ids=ascii)
def test_an_id_that_could_be_more_than_an_id_is_left_out(world, sent):
    sessions = world.sessions()
    world.served.ids.clear()
    with correlated(sent):
        sessions.create("user", caller=Caller(correlation_id=sent))
    assert world.served.ids == [None]


def test_each_try_of_a_call_bears_the_same_id(world):
    sessions = world.sessions()
    pair = sessions.create("user")
    world.served.away = {"one", "two"}
    world.served.ids.clear()
    with correlated("page"), pytest.raises(StoreUnavailable):
        sessions.get(pair.claims.sid)
    assert world.served.ids == ["page"] * 4


def test_an_error_names_the_id_under_which_the_service_tells_more(world):
    sessions = world.sessions()
    world.served.instead = (500, "")
    with pytest.raises(StoreUnavailable, match=r"status 500 \(x-request-id made-up\)"):
        sessions.create("user")
    with correlated("page-1"), pytest.raises(StoreUnavailable, match=r"status 500 \(x-request-id page-1\)"):
        sessions.create("user")


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
        Remote(Settings(api_domain=API), hosts)


@pytest.mark.parametrize(
    "hosts",
    ["http://core-1:3567", "https://core-1;http://core-2", "http://192.0.2.1", [{"hostname": "core-1", "port": 1}]],
)
def test_plain_http_to_another_machine_is_refused_unless_it_is_wanted(hosts):
    with pytest.raises(ConfigurationError, match=r"core-|192") as error:
        Remote(Settings(api_domain=API), hosts)
    assert "allow_plain_http=True" in str(error.value)
    Remote(Settings(api_domain=API), hosts, allow_plain_http=True)


@pytest.mark.parametrize("hosts", ["http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1", "https://core-1"])
def test_plain_http_within_this_machine_is_nobody_elses_business(hosts):
    Remote(Settings(api_domain=API), hosts)


def test_sessions_that_are_not_open_say_so(world):
    sessions = Remote(Settings(api_domain=API), HOSTS)
    with pytest.raises(RuntimeError):
        sessions.create("user")
