"""How a user was authenticated: the claims ``auth_time``, ``amr`` and ``acr`` of OpenID Connect, and demands on them.

They are members of the JWT payload, so they are kept with the session and are in each of its access tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from reseal.core.access_token import LEEWAY
from reseal.core.binding import Wish
from reseal.core.errors import ClaimFailure, InvalidInput
from reseal.core.providers import ProviderSession
from reseal.core.session_policy import SessionPolicy

NAMES: Final = ("auth_time", "amr", "acr")
ID: Final = "authentication"
"""Under this id failures are reported to the page."""
_VALUE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""The text of a value: it is listed in a header, between quotes and separated by spaces (RFC 6750, section 3)."""


class AuthenticationOptions(TypedDict, total=False):
    """When and how a user was authenticated."""

    auth_time: int | None
    """When the user was authenticated, in seconds since the epoch; now, if only ``amr`` or ``acr`` is given."""
    amr: Iterable[str] | None
    """The methods, such as ``["pwd", "otp"]`` (RFC 8176)."""
    acr: str | None
    """The level that was reached, by a name of the application's."""


class VisitOptions(TypedDict, total=False):
    """The options of ``create_anonymous_session``."""

    allow_cross_site: bool
    """For the callback of an identity provider, after its ``state`` was checked, and for links in mails."""
    policy: SessionPolicy | str | None
    """The limits of this session, by their name in the settings or as a value."""
    provider: ProviderSession | None
    """The session at an identity provider that it began with: its logouts end this one."""
    device_binding: Wish | None
    """Whether it is bound to the browser's device, where ``device_binding`` of the settings is not ``off``."""


class SignInOptions(AuthenticationOptions, VisitOptions, total=False):
    """The options of ``create_new_session``."""

    keep_anonymous: bool | str
    """Take over the data of the anonymous session that this client holds; what is given here wins.

    Where the request cannot present it, as the form of an identity provider: its handle, from the ``state`` of yours.
    """


@dataclass(frozen=True, slots=True)
class AuthenticatedBy:
    """The user must have been authenticated in a certain way: a claim check.

    ``acr``: levels, of which one must have been reached. ``amr``: methods, all of which must have been used.
    ``max_age_ms``: the longest time since then. Raises ``InvalidInput`` if nothing is demanded.
    """

    acr: Iterable[str] = ()
    amr: Iterable[str] = ()
    max_age_ms: int | None = None

    def __post_init__(self) -> None:
        for name in ("acr", "amr"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        if self.max_age_ms is not None and (type(self.max_age_ms) is not int or self.max_age_ms < 0):
            raise InvalidInput("max_age_ms", "must be a whole number of milliseconds, at least 0")
        if not self.acr and not self.amr and self.max_age_ms is None:
            raise InvalidInput("AuthenticatedBy", "demands nothing: give acr, amr or max_age_ms")

    @property
    def id(self) -> str:
        return ID

    def failure(self, payload: Mapping[str, object], now: int) -> object | None:
        problem = self._problem(payload, now)
        if problem is None:
            return None
        demanded: dict[str, object] = {"message": problem}
        if self.acr:
            demanded["acr_values"] = list(self.acr)
        if self.amr:
            demanded["amr"] = list(self.amr)
        if self.max_age_ms is not None:
            demanded["max_age"] = self.max_age_ms // 1000
        return demanded

    def _problem(self, payload: Mapping[str, object], now: int) -> str | None:
        methods = payload.get("amr")
        used = [each for each in methods if isinstance(each, str)] if isinstance(methods, list) else []
        if (self.acr and payload.get("acr") not in list(self.acr)) or not set(self.amr) <= set(used):
            return "a stronger authentication is required"
        if self.max_age_ms is None:
            return None
        at = payload.get("auth_time")
        if type(at) is not int or not -LEEWAY * 1000 <= now - at * 1000 <= self.max_age_ms:
            return "a more recent authentication is required"
        return None


def challenge(failures: Iterable[ClaimFailure]) -> str | None:
    """Write the challenge of RFC 9470; ``None`` if some failure has another cause than the authentication."""
    levels: dict[str, None] = {}
    ages: list[int] = []
    for failure in failures:
        if failure.id != ID or not isinstance(failure.reason, dict):
            return None
        levels |= dict.fromkeys(failure.reason.get("acr_values", ()))
        ages += [failure.reason["max_age"]] if "max_age" in failure.reason else []
    text = 'Bearer error="insufficient_user_authentication", error_description="another authentication is required"'
    text += f', acr_values="{" ".join(levels)}"' if levels else ""
    return text + (f', max_age="{min(ages)}"' if ages else "")


def stated(payload: Mapping[str, object] | None, options: SignInOptions, now: int) -> Mapping[str, object] | None:
    """Return the JWT payload of a session with what the options say of its authentication, at ``now`` (ms).

    Raises ``InvalidInput`` for an option that is no such value.
    """
    given = named(options)
    if not given or not (payload is None or isinstance(payload, Mapping)):
        return payload
    return {**(payload or {}), **checked(given, now)}


def named(options: AuthenticationOptions) -> dict[str, object]:
    """Return the options that say something."""
    return {name: options.get(name) for name in NAMES if options.get(name) is not None}


def checked(given: Mapping[str, Any], now: int) -> dict[str, object]:
    """Return the claims of an authentication in JSON's types. Raises ``InvalidInput``."""
    claims: dict[str, object] = {"auth_time": given.get("auth_time", now // 1000)}
    at = claims["auth_time"]
    if type(at) is not int or not 0 <= at <= now // 1000 + LEEWAY:
        raise InvalidInput("auth_time", "must be a time in seconds since the epoch, and not in the future")
    if "amr" in given:
        claims["amr"] = list(_texts("amr", given["amr"]))
    if "acr" in given:
        (claims["acr"],) = _texts("acr", (given["acr"],))
    return claims


def _texts(name: str, values: Iterable[str]) -> tuple[str, ...]:
    texts = () if isinstance(values, str) or not isinstance(values, Iterable) else tuple(values)
    is_empty = isinstance(values, tuple | list) and not values
    if not (texts or is_empty) or not all(isinstance(each, str) and _VALUE.fullmatch(each) for each in texts):
        raise InvalidInput(name, "must be made of texts in visible ASCII characters, without spaces, quotes and \\")
    return texts
