"""Rules of single values: each returns the normal form of a value or raises ``InvalidValueError``."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

from reseal.core import guessable
from reseal.core.client_details import ClientDetails
from reseal.core.events import EventOutbox
from reseal.core.model import Rollback, TheftResponse
from reseal.core.secret import Secret
from reseal.settings.origins import cookie_domain, origin, path
from reseal.settings.problems import InvalidValueError, shown

E = TypeVar("E", bound=StrEnum)
Rule = Callable[[object], object]
"""Returns the normal form of a value, or raises ``InvalidValueError``."""

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

SECRET_MIN: Final = 32
"""Shortest ``secret_key``, in bytes of UTF-8."""
YEARS_100: Final = 100 * 365 * 24 * HOUR
"""The longest duration, in ms."""
HOURS_MAX: Final = YEARS_100 // HOUR
_FORBIDDEN_STATUS: Final = {403: "403 answers a missing claim", 503: "503 answers a store that is away"}
POSTGRESQL_SCHEMES: Final = ("postgresql://", "postgres://")
MARIADB_SCHEMES: Final = ("mysql://", "mariadb://")
REDIS_SCHEMES: Final = tuple(
    f"{kind}{more}://" for kind in ("redis", "rediss") for more in ("", "+sentinel", "+cluster")
)
SERVER_SCHEMES: Final = (*POSTGRESQL_SCHEMES, *MARIADB_SCHEMES, *REDIS_SCHEMES)
"""Those of stores on a server, which several processes may share."""
_ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_SUFFIX: Final = re.compile(r"[A-Za-z0-9_-]{0,32}", re.ASCII)
_CLAIM: Final = re.compile(r"[\x21-\x7e]{1,255}")
_SQLITE: Final = re.compile(r"sqlite:///([^?#\x00-\x1f\x7f]*[^?#\x00-\x1f\x7f/])")
_POSTGRESQL: Final = re.compile(
    r"postgres(?:ql)?://(?:[^\s@/?#]*@)?"
    r"(?:(?:[A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:,|(?=[/?]|$)))*"
    r"(?:/[^\s/?#@]*)?(?:\?[^\s#]*)?"
)
"""A connection URI as libpq reads it; libpq checks its contents when the store is opened."""
_MARIADB: Final = re.compile(r"(?:mysql|mariadb)://[^\s:@/?#]+(?::[^\s@/?#]*)?@[^\s@/?#]*/[^\s/?#@]+(?:\?[^\s#]*)?")
_LIKE: Final = (
    (POSTGRESQL_SCHEMES, _POSTGRESQL, "PostgreSQL: postgresql://user:password@host:5432/database"),
    (MARIADB_SCHEMES, _MARIADB, "MariaDB or MySQL: mysql://user:password@host:3306/database"),
)
"""Whose URIs are checked here as far as their form goes, and an example of each."""
_SHOWN_ENTRIES: Final = 10


def as_text(value: object) -> str:
    """Require text."""
    if not isinstance(value, str):
        raise InvalidValueError("must be text", "put the value in quotes, or remove the key for its default")
    return str.__str__(value)  # the content of a subclass, whatever its ``__str__`` returns


def boolean(value: object) -> bool:
    """Require true or false."""
    if not isinstance(value, bool):
        raise InvalidValueError("must be true or false", "write true or false without quotes")
    return value


def whole(low: int, high: int, why: str, advice: str) -> Callable[[object], int]:
    def rule(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidValueError("must be a whole number", advice)
        if not low <= value <= high:
            raise InvalidValueError(why, advice)
        return int(value)

    return rule


def amount(low: float, high: float, why: str, advice: str) -> Rule:
    def rule(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidValueError("must be a number", advice)
        if not low <= value <= high:  # NaN fails too
            raise InvalidValueError(why, advice)
        return float(value)

    return rule


def duration(unit: int, plural: str) -> Rule:
    """Bound a duration from above; the rule between it and the access token's validity bounds it from below."""
    most = YEARS_100 // unit
    return amount(-most, most, f"must be at most {most} {plural} (100 years)", f"the unit is {plural}")


def choice(names: tuple[str, ...], why: str) -> Rule:
    def rule(value: object) -> str:
        if isinstance(value, str) and value in names:
            return str(value)
        raise InvalidValueError(why, _other_case(value, names) or f"choose one of {', '.join(names)}")

    return rule


def matching(pattern: re.Pattern[str], why: str, advice: str) -> Rule:
    def rule(value: object) -> str:
        text = as_text(value)
        if not pattern.fullmatch(text):
            raise InvalidValueError(why, advice)
        return text

    return rule


def of_text(normalise: Callable[[str], str]) -> Rule:
    return lambda value: normalise(as_text(value))


def optional(rule: Rule) -> Rule:
    return lambda value: None if value is None else rule(value)


def origins(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidValueError("must be a list of origins", "write it like [https://www.example.com]")
    normal: list[str] = []
    faults: list[str] = []
    for entry in value:
        try:
            normal.append(origin(as_text(entry)))
        except InvalidValueError as invalid:
            faults.append(f"{shown(entry)} {invalid.why}: {invalid.advice}")
    if faults:
        raise InvalidValueError("has entries that cannot be used", "; ".join(faults[:_SHOWN_ENTRIES]))
    return tuple(dict.fromkeys(normal))


def algorithm(value: object) -> str:
    if isinstance(value, str) and value in _ALGORITHMS:
        return str(value)
    name = value.lower() if isinstance(value, str) else ""
    if name.startswith("hs"):
        why = "must not be a shared secret: it cannot be published, and who can verify with it can forge"
    elif name == "none":
        why = "must not be none: anybody could write an unsigned token"
    else:
        why = "must be an algorithm offered here, whose keys have a strength of at least 128 bits"
    raise InvalidValueError(why, _other_case(value, _ALGORITHMS) or f"choose one of {', '.join(_ALGORITHMS)}")


def database(value: object) -> str:
    text = as_text(value)
    if (
        text == "memory:"
        or text.startswith(REDIS_SCHEMES)
        or (_SQLITE.fullmatch(text) and not text.endswith(":memory:"))
    ):
        return text
    for schemes, form, like in _LIKE:
        if form.fullmatch(text):
            return text
        if text.startswith(schemes):
            raise InvalidValueError(
                f"must be a connection URI of {like}",
                "in the password write %40 for @, %3A for :, %2F for /, %25 for %; commas separate several hosts",
            )
    raise InvalidValueError(
        "must name a store that this form supports: sqlite:///relative/file.db, sqlite:////absolute/file.db, "
        "postgresql://user:password@host:5432/database, mysql://user:password@host:3306/database, "
        "redis://user:password@host:6379/0 or memory:",
        "use one of these; only those of servers take a query, and none a fragment",
    )


def replica(value: object) -> Secret:
    text = value.reveal().decode("utf-8", "replace") if isinstance(value, Secret) else as_text(value)
    if not _POSTGRESQL.fullmatch(text):
        raise InvalidValueError("must be a connection URI of PostgreSQL", "postgresql://user:password@standby/database")
    return Secret(text)


def secret(value: object) -> Secret:
    if not isinstance(value, str | Secret):
        raise InvalidValueError("must be text or a Secret", "put the value in quotes, or remove the key")
    kept = value if isinstance(value, Secret) else Secret(value)
    if len(kept.reveal()) < SECRET_MIN:
        raise InvalidValueError(
            f"must have at least {SECRET_MIN} characters", "make one with: openssl rand -base64 48, or remove the key"
        )
    found = guessable.obvious(kept.reveal().decode("utf-8", "replace"))
    if found is not None:
        raise InvalidValueError(found, "make one with: openssl rand -base64 48")
    return kept


def secrets(value: object) -> Secret:
    """Require several secrets: text with one per line, or a list."""
    texts = value.reveal().decode("utf-8", "surrogatepass") if isinstance(value, Secret) else value
    texts = texts.splitlines() if isinstance(texts, str) else texts
    if not isinstance(texts, list | tuple) or not texts:
        raise InvalidValueError("must be text with a secret on each line", "put the value in quotes, or remove the key")
    return Secret(b"\n".join(secret(each).reveal() for each in texts if each))


def older_domain(text: str) -> str:
    return text and cookie_domain(text)


def path_prefix(text: str) -> str:
    return "" if text in {"", "/"} else path(text)


def refresh_path(value: object) -> str:
    text = path(as_text(value))
    if text == "/":
        raise InvalidValueError(
            "must not be '/'", "the refresh token would travel with every request; use /session/refresh"
        )
    return text


def expired_status(value: object) -> int:
    why = "must be a value between 400 and 599, inclusive"
    status = whole(400, 599, why, "401 suits unless the pages expect another one")(value)
    if status in _FORBIDDEN_STATUS:
        raise InvalidValueError("must differ from 403 and 503", f"{_FORBIDDEN_STATUS[status]}; 401 suits")
    return status


def member(kind: type[E], why: str, advice: str, without: frozenset[E] = frozenset()) -> Callable[[object], E]:
    """Take a member of an enumeration, or its value as text."""

    def rule(value: object) -> E:
        names = tuple(each.value for each in kind if each not in without)
        if isinstance(value, str) and value in names:
            return kind(value)
        raise InvalidValueError(why, _other_case(value, names) or advice)

    return rule


def _other_case(value: object, names: tuple[str, ...]) -> str | None:
    same = [name for name in names if isinstance(value, str) and name.lower() == value.strip().lower()]
    return f"write {same[0]}" if same else None


def event_outbox(value: object) -> EventOutbox:
    return EventOutbox.OFF if value is False else _event_outbox(value)  # YAML 1.1 reads off as false


_event_outbox: Final = member(EventOutbox, "must be off, security or all", "security suits most")
rollback: Final = member(Rollback, "must be adopt or refuse", "adopt signs nobody out")
client_details: Final = member(
    ClientDetails, "must be full, truncated, no_address or none", "truncated keeps the network"
)
theft_response: Final = member(
    TheftResponse,
    "must be one of report, revoke_session, revoke_user, hold, step_up",
    "remove the key for the default of the rotation policy",
)


identifier: Rule = matching(_NAME, "must be 1 to 64 characters of a-z, 0-9 and -", "choose a short lower-case name")
suffix: Rule = matching(_SUFFIX, "must be up to 32 characters of A-Z, a-z, 0-9, - and _", "write it like -shop")
claim: Rule = optional(matching(_CLAIM, "must be 1 to 255 printable ASCII characters", "remove the key for api_domain"))
same_site: Rule = choice(("none", "strict", "lax"), 'must be either "none", "strict" or "lax"')
