"""Whether a set of values is valid: the rule of each key, then the rules between keys. Every problem is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reseal.core.events import EventOutbox
from reseal.settings.origins import covers, is_open_http
from reseal.settings.policies import are_within
from reseal.settings.problems import InvalidValueError
from reseal.settings.rules import MINUTE, POSTGRESQL_SCHEMES, SECOND
from reseal.settings.webhooks import are_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reseal.settings.fields import Row

_MISSING: Final = "set it to the origin of the API as browsers see it, like https://api.example.com"


def milliseconds(amount: float, unit: int) -> int:
    """Convert to whole milliseconds."""
    return round(amount * unit)


def maybe_milliseconds(amount: float | None, unit: int) -> int | None:
    """Convert to whole milliseconds, if there is an amount."""
    return None if amount is None else milliseconds(amount, unit)


class CrossRule(NamedTuple):
    """A rule between keys: ``holds`` takes their values in this order."""

    keys: tuple[str, ...]
    holds: Callable[..., bool]
    why: str
    advice: str


def check(
    values: Mapping[str, object], places: Mapping[str, str], rows: Mapping[str, Row], cross_rules: Iterable[CrossRule]
) -> tuple[dict[str, Any], list[str]]:
    """Return the normal forms of the valid values, and a text for every problem.

    ``places`` says where a key was given, if that is known. A key without a value is missing. A rule between keys
    is applied only if each of them is valid by itself.
    """
    valid: dict[str, Any] = {}
    problems: list[str] = []
    for key, row in rows.items():
        if key not in values:
            problems.append(f"'{key}' is missing: {_MISSING}")
            continue
        try:
            valid[key] = row.rule(values[key])
        except InvalidValueError as invalid:
            problems.append(f"{invalid.reason(key)} (got {_got(row, values[key], places)}): {invalid.advice}")
    for broken in broken_by(valid, cross_rules):
        got = ", ".join(f"{key} {_got(rows[key], valid[key], places)}" for key in broken.keys)
        problems.append(f"{broken.why} (got {got}): {broken.advice}")
    return valid, problems


def broken_by(values: Mapping[str, Any], cross_rules: Iterable[CrossRule]) -> list[CrossRule]:
    """Return the rules that these values break; a rule of which a key is absent does not apply."""
    return [
        rule
        for rule in cross_rules
        if values.keys() >= set(rule.keys) and not rule.holds(*(values[key] for key in rule.keys))
    ]


def outlasts(minutes: float | None, seconds: int) -> bool:
    """Return whether the first time is longer than the second; ``None`` is endless."""
    return minutes is None or milliseconds(minutes, MINUTE) > seconds * SECOND


def _is_secure(secure: bool | None, api: str) -> bool:  # noqa: FBT001 - values of keys, in order
    return api.startswith("https:") if secure is None else secure


def _none_is_secure(same_site: str, secure: bool | None, api: str) -> bool:  # noqa: FBT001 - as above
    return same_site != "none" or _is_secure(secure, api)


def _encrypted(value: str | tuple[str, ...] | None, secure: bool | None) -> bool:  # noqa: FBT001 - as above
    origins = (value,) if isinstance(value, str) else value or ()
    return secure is False or not any(is_open_http(each) for each in origins)


def _differ(older: str | None, present: str | None) -> bool:
    return older is None or older.lstrip(".") != (present or "").lstrip(".")


_HTTPS: Final = (
    "use https, or set cookie_secure: false where the network is trusted; "
    "for tests use your https origin and reseal.testing.as_browser"
)


def _is_of_postgresql(replica_uri: object, database_uri: str) -> bool:
    return replica_uri is None or database_uri.startswith(POSTGRESQL_SCHEMES)


_POSTED: Final = ("", "/end-others", "/impersonation/stop")
"""What comes after ``sessions_api_path`` in the routes of lists of devices."""
CROSS_RULES: Final = (
    CrossRule(
        ("replica_uri", "database_uri"),
        _is_of_postgresql,
        "'replica_uri' needs a 'database_uri' of PostgreSQL",
        "the standby has what that one writes",
    ),
    CrossRule(
        ("policies", "access_token_validity"),
        are_within,
        "'policies' must not have a longer 'access_token_validity' than the settings",
        "by that of the settings keys are kept; both count seconds",
    ),
    CrossRule(
        ("webhooks", "event_outbox"),
        are_kept,
        "'webhooks' needs an 'event_outbox' that keeps the events which are sent",
        "set event_outbox: security, or all for session.created and the frequent types",
    ),
    CrossRule(
        ("audit", "event_outbox"),
        lambda audit, outbox: not audit or outbox is not EventOutbox.OFF,
        "'audit' needs an 'event_outbox' that keeps events",
        "set event_outbox: security, or all for sign-ins and refreshes too",
    ),
    CrossRule(
        ("refresh_token_validity", "access_token_validity"),
        outlasts,
        "'refresh_token_validity' must be strictly greater than 'access_token_validity'.",
        "the first counts minutes, the second seconds",
    ),
    CrossRule(
        ("session_absolute_timeout", "access_token_validity"),
        outlasts,
        "'session_absolute_timeout' must be longer than 'access_token_validity'",
        "the first counts minutes, the second seconds",
    ),
    CrossRule(
        ("cookie_same_site", "enable_anti_csrf"),
        lambda same_site, anti_csrf: same_site != "none" or anti_csrf,
        "please set 'enable_anti_csrf' to true if 'cookie_same_site' is set to 'none'",
        "cookies that travel cross-site prove nothing about the page; or use lax",
    ),
    CrossRule(
        ("cookie_same_site", "cookie_secure", "api_domain"),
        _none_is_secure,
        "'cookie_same_site' none needs secure cookies, or browsers drop them",
        "serve the API over https and do not set cookie_secure to false, or use lax",
    ),
    CrossRule(
        ("cookie_partitioned", "cookie_same_site"),
        lambda partitioned, same_site: not partitioned or same_site == "none",
        "'cookie_partitioned' needs cookies that are sent to frames of other sites",
        "set cookie_same_site: none as well, or remove cookie_partitioned",
    ),
    CrossRule(
        ("device_binding", "cookie_domain", "cookie_partitioned"),
        lambda binding, domain, partitioned: binding != "require" or (domain is None and not partitioned),
        "'device_binding' require needs cookies of this host alone, and not partitioned ones",
        "browsers refresh a bound session for one host; remove cookie_domain and cookie_partitioned, or use offer",
    ),
    CrossRule(
        ("device_binding", "cookie_secure", "api_domain"),
        lambda binding, secure, api: binding != "require" or (api.startswith("https:") if secure is None else secure),
        "'device_binding' require needs secure cookies",
        "browsers bind sessions over https alone; serve the API over https, or use offer",
    ),
    CrossRule(
        ("cookie_domain", "api_domain"),
        covers,
        "'cookie_domain' must be the host of 'api_domain' or a parent domain of it",
        "browsers drop the cookies otherwise; remove it for host-only cookies",
    ),
    CrossRule(
        ("older_cookie_domain", "api_domain"),
        lambda older, api: not older or covers(older, api),
        "'older_cookie_domain' must be the host of 'api_domain' or a parent domain of it",
        "browsers have no such cookies to delete; leave it empty if the old ones had no domain",
    ),
    CrossRule(
        ("older_cookie_domain", "cookie_domain"),
        _differ,
        "'older_cookie_domain' must differ from 'cookie_domain'",
        "it would delete the cookies just set; remove it if the domain was not changed",
    ),
    *(
        CrossRule(
            (f"older_{key}", key),
            lambda older, present: older != present,
            f"'older_{key}' must differ from '{key}'",
            "it names the previous place of the cookies; remove it if nothing was moved",
        )
        for key in ("access_token_path", "refresh_api_path", "cookie_suffix")
    ),
    CrossRule(
        ("older_cookie_secure", "cookie_secure", "api_domain"),
        lambda older, secure, api: older is None or older != _is_secure(secure, api),
        "'older_cookie_secure' must differ from the present value",
        "it names the previous value; remove it if that was not changed",
    ),
    CrossRule(
        ("older_refresh_api_path", "signout_api_path"),
        lambda older, signout: older != signout,
        "'older_refresh_api_path' must differ from 'signout_api_path'",
        "the older path is still answered, as the refresh endpoint",
    ),
    CrossRule(
        ("public_path_prefix", "refresh_api_path"),
        lambda prefix, refresh: not prefix or not refresh.startswith(f"{prefix}/"),
        "'refresh_api_path' must not begin with 'public_path_prefix'",
        "it is the path within the application: leave the prefix out; or remove the latter if nothing is taken off",
    ),
    CrossRule(
        ("refresh_api_path", "signout_api_path"),
        lambda refresh, signout: refresh != signout,
        "'refresh_api_path' must differ from 'signout_api_path'",
        "give each endpoint its own path",
    ),
    CrossRule(
        ("access_token_path", "signout_api_path"),
        lambda access, signout: signout == access or signout.startswith(access.rstrip("/") + "/"),
        "'signout_api_path' must lie under 'access_token_path'",
        "signing out needs the access cookie, which browsers send only there",
    ),
    CrossRule(
        ("device_list", "access_token_path", "sessions_api_path"),
        lambda on, access, listed: not on or f"{listed}/".startswith(access.rstrip("/") + "/"),
        "'sessions_api_path' must lie under 'access_token_path'",
        "the list of devices needs the access cookie, which browsers send only there",
    ),
    *(
        CrossRule(
            ("device_list", "sessions_api_path", key),
            lambda on, listed, other: (
                not on or other.removeprefix(listed) not in {"", "/end-others", "/impersonation/stop"}
            ),
            f"'sessions_api_path' must differ from '{key}'",
            "give each endpoint its own path",
        )
        for key in ("refresh_api_path", "signout_api_path")
    ),
    *(
        CrossRule((key, "cookie_secure"), _encrypted, f"'{key}' must use https unless its host is loopback", _HTTPS)
        for key in ("api_domain", "website_domain", "trusted_origins")
    ),
)


def _got(row: Row, value: object, places: Mapping[str, str]) -> str:
    return row.show(value) + (f" from {places[row.name]}" if row.name in places else "")
