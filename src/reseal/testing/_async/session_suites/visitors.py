"""Sessions of visitors who are not signed in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from reseal._async.reseal import AsyncReseal
from reseal._async.session import AsyncSession
from reseal.core.errors import InvalidInput, Refusal, TryRefreshToken, Unauthorised
from reseal.core.events import EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.session_policy import Replaced, SessionPolicy, TooManySessions
from reseal.testing._async.session_suites.base import WINDOW, AsyncSessionTests, caught
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import HOUR
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders


def request(headers: Iterable[tuple[str, str]] = ()) -> RequestFacts:
    return RequestFacts.of("POST", "/", [("st-auth-mode", "header"), *headers], "192.0.2.7")


def with_token(response: SessionHeaders) -> RequestFacts:
    return request([("authorization", "Bearer " + dict(response.items())["st-access-token"])])


async def at_once(calls: Iterable[Any]) -> list[AsyncSession]:
    return [each for each in await together(calls) if isinstance(each, AsyncSession)]


class Shop:
    """An application with carts. Its users have at most as many sessions as ``most`` says."""

    def __init__(self, world: AsyncWorld, reseal: AsyncReseal) -> None:
        self.world = world
        self.reseal = reseal

    @classmethod
    async def of(cls, world: AsyncWorld, **settings: Any) -> Shop:
        backend = await world.sessions(**settings)
        return cls(world, AsyncReseal(backend.settings, sessions=backend, clock=world.clock, on_event=world.events))

    async def visited(self, **data: object) -> tuple[AsyncSession, RequestFacts]:
        response = SessionHeaders()
        session = await self.reseal.create_anonymous_session(request(), response, {"lang": "de"}, data)
        return session, with_token(response)

    async def signed_in(
        self, shown: RequestFacts, user_id: str = "alice", *, keep: bool | str = True, **data: object
    ) -> AsyncSession:
        response = SessionHeaders()
        return await self.reseal.create_new_session(shown, response, user_id, None, data, keep_anonymous=keep)

    async def data_of(self, session: AsyncSession) -> dict[str, Any]:
        return await self.reseal.get_session_data(session.get_handle())

    async def why_ended(self, session: AsyncSession) -> Refusal | None:
        return (await self.reseal.backend.why_ended([session.get_handle()])).get(session.get_handle())

    def told(self, name: EventName) -> list[tuple[str | None, str | None, str | None]]:
        return [(each.session_handle, each.user_id, each.reason) for each in self.world.events.named(name)]


class AsyncVisitorSuite(AsyncSessionTests):
    async def test_a_visitor_has_a_session_that_is_no_user_s(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        visitor, shown = await shop.visited(cart=[1])
        found = await shop.reseal.get_any_session(shown, SessionHeaders(), check_database=True)
        assert (found.get_handle(), found.is_anonymous()) == (visitor.get_handle(), True)
        assert (found.get_jwt_payload(), await found.get_session_data()) == ({"lang": "de"}, {"cart": [1]})
        for call in (partial(shop.reseal.get_session, shown, SessionHeaders()), found.list_sessions):
            refused = await caught(call)
            assert isinstance(refused, Unauthorised)
            assert refused.reason is Refusal.NOT_SIGNED_IN
        assert shop.told(EventName.SESSION_CREATED) == [(visitor.get_handle(), ANONYMOUS, None)]

    async def test_a_visitor_reaches_no_session_of_another_visitor(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        visitor, _ = await shop.visited()
        other, _ = await shop.visited()
        handle = other.get_handle()
        calls: tuple[Any, ...] = (
            visitor.get_user_id,
            visitor.revoke_other_sessions,
            partial(visitor.end_other, handle),
            partial(visitor.rename_session, handle, "mine"),
            partial(visitor.elevate, for_=HOUR, acr="high"),
        )
        for call in calls:
            refused = await caught(call)
            assert isinstance(refused, Unauthorised)
            assert refused.reason is Refusal.NOT_SIGNED_IN
        assert await shop.why_ended(other) is None

    async def test_at_the_sign_in_a_session_with_another_handle_and_other_tokens_goes_on_with_the_data(
        self, world: AsyncWorld
    ) -> None:
        shop = await Shop.of(world)
        visitor, shown = await shop.visited(cart=[1], seen=1)
        session = await shop.signed_in(shown, seen=2)
        assert await shop.data_of(session) == {"cart": [1], "seen": 2}
        assert (session.get_user_id(), session.is_anonymous(), session.get_jwt_payload()) == ("alice", False, {})
        assert session.get_handle() != visitor.get_handle()
        assert await shop.why_ended(visitor) is Refusal.REPLACED
        assert shop.told(EventName.SESSION_REVOKED) == [(visitor.get_handle(), ANONYMOUS, "replaced")]
        assert shop.told(EventName.SESSION_CONVERTED) == [(session.get_handle(), "alice", visitor.get_handle())]

    async def test_whoever_planted_the_visitor_s_session_has_nothing_of_the_user_s(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        response = SessionHeaders()
        await shop.reseal.create_anonymous_session(request(), response, None, {"planted": True})
        planted, refresh_token = with_token(response), dict(response.items())["st-refresh-token"]
        session = await shop.signed_in(planted, keep=False, secret="s")
        assert await shop.data_of(session) == {"secret": "s"}
        refused = await caught(shop.reseal.get_any_session, planted, SessionHeaders(), check_database=True)
        assert isinstance(refused, Unauthorised)
        refused = await caught(shop.reseal.backend.refresh, refresh_token)
        assert isinstance(refused, Unauthorised)
        assert refused.reason is Refusal.REPLACED
        thief = await shop.signed_in(planted, "mallory")
        assert await shop.data_of(thief) == {}
        assert await shop.why_ended(session) is None

    async def test_a_session_that_a_user_took_over_gives_nothing_to_another_user(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        _, shown = await shop.visited(cart=[1])
        await shop.signed_in(shown)
        assert await shop.data_of(await shop.signed_in(shown, "mallory")) == {}
        assert len(shop.told(EventName.SESSION_CONVERTED)) == 1

    async def test_of_two_tabs_that_sign_in_at_once_each_has_the_data_and_one_has_converted(
        self, world: AsyncWorld
    ) -> None:
        shop = await Shop.of(world)
        visitor, shown = await shop.visited(cart=[1])
        sessions = await at_once(partial(shop.signed_in, shown, tab=n) for n in range(8))
        assert [await shop.data_of(session) for session in sessions] == [{"cart": [1], "tab": n} for n in range(8)]
        assert len(shop.told(EventName.SESSION_CONVERTED)) == 1
        assert shop.told(EventName.SESSION_REVOKED) == [(visitor.get_handle(), ANONYMOUS, "replaced")]

    async def test_a_second_tab_that_has_the_user_s_session_already_takes_its_data_for_a_moment(
        self, world: AsyncWorld
    ) -> None:
        shop = await Shop.of(world)
        _, shown = await shop.visited(cart=[1])
        response = SessionHeaders()
        first = await shop.reseal.create_new_session(shown, response, "alice", keep_anonymous=True)
        of_user = with_token(response)
        second = await shop.signed_in(of_user)
        assert await shop.data_of(second) == {"cart": [1]}
        assert await shop.why_ended(first) is Refusal.REPLACED
        assert await shop.data_of(await shop.signed_in(of_user)) == {"cart": [1]}
        assert await shop.data_of(await shop.signed_in(of_user, "mallory")) == {}
        world.clock.advance(WINDOW + 1)
        assert await shop.data_of(await shop.signed_in(of_user)) == {}
        assert len(shop.told(EventName.SESSION_CONVERTED)) == 1

    async def test_of_two_users_who_sign_in_at_once_one_has_the_data(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        _, shown = await shop.visited(cart=[1])
        sessions = await at_once(partial(shop.signed_in, shown, f"user-{n}") for n in range(8))
        found = [await shop.data_of(session) for session in sessions]
        assert (found.count({"cart": [1]}), found.count({})) == (1, 7)

    async def test_data_that_is_written_during_the_sign_in_is_kept_or_refused_and_never_lost(
        self, world: AsyncWorld
    ) -> None:
        shop = await Shop.of(world)
        visitor, shown = await shop.visited(cart=[])

        async def put(item: int) -> bool:
            found = await shop.reseal.get_any_session(shown, SessionHeaders())
            call = partial(found.change_session_data, lambda data: {"cart": [*data["cart"], item]})
            return not isinstance(await caught(call), Unauthorised)

        calls: list[Any] = [partial(put, n) for n in range(4)]
        *written, session = await together([*calls, partial(shop.signed_in, shown)])
        assert isinstance(session, AsyncSession)
        cart = (await shop.data_of(session))["cart"]
        assert sorted(cart) == [n for n in range(4) if written[n]]
        assert await shop.why_ended(visitor) is Refusal.REPLACED

    async def test_an_expired_token_and_an_ended_session_give_nothing_away(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        visitor, shown = await shop.visited(cart=[1])
        await shop.reseal.revoke_session_using_session_handle(visitor.get_handle())
        assert await shop.data_of(await shop.signed_in(shown)) == {}
        visitor, shown = await shop.visited(cart=[1])
        world.clock.advance(HOUR)
        assert isinstance(await caught(shop.signed_in, shown), TryRefreshToken)
        assert await shop.why_ended(visitor) is None
        assert await shop.data_of(await shop.signed_in(shown, keep=False)) == {}

    async def test_an_application_names_the_session_that_a_request_cannot_present(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        visitor, _ = await shop.visited(cart=[1])
        user = await shop.signed_in(request(), "bob", secret="s")
        session = await shop.signed_in(request(), keep=visitor.get_handle())
        assert await shop.data_of(session) == {"cart": [1]}
        assert await shop.why_ended(visitor) is Refusal.REPLACED
        for handle in (user.get_handle(), "absent"):
            assert await shop.data_of(await shop.signed_in(request(), keep=handle)) == {}
        assert await shop.why_ended(user) is None
        not_text: Any = 7
        assert isinstance(await caught(partial(shop.signed_in, request(), keep=not_text)), InvalidInput)

    async def test_a_user_s_own_session_gives_no_data_to_the_next_user(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        response = SessionHeaders()
        await shop.reseal.create_new_session(request(), response, "alice", None, {"secret": "s"})
        assert await shop.data_of(await shop.signed_in(with_token(response), "bob")) == {}
        tokens = await shop.reseal.backend.create("alice", None, {"secret": "s"})
        given = await shop.reseal.backend.create("bob", replaced=Replaced((), tokens.claims.sid))
        assert await shop.reseal.get_session_data(given.claims.sid) == {}

    async def test_no_visitor_s_session_takes_the_place_of_a_user_s(self, world: AsyncWorld) -> None:
        shop = await Shop.of(world)
        response = SessionHeaders()
        session = await shop.reseal.create_new_session(request(), response, "alice")
        refused = await caught(shop.reseal.create_anonymous_session, with_token(response), SessionHeaders())
        assert isinstance(refused, InvalidInput)
        assert await shop.why_ended(session) is None
        await shop.reseal.revoke_session_using_session_handle(session.get_handle())
        await shop.reseal.create_anonymous_session(with_token(response), SessionHeaders())

    async def test_a_limit_of_sessions_counts_users_and_a_refused_sign_in_leaves_the_visitor_s_session(
        self, world: AsyncWorld
    ) -> None:
        one = SessionPolicy(name="default", max_sessions=1, at_limit="refuse")
        shop = await Shop.of(world, policies=(one,))
        visitor, shown = await shop.visited(cart=[1])
        await shop.visited()
        session = await shop.signed_in(request())
        assert isinstance(await caught(shop.signed_in, shown), TooManySessions)
        assert await shop.why_ended(visitor) is None
        await shop.reseal.revoke_session_using_session_handle(session.get_handle())
        assert await shop.data_of(await shop.signed_in(shown)) == {"cart": [1]}

    async def test_visitors_have_limits_of_their_own(self, world: AsyncWorld) -> None:
        of_users = SessionPolicy(name="default", idle_ms=10 * HOUR)
        of_visitors = SessionPolicy(name="anonymous", idle_ms=2 * HOUR)
        shop = await Shop.of(world, policies=(of_users, of_visitors))
        visitor, shown = await shop.visited()
        session = await shop.signed_in(request())
        other, _ = await shop.visited()
        world.clock.advance(3 * HOUR)
        assert await shop.why_ended(other) is Refusal.EXPIRED
        assert await shop.why_ended(session) is None
        assert await shop.data_of(await shop.signed_in(request())) == {}
        assert (await shop.why_ended(visitor), shown.method) == (Refusal.EXPIRED, "POST")
