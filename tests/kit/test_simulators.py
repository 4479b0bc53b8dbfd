"""Races, lost responses and thieves, simulated against Reseal and against refreshes made at home."""

import threading
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from reseal.testing import (
    BodyTokens,
    ManualClock,
    Recorder,
    SetUpError,
    Site,
    assert_catches_thieves,
    assert_keeps_users_signed_in,
    async_assert_catches_thieves,
    async_assert_keeps_users_signed_in,
    async_lost_response,
    async_refresh_race,
    honest_user,
    lost_response,
    refresh_race,
    theft,
)
from tests.kit.homemade import HomeMade, asgi, wsgi
from tests.kit.shop import SETTINGS, SITE, fastapi_shop, wsgi_shop

HOME = Site(refresh=("POST", "/token/refresh"), sign_out=("POST", "/logout"))
EACH_INTERFACE = pytest.mark.parametrize("interface", [asgi, wsgi])


def names(report):
    return {each.scenario for each in report.problems}


RACES = {"tabs_at_once", "answers_in_reverse", "refusals_last", "one_after_another", "late_tab"}
LOSSES = {"lost_response", "lost_twice", "lost_for_tabs", "reload_during_refresh", "restored_cookies"}


@EACH_INTERFACE
def test_strict_rotation_signs_tabs_out_and_the_report_says_so(interface):
    report = refresh_race(interface(HomeMade("strict")), HOME)
    assert names(report) == RACES
    assert str(report).startswith(
        "7 of 8 tabs were signed out when 8 tabs refreshed at once: the second use of a refresh token was refused (also: "
    )
    assert [each.signed_out for each in report.outcomes] == [7, 7, 7, 7, 1]


@EACH_INTERFACE
def test_strict_rotation_does_not_survive_a_lost_response(interface):
    report = lost_response(interface(HomeMade("strict")), HOME, tabs=3)
    assert names(report) == LOSSES
    assert str(report).startswith(
        "The user was signed out when the response to a refresh was lost, and the client asked again: "
        "the second use of a refresh token was refused"
    )


@EACH_INTERFACE
def test_a_family_that_ends_at_the_second_use_takes_all_tabs_along(interface):
    report = refresh_race(interface(HomeMade("ends")), HOME, tabs=2)
    assert str(report).startswith(
        "2 of 2 tabs were signed out when 2 tabs refreshed at once: the second use of a refresh token ended the session"
    )
    assert names(report) == RACES


async def test_a_refusal_that_deletes_the_cookies_of_the_winner_is_noticed():
    report = await async_refresh_race(asgi(HomeMade("clears")), HOME)  # in one event loop the first tab always wins
    assert "8 of 8 tabs were signed out" in report.details()
    assert report.details().count("the answer to a refused refresh deleted the new cookies") == 4


async def test_a_second_successor_that_replaces_the_first_is_noticed():
    report = await async_refresh_race(asgi(HomeMade("replaces")), HOME)
    assert "the one that the browser kept is not valid" in str(report)


def test_an_error_of_the_server_in_a_race_is_no_sign_out_but_a_problem():
    report = honest_user(asgi(HomeMade("fails")), HOME)
    assert str(report).startswith("7 of 8 tabs got status 500 when 8 tabs refreshed at once")
    assert report.signed_out == 0


def test_a_sign_out_that_a_late_refresh_undoes_is_noticed():
    report = honest_user(asgi(HomeMade("same", forgets_sign_out=True)), HOME)
    assert str(report) == "A refresh that was under way during the sign-out signed the user in again"


@EACH_INTERFACE
def test_an_implementation_that_repeats_the_successor_keeps_users_signed_in(interface):
    report = assert_keeps_users_signed_in(interface(HomeMade("same")), HOME)
    assert str(report) == "Tabs, retries and lost responses keep users signed in (11 scenarios)"
    assert all(line.startswith("- ") for line in report.details().splitlines())


def test_the_assertion_shows_every_scenario():
    with pytest.raises(AssertionError) as failure:
        assert_keeps_users_signed_in(asgi(HomeMade("strict")), HOME, tabs=2)
    told = str(failure.value).splitlines()
    assert told[0].startswith("1 of 2 tabs was signed out when 2 tabs refreshed at once")
    assert len(told) == 12
    assert told[1].startswith("! tabs_at_once: 1 of 2 tabs was signed out")
    assert told[-1] == "- sign_out_during_refresh: the sign-out held when the user signed out while a tab refreshed"


def test_fastapi_keeps_users_signed_in_and_catches_the_thief():
    clock, events = ManualClock(), Recorder()
    app, _ = fastapi_shop(clock, events)
    report = assert_keeps_users_signed_in(app, SETTINGS, clock=clock)
    assert str(report) == "Tabs, retries and lost responses keep users signed in (12 scenarios)"
    assert not [event for event in events.all if event.name == "token_theft"]
    assert str(assert_catches_thieves(app, SITE, clock=clock)) == (
        "A thief with a copy of the cookies was signed out (3 scenarios)"
    )
    assert len([event for event in events.all if event.name == "token_theft"]) == 3


async def test_the_same_in_the_event_loop_of_the_test():
    clock, events = ManualClock(), Recorder()
    app, _ = fastapi_shop(clock, events)
    assert (await async_refresh_race(app, SITE)).is_good
    assert (await async_lost_response(app, SITE, clock=clock)).is_good
    await async_assert_keeps_users_signed_in(app, SITE, clock=clock)
    await async_assert_catches_thieves(app, SITE, clock=clock)
    with pytest.raises(AssertionError, match="8 of 8 tabs were signed out"):
        await async_assert_keeps_users_signed_in(wsgi(HomeMade("ends")), HOME)


@pytest.mark.parametrize("policy", ["graceful", "classic"])
def test_sessions_in_sync_code_keep_users_signed_in_and_catch_the_thief(policy):
    clock, events = ManualClock(), Recorder()
    app, _ = wsgi_shop(clock, events, rotation_policy=policy, theft_response="revoke_session")
    assert_keeps_users_signed_in(app, SITE, clock=clock)
    assert not [event for event in events.all if event.name == "token_theft"]
    assert_catches_thieves(app, SITE, clock=clock)


def test_a_thief_goes_unseen_where_nothing_rotates():
    report = theft(asgi(HomeMade("static")), HOME, clock=ManualClock())
    assert str(report) == (
        "The theft went unnoticed when the thief refreshed before the user: both are signed in "
        "(also: victim_first, old_token)"
    )


def test_a_thief_who_comes_first_stays_where_a_second_use_is_only_refused():
    report = theft(asgi(HomeMade("strict")), HOME, clock=ManualClock())
    assert str(report) == "The user was signed out, and the thief was not, when the thief refreshed before the user"
    with pytest.raises(AssertionError, match="The user was signed out, and the thief was not"):
        assert_catches_thieves(asgi(HomeMade("strict")), HOME)
    assert theft(asgi(HomeMade("ends")), HOME).is_good


def test_a_report_without_a_clock_says_that_no_time_passed():
    app, _ = fastapi_shop(on_event=Recorder())
    assert "(no time passed between their requests)" in str(theft(app, SITE))


@pytest.mark.parametrize("sent_as", [None, "refresh"])
def test_tokens_in_json_bodies_are_kept_and_sent_like_cookies(sent_as):
    site = Site(refresh=("POST", "/token/refresh"), tokens=BodyTokens("access", "refresh", sent_as=sent_as))
    assert names(refresh_race(asgi(HomeMade("strict", in_bodies=True)), site)) == RACES
    assert honest_user(wsgi(HomeMade("same", in_bodies=True)), site).is_good


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serving(app):
    with make_server("127.0.0.1", 0, app, Server, Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_a_server_is_tried_by_its_url():
    with serving(wsgi(HomeMade("ends"))) as url:
        assert names(refresh_race(url, HOME, tabs=3)) == RACES
        assert names(await async_lost_response(url, HOME, tabs=3)) == LOSSES
    with serving(wsgi(HomeMade("same"))) as url:
        assert_keeps_users_signed_in(url, HOME, tabs=3)


@pytest.mark.parametrize(
    ("site", "told"),
    [
        (
            Site(sign_in=("POST", "/signin")),
            r'POST /signin answered the sign-in with 404.*Site\(sign_in=\("POST", …\)\)',
        ),
        (Site(protected=("GET", "/you")), r"GET /you answered a user who had just signed in with 404.*Site\(protected"),
        (Site(), r'POST /session/refresh answered the first refresh .* with 404.*the answer was: "not found"'),
    ],
)
def test_a_description_that_does_not_fit_is_named(site, told):
    with pytest.raises(SetUpError, match=told):
        refresh_race(asgi(HomeMade("same")), site)
