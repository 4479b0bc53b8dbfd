# Generated from tests/_async/test_kill_following.py by tools/unasync.py; edit that file instead.
"""A process follows the kill list of a service: what it asks for, and what it does when there is no answer."""

from __future__ import annotations

import msgspec
import pytest

from reseal._sync import kill_following
from reseal._sync.kill_following import EARLY, MARGIN, PAUSES, KillFollower
from reseal.core.access_token import Claims
from reseal.core.errors import ConfigurationError, StoreUnavailable, TryRefreshToken
from reseal.core.kill_list import KillEntry, KillState, Subject
from reseal.rpc.kill_calls import Feed
from reseal.settings import Settings
from reseal.testing.clock import ManualClock

FAR = 9_000_000_000_000


class Answer:
    def __init__(self, status, content=b""):
        self.status_code = status
        self.content = content


def feed(after, seq, *names, epoch="e1", more=False, waited_ms=0):
    entries = tuple(KillEntry(seq, Subject.SESSION, name, "public", None, FAR) for name in names)
    return Answer(200, msgspec.json.encode(Feed(f"{epoch}.{seq}", after, entries, more, 1_000, waited_ms)))


class Service:
    """Answers in the order of a script, each after some milliseconds."""

    def __init__(self, clock):
        self.clock = clock
        self.script = []
        self.asked = []

    def will(self, *answers, after_ms=EARLY):
        self.script += [(each, after_ms) for each in answers]

    def send(self, method, path, body, headers, *, repeatable, longer_s=0):
        assert (method, body(0), dict(headers), repeatable) == ("GET", b"", {}, True)
        query = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
        assert longer_s == int(query.get("wait", 0))
        self.asked.append((query.get("after"), query.get("wait")))
        answer, milliseconds = self.script.pop(0)
        self.clock.advance(milliseconds)
        if answer is None:
            raise StoreUnavailable("away")
        return answer


class Background:
    """Does the work when the test says so."""

    def __init__(self, _name, work):
        self.work = work
        self.begun = 0
        self.is_going = False

    def goes_on(self):
        return self.is_going

    def ensure(self):
        self.begun += 1
        self.is_going = True

    def stop(self):
        self.is_going = False

    def follow(self, service):
        """Go on as long as the service has something to answer."""
        self.is_going = True
        self.work(lambda: bool(service.script))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def service(clock):
    return Service(clock)


@pytest.fixture
def pauses(monkeypatch):
    made: list[float] = []

    def pause(seconds):
        made.append(seconds)

    monkeypatch.setattr(kill_following, "pause", pause)
    return made


@pytest.fixture
def background(monkeypatch):
    made = []

    def make(name, work):
        made.append(Background(name, work))
        return made[0]

    monkeypatch.setattr(kill_following, "Background", make)
    return made


def follower(service, clock, **settings):
    settings = Settings(api_domain="https://api.example.com", kill_list=True, **settings)
    return KillFollower(settings, service, clock, bytes, lambda: 0.5)


def is_refused(kills, clock, handle):
    now = clock.wall() // 1000
    claims = Claims("issuer", "audience", "user", now, now + 60, "public", handle, 0, msgspec.Raw(b"{}"))
    try:
        kills.check(claims)
    except TryRefreshToken:
        return True
    return False


def test_it_begins_with_a_snapshot_of_any_number_of_pages_and_waits_for_what_follows(
    service, clock, background, pauses
):
    kills = follower(service, clock)
    service.will(feed(0, 5, "a", more=True), feed(5, 9, "b"))
    kills.open()
    assert [is_refused(kills, clock, name) for name in "abc"] == [True, True, False]
    service.will(feed(9, 9), feed(9, 12, "c"), after_ms=20_000)
    background[0].follow(service)
    assert service.asked == [(None, None), ("e1.5", "0"), ("e1.9", "20"), ("e1.9", "20")]
    assert is_refused(kills, clock, "c")
    assert not pauses


def test_while_it_follows_requests_ask_for_nothing(service, clock, background):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(feed(5, 5), after_ms=20_000)
    background[0].follow(service)
    kills.keep_fresh()
    assert background[0].begun == 1
    assert len(service.asked) == 2


def test_an_answer_that_is_late_has_requests_read_on_themselves(service, clock, background):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(feed(5, 5), after_ms=20_000)
    background[0].follow(service)
    clock.advance(MARGIN)
    service.will(feed(5, 7, "a"))
    kills.keep_fresh()
    assert is_refused(kills, clock, "a")


def test_without_an_answer_it_comes_back_after_longer_and_longer_pauses(service, clock, background, pauses):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(*[None] * 9, feed(5, 6), None, feed(6, 6))
    background[0].follow(service)
    assert pauses == [0.75 * each for each in (*PAUSES, PAUSES[-1], PAUSES[-1], PAUSES[0])]


def test_without_an_answer_requests_read_on_themselves(service, clock, background):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(None)
    background[0].follow(service)
    service.will(feed(5, 6, "a"))
    kills.keep_fresh()
    assert is_refused(kills, clock, "a")


def test_another_store_behind_the_service_is_read_from_its_beginning(service, clock, background, pauses):
    kills = follower(service, clock)
    service.will(feed(0, 5, "a"))
    kills.open()
    service.will(Answer(410), feed(0, 2, "b", epoch="e2"))
    background[0].follow(service)
    assert service.asked[1:] == [("e1.5", "20"), (None, None)]
    assert [is_refused(kills, clock, name) for name in "abc"] == [True, True, False]


def test_what_does_not_follow_is_left_out_and_asked_for_again(service, clock, background, pauses):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(feed(8, 9, "b"), feed(5, 9, "a", "b"))
    background[0].follow(service)
    assert service.asked[1:] == [("e1.5", "20"), ("e1.5", "20")]
    assert [is_refused(kills, clock, name) for name in "ab"] == [True, True]


def test_a_service_that_lets_nobody_wait_is_asked_about_every_second(service, clock, background, pauses):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(feed(5, 5), feed(5, 5), feed(5, 6, "a"), after_ms=EARLY - 1)
    background[0].follow(service)
    assert pauses == [0.75, 0.75]


def test_how_old_the_list_is_counts_from_the_services_own_reading(service, clock, background):
    kills = follower(service, clock, kill_list_max_age=60)
    service.will(feed(0, 5))
    kills.open()
    service.will(feed(5, 5, waited_ms=12_000), after_ms=20_000)
    background[0].follow(service)
    assert kills.age() == 8_000
    clock.advance(52_000)
    assert kills.state() is KillState.FRESH
    clock.advance(1)
    assert kills.state() is KillState.STALE


def test_a_service_that_reads_seldom_makes_no_list_stale_that_may_not_be_old(service, clock, background):
    clock.advance(60_000)
    kills = follower(service, clock, kill_list_max_age=6)
    service.will(feed(0, 5))
    kills.open()
    for _ in range(5):
        service.will(feed(5, 5, waited_ms=-8_000), after_ms=2_000)
        background[0].follow(service)
        service.will(feed(5, 5), after_ms=0)
        if kills.is_due():
            kills.keep_fresh()
        else:
            service.script.clear()
        assert kills.state() is KillState.FRESH


def test_a_short_maximum_age_makes_for_short_waits(service, clock, background):
    kills = follower(service, clock, kill_list_max_age=6)
    service.will(feed(0, 5))
    kills.open()
    service.will(feed(5, 5), after_ms=2_000)
    background[0].follow(service)
    assert service.asked[1] == ("e1.5", "2")


@pytest.mark.parametrize(
    "answer", [Answer(200, b"{"), Answer(200, b"[]"), feed(0, 5, epoch=""), Answer(401), Answer(403), Answer(503)]
)
def test_an_answer_that_is_none_is_a_service_that_is_away(service, clock, background, answer):
    kills = follower(service, clock)
    service.will(answer)
    with pytest.raises(StoreUnavailable):
        kills.open()
    assert kills.state() is KillState.NEVER_LOADED


def test_a_service_without_the_list_is_refused_at_the_start(service, clock, background):
    kills = follower(service, clock)
    service.will(Answer(404))
    with pytest.raises(ConfigurationError, match="kill_list: the service has none"):
        kills.open()


def test_whose_numbers_are_read_is_followed_even_if_nobody_asks(service, clock, background):
    kills = follower(service, clock)
    service.will(feed(0, 5, "a"))
    kills.open()
    clock.advance(7_000)
    found = kills.samples()
    assert background[0].begun == 1
    assert (found["reseal_kill_list_age_seconds"], found["reseal_kill_list_entries"]) == ({"": 8}, {"": 1})
    assert found["reseal_kill_list_stale"] == {"": 0}


def test_behind_a_proxy_that_cuts_requests_they_wait_shorter(service, clock, background, pauses, caplog):
    kills = follower(service, clock)
    service.will(feed(0, 5))
    kills.open()
    service.will(Answer(504), after_ms=5_000)
    service.will(feed(5, 5), Answer(504), feed(5, 6, "a"), after_ms=2_000)
    background[0].follow(service)
    assert [wait for _, wait in service.asked[1:]] == ["20", "2", "2", "2"]
    assert caplog.text.count("set its read timeout to 30 seconds; until then requests wait 2 seconds") == 1
    assert is_refused(kills, clock, "a")


def test_a_process_for_which_nobody_has_waited_reads_before_its_first_answer(service, clock, background):
    kills = follower(service, clock)
    service.will(feed(0, 5), after_ms=0)
    kills.open()
    kills.keep_fresh()
    service.will(feed(5, 5))
    background[0].follow(service)
    background[0].stop()  # as in a process that is forked now
    clock.advance(2_000)
    service.will(feed(5, 6, "a"))
    kills.keep_fresh()
    assert is_refused(kills, clock, "a")
    assert background[0].begun == 2
    assert not service.script
