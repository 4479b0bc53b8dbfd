"""What errors carry for those who answer them."""

from __future__ import annotations

from reseal import TokenTheftDetected, TryRefreshToken, is_error_from_auth
from reseal.core.errors import RefreshElsewhere


def test_a_refresh_that_belongs_elsewhere_says_where():
    assert RefreshElsewhere("/auth/session/refresh").location == "/auth/session/refresh"


def test_theft_names_user_session_and_kind():
    theft = TokenTheftDetected("user-1", "h", "older")
    assert (theft.user_id, theft.session_handle, theft.subtype) == ("user-1", "h", "older")


def test_errors_of_the_library_are_told_from_others():
    assert is_error_from_auth(TryRefreshToken("expired"))
    assert not is_error_from_auth(ValueError("expired"))
    assert not is_error_from_auth(None)
