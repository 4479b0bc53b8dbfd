"""What happens to sessions in browsers, as scenarios that know nothing of how requests are sent.

A scenario is a generator: it yields requests that are sent at the same time, and is given their responses. Each begins
with the sign-in of a new user agent. They stem from what users of other libraries reported: tabs that refresh at once,
answers that are lost or arrive late, pages that are reloaded in the middle, a thief with a copy of the cookies.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeAlias, TypeVar

from reseal.testing.needs import httpx
from reseal.testing.pages import Page
from reseal.testing.reports import Outcome
from reseal.testing.site import Call

T = TypeVar("T")
Flow: TypeAlias = Generator[Sequence[httpx.Request], Sequence[httpx.Response], T]

MINUTE: Final = 60_000
_LATER: Final = 10 * MINUTE
"""How long a client stays silent that retries late. Longer than the windows of all tolerant servers."""
_BETWEEN: Final = 2 * MINUTE
"""How much time passes between the refreshes of a thief and his victim."""
_ROUNDS: Final = 6
"""How often a thief and his victim refresh at most."""
_PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 that tell a client to try again."""


class SetUpError(Exception):
    """An application could not be simulated, because its description does not fit."""


class Clock(Protocol):
    """A clock that the application under test goes by. ``ManualClock`` is one."""

    def wall(self) -> int: ...
    def monotonic(self) -> int: ...
    def advance(self, milliseconds: int) -> None:
        """Let time go by."""


def tabs_at_once(page: Page, tabs: int) -> Flow[Outcome]:
    """All tabs send the same cookies at the same moment."""
    return _race(page, tabs, Outcome("tabs_at_once", f"{tabs} tabs refreshed at once"), list)


def answers_in_reverse(page: Page, tabs: int) -> Flow[Outcome]:
    """The browser is left with the cookies of the answer that was sent first."""
    story = f"{tabs} tabs refreshed at once, and the last answer arrived first"
    return _race(page, tabs, Outcome("answers_in_reverse", story), lambda answers: list(reversed(answers)))


def refusals_last(page: Page, tabs: int) -> Flow[Outcome]:
    """The refusals arrive last: they must not delete the cookies of the tabs that succeeded."""
    story = f"{tabs} tabs refreshed at once, and refusals arrived last"
    return _race(page, tabs, Outcome("refusals_last", story), lambda answers: sorted(answers, key=_is_refusal))


def one_after_another(page: Page, tabs: int) -> Flow[Outcome]:
    """Calls of a page that had expired together, each of which refreshes by itself."""
    yield from _sign_in(page)
    request = page.refresh_call()
    requests = [page.request(request) for _ in range(tabs)]
    answers: list[httpx.Response] = []
    for each in requests:
        answers += yield [each]
    outcome = Outcome("one_after_another", f"{tabs} calls of one page refreshed one after another with the same token")
    return (yield from _judged(page, outcome, answers, "calls"))


def late_tab(page: Page) -> Flow[Outcome]:
    """A tab's request is on its way for long, and another tab uses the new tokens in the meantime."""
    yield from _sign_in(page)
    late = page.request(page.refresh_call())
    first = yield [page.request(page.refresh_call())]
    page.keep(first[0])
    yield [page.request(page.site.protected)]
    second = yield [late]
    outcome = Outcome("late_tab", "the refresh of one tab arrived after another tab had used the new tokens")
    return (yield from _judged(page, outcome, [*first, *second], "tabs"))


def lost_response(page: Page) -> Flow[Outcome]:
    """The server handled the refresh, its response never arrived, and the client asks again."""
    return _lost(page, Outcome("lost_response", "the response to a refresh was lost, and the client asked again"), 1)


def lost_twice(page: Page) -> Flow[Outcome]:
    """The response to the repeated request is lost as well."""
    return _lost(page, Outcome("lost_twice", "two responses to a refresh were lost in a row"), 2)


def lost_and_late(page: Page, clock: Clock) -> Flow[Outcome]:
    """The client asks again after minutes: a laptop that slept, a telephone without a network."""
    story = f"the response to a refresh was lost, and the client asked again {_LATER // MINUTE} minutes later"
    return _lost(page, Outcome("lost_and_late", story), 1, clock)


def lost_for_tabs(page: Page, tabs: int) -> Flow[Outcome]:
    """The response is lost for all tabs, and they ask again at once."""
    yield from _sign_in(page)
    yield [page.request(page.refresh_call())]
    answers = yield [page.request(page.refresh_call()) for _ in range(tabs)]
    outcome = Outcome("lost_for_tabs", f"the response to a refresh was lost, and {tabs} tabs asked again at once")
    return (yield from _judged(page, outcome, answers, "tabs"))


def reload_during_refresh(page: Page) -> Flow[Outcome]:
    """The browser drops the response of the page that is left, and the next page refreshes at the same time."""
    yield from _sign_in(page)
    answers = yield [page.request(page.refresh_call()), page.request(page.refresh_call())]
    kept = max(answers, key=_is_refusal)  # what is dropped is the success, if there is only one
    outcome = Outcome("reload_during_refresh", "a page was reloaded while it refreshed")
    return (yield from _judged(page, outcome, [kept], "pages"))


def restored_cookies(page: Page) -> Flow[Outcome]:
    """The browser crashes after it has used its new tokens, and starts with the cookies of before the refresh."""
    yield from _sign_in(page)
    before = page.copy()
    page.keep((yield [page.request(page.refresh_call())])[0])
    yield [page.request(page.site.protected)]
    answer = yield [before.request(before.refresh_call())]
    outcome = Outcome("restored_cookies", "a browser crashed and started with the cookies of before its last refresh")
    return (yield from _judged(before, outcome, answer, "users"))


def sign_out_during_refresh(page: Page, sign_out: Call) -> Flow[Outcome]:
    """The answer of a refresh arrives after that of the sign-out: it must not sign the user in again."""
    yield from _sign_in(page)
    leaving = page.request(sign_out)
    late = yield [page.request(page.refresh_call())]
    page.keep((yield [leaving])[0])
    page.keep(late[0])
    story, praise = "the user signed out while a tab refreshed", "the sign-out held"
    outcome = Outcome("sign_out_during_refresh", story, praise=praise)
    if (yield from _lives(page)):
        return replace(outcome, problem="A refresh that was under way during the sign-out signed the user in again")
    return outcome


def thief_first(page: Page, clock: Clock | None) -> Flow[Outcome]:
    """A thief copies the cookies and refreshes before his victim does, again and again."""
    yield from _sign_in(page)
    thief = page.copy()
    return (
        yield from _theft(thief, page, thief, _of_thief("thief_first", "the thief refreshed before the user"), clock)
    )


def victim_first(page: Page, clock: Clock | None) -> Flow[Outcome]:
    """The thief refreshes after his victim."""
    yield from _sign_in(page)
    thief = page.copy()
    return (
        yield from _theft(page, thief, thief, _of_thief("victim_first", "the thief refreshed after the user"), clock)
    )


def old_token(page: Page, clock: Clock | None) -> Flow[Outcome]:
    """The thief uses a token that the victim's browser has replaced long ago."""
    yield from _sign_in(page)
    thief = page.copy()
    for _ in range(3):
        page.keep((yield [page.request(page.refresh_call())])[0])
        _pass(clock, _BETWEEN)
    return (yield from _theft(thief, page, thief, _of_thief("old_token", "the thief used an old token"), clock))


def probe(page: Page) -> Flow[None]:
    """Find out whether the description fits. Raises :class:`SetUpError`."""
    yield from _sign_in(page)
    refreshed = (yield [page.request(page.refresh_call())])[0]
    page.keep(refreshed)
    if refreshed.status_code >= 400:  # noqa: PLR2004 - RFC 9110
        raise _unfit("refresh", page.site.refresh, refreshed, "the first refresh after the sign-in")
    answer = (yield [page.request(page.site.protected)])[0]
    if not answer.is_success:
        raise _unfit("protected", page.site.protected, answer, "a user who had just refreshed")


def _race(
    page: Page, tabs: int, outcome: Outcome, arrival: Callable[[Sequence[httpx.Response]], list[httpx.Response]]
) -> Flow[Outcome]:
    yield from _sign_in(page)
    answers = yield [page.request(page.refresh_call()) for _ in range(tabs)]
    return (yield from _judged(page, outcome, arrival(answers), "tabs"))


def _lost(page: Page, outcome: Outcome, times: int, clock: Clock | None = None) -> Flow[Outcome]:
    yield from _sign_in(page)
    for _ in range(times):
        yield [page.request(page.refresh_call())]
        _pass(clock, _LATER)
    answer = yield [page.request(page.refresh_call())]
    return (yield from _judged(page, outcome, answer, "users"))


def _judged(page: Page, outcome: Outcome, answers: Iterable[httpx.Response], parties: str) -> Flow[Outcome]:
    """Have the browser keep the answers in this order, and find out who is signed in after that."""
    answers = list(answers)
    winner = page.copy()
    for answer in answers:
        page.keep(answer)
        if answer.status_code < 400:  # noqa: PLR2004 - RFC 9110
            winner.keep(answer)
    refused, broken = sum(map(_is_refusal, answers)), [each for each in answers if each.is_server_error]
    lives = yield from _lives(page)
    if not lives:
        survived = yield from _lives(winner)
        cause = _why(refused, len(answers), survived=survived)
        return _signed_out(outcome, len(answers), len(answers), parties, cause)
    if refused:
        return _signed_out(outcome, refused, len(answers), parties, _REFUSED)
    if broken:
        some = _of(len(broken), len(answers), parties)
        problem = f"{some} got status {broken[0].status_code} when {outcome.story}"
        return replace(outcome, problem=problem, tabs=len(answers))
    return replace(outcome, tabs=len(answers))


_REFUSED: Final = "the second use of a refresh token was refused"


def _why(refused: int, tabs: int, *, survived: bool) -> str:
    """Return why nobody is signed in any more."""
    if survived:
        return "the answer to a refused refresh deleted the new cookies"
    if refused == tabs:
        return _REFUSED
    if refused:
        return "the second use of a refresh token ended the session"
    return "of the refresh tokens that were given out, the one that the browser kept is not valid"


def _signed_out(outcome: Outcome, some: int, tabs: int, parties: str, cause: str) -> Outcome:
    who = _of(some, tabs, parties)
    problem = f"{who} {'was' if some == 1 else 'were'} signed out when {outcome.story}: {cause}"
    return replace(outcome, problem=problem, tabs=tabs, signed_out=some)


def _of(some: int, tabs: int, parties: str) -> str:
    if tabs == 1:
        return "The user"
    return f"{some} of {tabs} {parties}"


def _of_thief(scenario: str, story: str) -> Outcome:
    return Outcome(scenario, story, praise="the thief was signed out")


def _theft(first: Page, second: Page, thief: Page, outcome: Outcome, clock: Clock | None) -> Flow[Outcome]:
    """Have two refresh in turns until one is refused, and find out who is signed in after that."""
    for _ in range(_ROUNDS):
        refused = 0
        for each in first, second:
            answer = (yield [each.request(each.refresh_call())])[0]
            each.keep(answer)
            refused += _is_refusal(answer)
            _pass(clock, _BETWEEN)
        if refused:
            break
    victim = second if thief is first else first
    stays = yield from _lives(thief)
    owner_stays = yield from _lives(victim)
    if not stays:
        return outcome
    if owner_stays:
        problem = f"The theft went unnoticed when {outcome.story}: both are signed in"
    else:
        problem = f"The user was signed out, and the thief was not, when {outcome.story}"
    return replace(outcome, problem=problem + ("" if clock else " (no time passed between their requests)"))


def _sign_in(page: Page) -> Flow[None]:
    answer = (yield [page.request(page.site.sign_in)])[0]
    page.keep(answer)
    if answer.status_code >= 400:  # noqa: PLR2004 - RFC 9110
        raise _unfit("sign_in", page.site.sign_in, answer, "the sign-in")
    answer = (yield [page.request(page.site.protected)])[0]
    if not answer.is_success:
        raise _unfit("protected", page.site.protected, answer, "a user who had just signed in")


def _lives(page: Page) -> Flow[bool]:
    """Find out whether a browser can refresh, and is signed in after it."""
    answer = (yield [page.request(page.refresh_call())])[0]
    page.keep(answer)
    if _is_refusal(answer):
        return False
    return (yield [page.request(page.site.protected)])[0].is_success


def _is_refusal(answer: httpx.Response) -> bool:
    """Return whether an answer signs a user out, as pages understand it."""
    return answer.is_client_error and answer.status_code not in _PASSING


def _pass(clock: Clock | None, milliseconds: int) -> None:
    if clock is not None:
        clock.advance(milliseconds)


def _unfit(name: str, call: Call, answer: httpx.Response, whose: str) -> SetUpError:
    """Return what is wrong with a description, and where to change it."""
    shown = " ".join(answer.text.split())[:200]
    return SetUpError(
        f"{call[0]} {call[1]} answered {whose} with {answer.status_code}: describe the application by "
        f'Site({name}=("{call[0]}", …)); the answer was: {shown or "empty"}'
    )
