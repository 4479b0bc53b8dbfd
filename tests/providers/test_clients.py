"""Clients of an application that is an identity provider: they are told of the end of a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from reseal import AsyncEngine, AsyncRemote, AsyncReseal, InvalidInput, SessionPolicy, Settings, Unauthorised
from reseal._async.ports import AsyncStore
from reseal._async.stores import make_store
from reseal.core.errors import TokenTheftDetected
from reseal.core.logout_clients import MOST
from reseal.core.logout_tokens import EVENT
from reseal.core.model import EndReason
from reseal.core.secret import Secret
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock
from reseal.webhooks import LogoutEndpoint
from reseal.webhooks.answers import Answer
from reseal.webhooks.delivering import Deliverer, Sender
from reseal.webhooks.state import State, read
from tests._async.serving import API_KEY, AsyncServed
from tests.providers.conftest import API, PATH, Shop
from tests.providers.provider import CLIENT, ISSUER, Provider, private_key
from tests.webhooks.material import DOWN, MINUTE, OK

HOUR = 3_600_000


def pem(key: Any) -> Secret:
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Secret(key.private_bytes(*formats).decode())


def endpoint(**changes: Any) -> LogoutEndpoint:
    """The client, told with the key that the provider publishes as ``first``."""
    given = {
        "name": "shop",
        "url": f"https://shop.example{PATH}",
        "client_id": CLIENT,
        "issuer": ISSUER,
        "signing_keys": (pem(private_key("RS256")),),
        "key_id": "first",
    }
    return LogoutEndpoint(**(given | changes))


class Client(Sender):
    """Answers as told, and keeps the tokens."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        """The next ones; then all is well."""
        self.tokens: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    async def send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        del now
        [token] = parse_qs(body.decode())["logout_token"]
        self.tokens.append(token)
        self.headers.append(headers)
        return self.answers.pop(0) if self.answers else OK

    async def close(self) -> None:
        """There is no connection."""

    def claims(self) -> list[dict[str, Any]]:
        key = private_key("RS256").public_key()
        options = {"verify_exp": False, "verify_iat": False}
        return [
            jwt.decode(each, key, algorithms=["RS256"], audience=CLIENT, issuer=ISSUER, options=options)
            for each in self.tokens
        ]


class ToShop(Client):
    """Sends to an application that receives logouts."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self._shop = shop

    async def send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        await super().send(body, headers, now)
        answer = await self._shop.client.post(PATH, content=body, headers=dict(headers))
        return Answer(answer.status_code, body=answer.content)


class Login:
    """The application that users sign in with, over a store with an outbox."""

    def __init__(self, reseal: AsyncReseal, store: AsyncStore, clock: ManualClock) -> None:
        self.reseal = reseal
        self.store = store
        self.clock = clock

    async def begin(self, user_id: str = "alice", **options: Any) -> TokenPair:
        return await self.reseal.backend.create(user_id, **options)

    async def deliver(self, sender: Sender, to: LogoutEndpoint | None = None) -> State:
        async def lifetime(_: str) -> int:
            return HOUR

        its = to or endpoint()
        deliverer = Deliverer(self.store, its, sender, lifetime, worker="first", chance=lambda: 0.5)
        waiting = 0
        while not waiting:
            waiting = await deliverer.turn()
        return read(await self.store.read_note(f"webhook:{its.name}"))


@asynccontextmanager
async def logging_in(form: str, database_uri: str, clock: ManualClock) -> AsyncIterator[Login]:
    settings = Settings(api_domain=API, database_uri=database_uri, event_outbox="security", theft_cases=1)  # type: ignore[arg-type]
    store = make_store(settings, clock)
    await store.open()
    sessions: Any = AsyncEngine(settings, store, clock=clock, owns_store=False)
    if form == "remote":
        served = AsyncServed(store, clock, lambda _: None, event_outbox="security")
        sessions = AsyncRemote(settings, "https://one:3567", api_key=API_KEY, clock=clock, transport=served)
    async with AsyncReseal(settings, sessions=sessions, clock=clock) as reseal:
        login = Login(reseal, store, clock)
        await login.deliver(Client())
        yield login
    await store.close()


@pytest.fixture
async def login(clock: ManualClock) -> AsyncIterator[Login]:
    async with logging_in("embedded", "memory:", clock) as one:
        yield one


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_a_client_ends_its_session_when_ours_ends(
    shop: Shop, form: str, store: str, clock: ManualClock, tmp_path: Path, postgres_uri: str
) -> None:
    uri = postgres_uri if store == "postgres" else f"sqlite:///{tmp_path}/login.db"
    async with logging_in(form, uri, clock) as login:
        pair, other = await login.begin(), await login.begin()
        await login.reseal.remember_client(pair.claims.sid, "another client", sid="x")
        await login.reseal.remember_client(pair.claims.sid, CLIENT, sub="alice", sid="one")
        await login.reseal.remember_client(other.claims.sid, CLIENT, sub="alice", sid="two")
        here, there = await shop.sign_in(sub="alice", sid="one"), await shop.sign_in(sub="alice", sid="two")
        sender = ToShop(shop)
        await login.reseal.revoke_session_using_session_handle(pair.claims.sid)
        assert sender.tokens == []  # whoever signs out has not waited
        assert await shop.is_live(here)
        await login.deliver(sender)
        assert (await shop.refresh(here)).json()["reason"] == "provider_logout"
        assert await shop.is_live(there)
        assert len(sender.tokens) == 1


async def test_a_token_says_what_the_client_knows_and_is_good_for_two_minutes(login: Login) -> None:
    pair, sender = await login.begin(), Client()
    await login.reseal.remember_client(pair.claims.sid, CLIENT, sub="before", sid="s")
    await login.reseal.remember_client(pair.claims.sid, CLIENT, sub="248289761001")
    await login.reseal.revoke_session_using_session_handle(pair.claims.sid)
    await login.deliver(sender)
    now, [claims] = login.clock.wall() // 1000, sender.claims()
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": ISSUER,
        "aud": CLIENT,
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
        "sub": "248289761001",
    }
    assert jwt.get_unverified_header(sender.tokens[0]) == {"alg": "RS256", "kid": "first", "typ": "logout+jwt"}
    assert sender.headers[0]["content-type"] == "application/x-www-form-urlencoded"


async def test_every_end_is_told_to_those_who_have_the_session_and_to_no_others(login: Login) -> None:
    one = SessionPolicy(max_sessions=1)
    pairs = [await login.begin(f"user {n}") for n in range(5)]
    limited = await login.begin("limited", policy=one)
    for pair in (*pairs, limited):
        await login.reseal.remember_client(pair.claims.sid, CLIENT, sid=pair.claims.sid)
    sessions, [first, second, third, fourth, fifth] = login.reseal.backend, pairs
    await sessions.revoke([first.claims.sid], EndReason.SIGNED_OUT)
    await sessions.revoke_user("user 1")
    await sessions.end_before(login.clock.wall() + 1, user_id="user 2")
    assert fourth.refresh_token is not None
    newer = await sessions.refresh(fourth.refresh_token)
    assert newer.refresh_token is not None
    await sessions.refresh(newer.refresh_token)
    login.clock.advance(HOUR)
    with pytest.raises(TokenTheftDetected):
        await sessions.refresh(fourth.refresh_token)
    await login.begin("limited", policy=one)
    nobodys = await login.begin("nobody's")
    await sessions.revoke([nobodys.claims.sid])
    sender = Client()
    await login.deliver(sender)
    ended = (first, second, third, fourth, limited)
    assert sorted(claims["sid"] for claims in sender.claims()) == sorted(pair.claims.sid for pair in ended)
    await sessions.check(fifth.claims)


async def test_a_client_that_does_not_answer_is_asked_three_times_and_then_left_alone(login: Login) -> None:
    pairs = [await login.begin(), await login.begin()]
    for pair in pairs:
        await login.reseal.remember_client(pair.claims.sid, CLIENT, sid=pair.claims.sid)
    sender, [first, second] = Client(), pairs
    sender.answers = [DOWN, Answer(503), DOWN]
    await login.reseal.revoke_session_using_session_handle(first.claims.sid)
    began = login.clock.wall()
    await login.deliver(sender)
    while len(sender.tokens) < 3:
        login.clock.advance(1000)
        await login.deliver(sender)
    assert login.clock.wall() - began <= MINUTE
    login.clock.advance(HOUR)
    state = await login.deliver(sender)
    assert (len(sender.tokens), len(state.failed), state.messages, state.disabled) == (3, 1, (), "")
    claims = sender.claims()
    assert len({each["jti"] for each in claims}) == 1
    assert [each["exp"] - each["iat"] for each in claims] == [120] * 3
    assert claims[0]["iat"] < claims[1]["iat"] < claims[2]["iat"]
    await login.reseal.revoke_session_using_session_handle(second.claims.sid)
    await login.deliver(sender)
    assert sender.claims()[-1]["sid"] == second.claims.sid


async def test_a_refusal_is_final(login: Login) -> None:
    pair, sender = await login.begin(), Client()
    await login.reseal.remember_client(pair.claims.sid, CLIENT, sid="s")
    await login.reseal.revoke_session_using_session_handle(pair.claims.sid)
    sender.answers = [Answer(400)]
    state = await login.deliver(sender)
    assert (len(sender.tokens), len(state.failed), state.disabled) == (1, 1, "")


async def test_clients_are_remembered_through_refreshes_and_names(login: Login) -> None:
    pair, sender = await login.begin(), Client()
    await login.reseal.remember_client(pair.claims.sid, CLIENT, sid="s")
    assert pair.refresh_token is not None
    await login.reseal.backend.refresh(pair.refresh_token)
    await login.reseal.backend.rename(pair.claims.sid, "my laptop")
    await login.reseal.revoke_session_using_session_handle(pair.claims.sid)
    await login.deliver(sender)
    assert len(sender.tokens) == 1


@pytest.mark.parametrize(
    ("client_id", "told"),
    [
        ("", {"sid": "s"}),
        ("c", {}),
        ("c", {"sid": ""}),
        ("c", {"sub": "x" * 2049}),
        ("c", {"sub": 7}),
        ("c", {"sid": "\ud800"}),
        (None, {"sid": "s"}),
    ],
)
async def test_a_client_that_no_token_could_name_is_refused(login: Login, client_id: Any, told: dict[str, Any]) -> None:
    pair = await login.begin()
    with pytest.raises(InvalidInput):
        await login.reseal.remember_client(pair.claims.sid, client_id, **told)


async def test_a_session_has_so_many_clients_and_an_ended_one_gets_none(login: Login) -> None:
    pair = await login.begin()
    for n in range(MOST):
        await login.reseal.remember_client(pair.claims.sid, f"client {n}", sid="s")
    await login.reseal.remember_client(pair.claims.sid, "client 0", sid="t")
    with pytest.raises(InvalidInput, match="one too many"):
        await login.reseal.remember_client(pair.claims.sid, CLIENT, sid="s")
    await login.reseal.revoke_session_using_session_handle(pair.claims.sid)
    with pytest.raises(Unauthorised):
        await login.reseal.remember_client(pair.claims.sid, CLIENT, sid="s")


def test_an_endpoint_is_configured_by_its_format(provider: Provider) -> None:
    del provider
    entry = {
        "name": "shop",
        "format": "logout",
        "url": "https://shop.example/backchannel-logout",
        "client_id": CLIENT,
        "issuer": ISSUER,
        "signing_keys": pem(private_key("RS256")),
    }
    [found] = Settings(api_domain=API, event_outbox="security", webhooks=[entry]).webhooks  # type: ignore[arg-type]
    assert isinstance(found, LogoutEndpoint)
    assert (found.client_id, found.issuer, found.key_id) == (CLIENT, ISSUER, "")
