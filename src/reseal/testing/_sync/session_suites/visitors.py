# Generated from src/reseal/testing/_async/session_suites/visitors.py by tools/unasync.py; edit that file instead.
"""Sessions of visitors who are not signed in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from reseal._sync.reseal import Reseal
from reseal._sync.session import Session
from reseal.core.errors import InvalidInput, Refusal, TryRefreshToken, Unauthorised
from reseal.core.events import EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.session_policy import Replaced, SessionPolicy, TooManySessions
from reseal.testing._sync.session_suites.base import WINDOW, SessionTests, caught
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import World
from reseal.testing.material import HOUR
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders


def request(headers: Iterable[tuple[str, str]] = ()) -> RequestFacts:
    return RequestFacts.of("POST", "/", [("st-auth-mode", "header"), *headers], "192.0.2.7")


def with_token(response: SessionHeaders) -> RequestFacts:
    return request([("authorization", "Bearer " + dict(response.items())["st-access-token"])])


def at_once(calls: Iterable[Any]) -> list[Session]:
    return [each for each in together(calls) if isinstance(each, Session)]


class Shop:
    """An application with carts. Its users have at most as many sessions as ``most`` says."""

    def __init__(self, world: World, reseal: Reseal) -> None:
        self.world = world
        self.reseal = reseal

    @classmethod
    def of(cls, world: World, **settings: Any) -> Shop:
        backend = world.sessions(**settings)
        return cls(world, Reseal(backend.settings, sessions=backend, clock=world.clock, on_event=world.events))

    def visited(self, **data: object) -> tuple[Session, RequestFacts]:
        response = SessionHeaders()
        session = self.reseal.create_anonymous_session(request(), response, {"lang": "de"}, data)
        return session, with_token(response)

    def signed_in(
        self, shown: RequestFacts, user_id: str = "alice", *, keep: bool | str = True, **data: object
    ) -> Session:
        response = SessionHeaders()
        return self.reseal.create_new_session(shown, response, user_id, None, data, keep_anonymous=keep)

    def data_of(self, session: Session) -> dict[str, Any]:
        return self.reseal.get_session_data(session.get_handle())

    def why_ended(self, session: Session) -> Refusal | None:
        return (self.reseal.backend.why_ended([session.get_handle()])).get(session.get_handle())

    def told(self, name: EventName) -> list[tuple[str | None, str | None, str | None]]:
        return [(each.session_handle, each.user_id, each.reason) for each in self.world.events.named(name)]


class VisitorSuite(SessionTests):
    def test_a_visitor_has_a_session_that_is_no_user_s(self, world: World) -> None:
        shop = Shop.of(world)
        visitor, shown = shop.visited(cart=[1])
        found = shop.reseal.get_any_session(shown, SessionHeaders(), check_database=True)
        assert (found.get_handle(), found.is_anonymous()) == (visitor.get_handle(), True)
        assert (found.get_jwt_payload(), found.get_session_data()) == ({"lang": "de"}, {"cart": [1]})
        for call in (partial(shop.reseal.get_session, shown, SessionHeaders()), found.list_sessions):
            refused = caught(call)
            assert isinstance(refused, Unauthorised)
            assert refused.reason is Refusal.NOT_SIGNED_IN
        assert shop.told(EventName.SESSION_CREATED) == [(visitor.get_handle(), ANONYMOUS, None)]

    def test_a_visitor_reaches_no_session_of_another_visitor(self, world: World) -> None:
        shop = Shop.of(world)
        visitor, _ = shop.visited()
        other, _ = shop.visited()
        handle = other.get_handle()
        calls: tuple[Any, ...] = (
            visitor.get_user_id,
            visitor.revoke_other_sessions,
            partial(visitor.end_other, handle),
            partial(visitor.rename_session, handle, "mine"),
            partial(visitor.elevate, for_=HOUR, acr="high"),
        )
        for call in calls:
            refused = caught(call)
            assert isinstance(refused, Unauthorised)
            assert refused.reason is Refusal.NOT_SIGNED_IN
        assert shop.why_ended(other) is None

    def test_at_the_sign_in_a_session_with_another_handle_and_other_tokens_goes_on_with_the_data(
        self, world: World
    ) -> None:
        shop = Shop.of(world)
        visitor, shown = shop.visited(cart=[1], seen=1)
        session = shop.signed_in(shown, seen=2)
        assert shop.data_of(session) == {"cart": [1], "seen": 2}
        assert (session.get_user_id(), session.is_anonymous(), session.get_jwt_payload()) == ("alice", False, {})
        assert session.get_handle() != visitor.get_handle()
        assert shop.why_ended(visitor) is Refusal.REPLACED
        assert shop.told(EventName.SESSION_REVOKED) == [(visitor.get_handle(), ANONYMOUS, "replaced")]
        assert shop.told(EventName.SESSION_CONVERTED) == [(session.get_handle(), "alice", visitor.get_handle())]

    def test_whoever_planted_the_visitor_s_session_has_nothing_of_the_user_s(self, world: World) -> None:
        shop = Shop.of(world)
        response = SessionHeaders()
        shop.reseal.create_anonymous_session(request(), response, None, {"planted": True})
        planted, refresh_token = with_token(response), dict(response.items())["st-refresh-token"]
        session = shop.signed_in(planted, keep=False, secret="s")
        assert shop.data_of(session) == {"secret": "s"}
        refused = caught(shop.reseal.get_any_session, planted, SessionHeaders(), check_database=True)
        assert isinstance(refused, Unauthorised)
        refused = caught(shop.reseal.backend.refresh, refresh_token)
        assert isinstance(refused, Unauthorised)
        assert refused.reason is Refusal.REPLACED
        thief = shop.signed_in(planted, "mallory")
        assert shop.data_of(thief) == {}
        assert shop.why_ended(session) is None

    def test_a_session_that_a_user_took_over_gives_nothing_to_another_user(self, world: World) -> None:
        shop = Shop.of(world)
        _, shown = shop.visited(cart=[1])
        shop.signed_in(shown)
        assert shop.data_of(shop.signed_in(shown, "mallory")) == {}
        assert len(shop.told(EventName.SESSION_CONVERTED)) == 1

    def test_of_two_tabs_that_sign_in_at_once_each_has_the_data_and_one_has_converted(
        self, world: World
    ) -> None:
        shop = Shop.of(world)
        visitor, shown = shop.visited(cart=[1])
        sessions = at_once(partial(shop.signed_in, shown, tab=n) for n in range(8))
        assert [shop.data_of(session) for session in sessions] == [{"cart": [1], "tab": n} for n in range(8)]
        assert len(shop.told(EventName.SESSION_CONVERTED)) == 1
        assert shop.told(EventName.SESSION_REVOKED) == [(visitor.get_handle(), ANONYMOUS, "replaced")]

    def test_a_second_tab_that_has_the_user_s_session_already_takes_its_data_for_a_moment(
        self, world: World
    ) -> None:
        shop = Shop.of(world)
        _, shown = shop.visited(cart=[1])
        response = SessionHeaders()
        first = shop.reseal.create_new_session(shown, response, "alice", keep_anonymous=True)
        of_user = with_token(response)
        second = shop.signed_in(of_user)
        assert shop.data_of(second) == {"cart": [1]}
        assert shop.why_ended(first) is Refusal.REPLACED
        assert shop.data_of(shop.signed_in(of_user)) == {"cart": [1]}
        assert shop.data_of(shop.signed_in(of_user, "mallory")) == {}
        world.clock.advance(WINDOW + 1)
        assert shop.data_of(shop.signed_in(of_user)) == {}
        assert len(shop.told(EventName.SESSION_CONVERTED)) == 1

    def test_of_two_users_who_sign_in_at_once_one_has_the_data(self, world: World) -> None:
        shop = Shop.of(world)
        _, shown = shop.visited(cart=[1])
        sessions = at_once(partial(shop.signed_in, shown, f"user-{n}") for n in range(8))
        found = [shop.data_of(session) for session in sessions]
        assert (found.count({"cart": [1]}), found.count({})) == (1, 7)

    def test_data_that_is_written_during_the_sign_in_is_kept_or_refused_and_never_lost(
        self, world: World
    ) -> None:
        shop = Shop.of(world)
        visitor, shown = shop.visited(cart=[])

        def put(item: int) -> bool:
            found = shop.reseal.get_any_session(shown, SessionHeaders())
            call = partial(found.change_session_data, lambda data: {"cart": [*data["cart"], item]})
            return not isinstance(caught(call), Unauthorised)

        calls: list[Any] = [partial(put, n) for n in range(4)]
        *written, session = together([*calls, partial(shop.signed_in, shown)])
        assert isinstance(session, Session)
        cart = (shop.data_of(session))["cart"]
        assert sorted(cart) == [n for n in range(4) if written[n]]
        assert shop.why_ended(visitor) is Refusal.REPLACED

    def test_an_expired_token_and_an_ended_session_give_nothing_away(self, world: World) -> None:
        shop = Shop.of(world)
        visitor, shown = shop.visited(cart=[1])
        shop.reseal.revoke_session_using_session_handle(visitor.get_handle())
        assert shop.data_of(shop.signed_in(shown)) == {}
        visitor, shown = shop.visited(cart=[1])
        world.clock.advance(HOUR)
        assert isinstance(caught(shop.signed_in, shown), TryRefreshToken)
        assert shop.why_ended(visitor) is None
        assert shop.data_of(shop.signed_in(shown, keep=False)) == {}

    def test_an_application_names_the_session_that_a_request_cannot_present(self, world: World) -> None:
        shop = Shop.of(world)
        visitor, _ = shop.visited(cart=[1])
        user = shop.signed_in(request(), "bob", secret="s")
        session = shop.signed_in(request(), keep=visitor.get_handle())
        assert shop.data_of(session) == {"cart": [1]}
        assert shop.why_ended(visitor) is Refusal.REPLACED
        for handle in (user.get_handle(), "absent"):
            assert shop.data_of(shop.signed_in(request(), keep=handle)) == {}
        assert shop.why_ended(user) is None
        not_text: Any = 7
        assert isinstance(caught(partial(shop.signed_in, request(), keep=not_text)), InvalidInput)

    def test_a_user_s_own_session_gives_no_data_to_the_next_user(self, world: World) -> None:
        shop = Shop.of(world)
        response = SessionHeaders()
        shop.reseal.create_new_session(request(), response, "alice", None, {"secret": "s"})
        assert shop.data_of(shop.signed_in(with_token(response), "bob")) == {}
        tokens = shop.reseal.backend.create("alice", None, {"secret": "s"})
        given = shop.reseal.backend.create("bob", replaced=Replaced((), tokens.claims.sid))
        assert shop.reseal.get_session_data(given.claims.sid) == {}

    def test_no_visitor_s_session_takes_the_place_of_a_user_s(self, world: World) -> None:
        shop = Shop.of(world)
        response = SessionHeaders()
        session = shop.reseal.create_new_session(request(), response, "alice")
        refused = caught(shop.reseal.create_anonymous_session, with_token(response), SessionHeaders())
        assert isinstance(refused, InvalidInput)
        assert shop.why_ended(session) is None
        shop.reseal.revoke_session_using_session_handle(session.get_handle())
        shop.reseal.create_anonymous_session(with_token(response), SessionHeaders())

    def test_a_limit_of_sessions_counts_users_and_a_refused_sign_in_leaves_the_visitor_s_session(
        self, world: World
    ) -> None:
        one = SessionPolicy(name="default", max_sessions=1, at_limit="refuse")
        shop = Shop.of(world, policies=(one,))
        visitor, shown = shop.visited(cart=[1])
        shop.visited()
        session = shop.signed_in(request())
        assert isinstance(caught(shop.signed_in, shown), TooManySessions)
        assert shop.why_ended(visitor) is None
        shop.reseal.revoke_session_using_session_handle(session.get_handle())
        assert shop.data_of(shop.signed_in(shown)) == {"cart": [1]}

    def test_visitors_have_limits_of_their_own(self, world: World) -> None:
        of_users = SessionPolicy(name="default", idle_ms=10 * HOUR)
        of_visitors = SessionPolicy(name="anonymous", idle_ms=2 * HOUR)
        shop = Shop.of(world, policies=(of_users, of_visitors))
        visitor, shown = shop.visited()
        session = shop.signed_in(request())
        other, _ = shop.visited()
        world.clock.advance(3 * HOUR)
        assert shop.why_ended(other) is Refusal.EXPIRED
        assert shop.why_ended(session) is None
        assert shop.data_of(shop.signed_in(request())) == {}
        assert (shop.why_ended(visitor), shown.method) == (Refusal.EXPIRED, "POST")
