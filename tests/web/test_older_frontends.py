from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest

from reseal import RequestFacts, Reseal, SessionHeaders
from reseal.testing import ManualClock
from tests.web.material import WEBSITE, settings

LATER = ("st-auth-mode", "cookie")


class Browser:
    """Keeps cookies; what it was told last is in ``said``."""

    def __init__(self, reseal: Reseal, *headers: tuple[str, str]) -> None:
        self._reseal = reseal
        self._headers = headers
        self.cookies: dict[str, str] = {}
        self.said: dict[str, str] = {}

    def call(self, name: str, *args: object, then: str | None = None, **changes: object):
        cookies = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        request = RequestFacts.of("POST", "/", [("cookie", cookies), ("origin", WEBSITE), *self._headers])
        response = SessionHeaders()
        session = getattr(self._reseal, name)(request, response, *args)
        if then is not None:
            getattr(session, then)(**changes)
        self.said = {}
        for key, value in response.items():
            if key == "set-cookie":
                self.cookies |= {name: each.value for name, each in SimpleCookie(value).items()}
            else:
                self.said[key] = value

    @property
    def marker(self) -> str | None:
        return self.said.get("id-refresh-token")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def reseal(clock: ManualClock) -> Iterator[Reseal]:
    with Reseal(settings(database_uri="memory:", frontend_compatibility=True), clock=clock) as reseal:
        yield reseal


def test_an_older_frontend_is_told_of_a_session_and_its_end_in_time(reseal, clock):
    browser = Browser(reseal)
    browser.call("create_new_session", "alice")
    _, end_ms = browser.marker.split(";")
    assert int(end_ms) == clock.wall() + reseal.settings.idle_ms
    assert browser.said["access-control-expose-headers"] == "front-token, id-refresh-token"


def test_what_it_is_told_changes_with_each_refresh_and_is_no_part_of_a_token(reseal):
    browser = Browser(reseal)
    browser.call("create_new_session", "alice")
    told = [browser.marker]
    for _ in range(3):
        browser.call("refresh_session")
        told.append(browser.marker)
        secrets = [part for token in browser.cookies.values() for part in token.split(".") if len(part) > 40]
        assert len(secrets) == 5
        assert not any(secret in told[-1] for secret in secrets)
    assert len(set(told)) == 4


def test_a_changed_payload_is_told_by_the_front_token_alone(reseal):
    browser = Browser(reseal)
    browser.call("create_new_session", "alice")
    browser.call("get_session", then="update_jwt_payload", jwt_payload={"plan": "gold"})
    assert b'"plan":"gold"' in b64decode(browser.said["front-token"])
    assert browser.marker is None


@pytest.mark.parametrize("began", ["before", "in the same response"])
def test_the_end_is_told_without_the_word_that_it_would_misread(reseal, began):
    browser = Browser(reseal)
    if began == "before":
        browser.call("create_new_session", "alice")
        browser.call("sign_out")
    else:
        browser.call("create_new_session", "alice", then="revoke_session")
    assert browser.marker == "remove"
    assert "front-token" not in browser.said
    assert browser.said["access-control-expose-headers"] == "id-refresh-token"


def test_a_later_frontend_hears_what_it_always_hears(reseal):
    browser = Browser(reseal, LATER)
    for name in ("create_new_session", "refresh_session", "sign_out"):
        browser.call(name, *(["alice"] if name == "create_new_session" else []))
        assert browser.marker is None
    assert browser.said["front-token"] == "remove"


def test_without_the_setting_nobody_hears_of_it():
    with Reseal(settings(database_uri="memory:")) as reseal:
        browser = Browser(reseal)
        for name in ("create_new_session", "refresh_session", "sign_out"):
            browser.call(name, *(["alice"] if name == "create_new_session" else []))
            assert browser.marker is None
        assert browser.said["front-token"] == "remove"
