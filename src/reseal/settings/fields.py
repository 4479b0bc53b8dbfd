"""The table of settings: one row for each key.

A row has the name, type, default, meaning, rule, unit, other names and scope of a key. It stands in the class of the
forms that have the key: ``SharedFields`` for both forms, ``EmbeddedFields`` for the embedded form alone,
``reseal.server.fields.ServiceFields`` for the service alone. ``Settings`` and ``ServiceSettings`` inherit their
fields from there; parsing, checking and the reference are derived from :func:`rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum, Flag, auto
from functools import cache
from typing import Any, Final, Literal, TypeVar

from reseal.core.binding import WISHES, Wish
from reseal.core.client_details import ClientDetails
from reseal.core.events import EventOutbox
from reseal.core.model import Rollback, TheftResponse
from reseal.core.providers import IdentityProvider
from reseal.core.secret import Secret
from reseal.core.session_policy import SessionPolicy
from reseal.core.webhooks import Endpoint
from reseal.settings import rules
from reseal.settings.origins import cookie_domain, origin, path
from reseal.settings.policies import names_of as policy_names
from reseal.settings.policies import policies
from reseal.settings.problems import hidden, scheme_only, shown
from reseal.settings.providers import issuers_of, providers
from reseal.settings.rules import DAY, MINUTE, SECOND, YEARS_100, Rule, amount, choice, of_text, optional, whole
from reseal.settings.webhooks import names_of, webhooks

SameSite = Literal["none", "strict", "lax"]
TransferMethod = Literal["any", "cookie", "header"]
T = TypeVar("T")


class Where(Flag):
    """Where a key counts besides the configuration of its form."""

    NOWHERE = 0
    APP = auto()
    """An app of the service may set it for itself."""
    PROFILE = auto()
    """``Remote`` sends it to the service with each call."""


class Chapter(Enum):
    """The chapters of the reference, in their order."""

    NETWORK = "Network"
    ACCESS = "Access"
    ORIGINS = "Origins and names"
    STORE = "Store and secrets"
    LIFETIMES = "Lifetimes"
    SIGNING = "Access tokens"
    REFRESH = "Refreshing"
    REQUESTS = "Requests"
    COOKIES = "Cookies and paths"
    OPERATION = "Operation"


APP: Final = Where.APP
PROFILE: Final = Where.PROFILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key of a form, as it stands in the table."""

    name: str
    kind: str
    """The type as it is written."""
    default: Any
    """``dataclasses.MISSING`` if the key is required."""
    chapter: Chapter
    rule: Rule
    doc: str
    unit: str = ""
    other_names: tuple[str, ...] = ()
    where: Where = Where.NOWHERE
    show: Callable[[object], str] = shown
    """Describes a value in the text of a problem."""
    from_file: bool = False
    """Whether ``RESEAL_<KEY>_FILE`` may name a file that holds the value."""
    in_files: bool = True
    """Whether files and variables can set it by its name; otherwise it is made up of other keys."""


def key(default: T, chapter: Chapter, rule: Rule, doc: str, *, in_repr: bool = True, **more: Any) -> T:
    """Write a row: ``more`` are further fields of :class:`Row`."""
    return field(default=default, repr=in_repr, metadata=about(chapter, rule, doc, **more))


def about(chapter: Chapter, rule: Rule, doc: str, **more: Any) -> Mapping[str, Any]:
    """Describe a required key, in the metadata of its field."""
    return {"chapter": chapter, "rule": rule, "doc": doc, **more}


def differently(form: type, name: str, **changes: Any) -> Any:
    """Repeat a row of an inherited class with another default, rule, or meaning."""
    inherited = next(each for each in fields(form) if each.name == name)
    default = changes.pop("default", inherited.default)
    return field(default=default, repr=inherited.repr, metadata={**inherited.metadata, **changes})


@cache
def rows(form: type) -> Mapping[str, Row]:
    """Return the rows of a form by name, in the order of the reference."""
    chapters = list(Chapter)
    found = [
        Row(name=each.name, kind=str(each.type), default=each.default, **each.metadata)
        for each in fields(form)
        if each.init
    ]
    return {row.name: row for row in sorted(found, key=lambda row: chapters.index(row.chapter))}


def defaults(form: type) -> dict[str, object]:
    """Return the default of each key that has one."""
    return {row.name: row.default for row in rows(form).values() if row.default is not MISSING}


def names_where(form: type, where: Where) -> tuple[str, ...]:
    """Return the keys that count there too."""
    return tuple(name for name, row in rows(form).items() if where in row.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFields:
    """The keys that the embedded form and the service share."""

    database_uri: str = key(
        "sqlite:///reseal.db",
        Chapter.STORE,
        rules.database,
        "The store: sqlite:///relative/file.db, sqlite:////absolute/file.db, "
        "postgresql://user:password@host:5432/database (any URI of libpq's), "
        "mysql://user:password@host:3306/database (or mariadb://), redis://user:password@host:6379/0 (also "
        "rediss://, redis+sentinel://, redis+cluster://), or memory: for tests, which forgets everything when the "
        "process ends. A URI with a password belongs in RESEAL_DATABASE_URI.",
        show=scheme_only,
        in_repr=False,
    )
    secret_key: Secret | None = key(
        None,
        Chapter.STORE,
        optional(rules.secret),
        "Secret kept outside the database that encrypts the keys in it: at least 32 characters. "
        "Prefer RESEAL_SECRET_KEY_FILE to writing it here. If it is lost, what it encrypted cannot be decrypted.",
        show=hidden,
        from_file=True,
    )
    accepted_secret_keys: Secret | None = key(
        None,
        Chapter.STORE,
        optional(rules.secrets),
        "Further secrets, one a line, that decrypt existing values and encrypt no new ones, for replacing secret_key. "
        "`reseal keys rewrap` reports when they can be removed.",
        show=hidden,
        from_file=True,
    )
    access_token_validity: int = key(
        3600,
        Chapter.LIFETIMES,
        whole(1, 86_400_000, "must be between 1 and 86400000 seconds inclusive.", "3600 is one hour"),
        "Lifetime of an access token: 1 to 86400000.",
        unit="seconds",
        where=APP | PROFILE,
    )
    access_token_validity_jitter: float = key(
        0,
        Chapter.LIFETIMES,
        amount(0, 0.25, "must be between 0 and 0.25 inclusive.", "0.05 shortens lifetimes by up to 5 %"),
        "Lifetimes of access tokens are shortened at random, by at most this fraction: 0 to 0.25.",
        where=APP | PROFILE,
    )
    refresh_token_validity: float = key(
        144000,
        Chapter.LIFETIMES,
        rules.duration(MINUTE, "minutes"),
        "Idle limit: a session expires if it is not refreshed for this long. Longer than access_token_validity; each "
        "refresh restarts it.",
        unit="minutes",
        where=APP | PROFILE,
    )
    session_absolute_timeout: float | None = key(
        None,
        Chapter.LIFETIMES,
        optional(rules.duration(MINUTE, "minutes")),
        "Absolute limit: a session ends this long after its creation, however often it is refreshed. Longer than "
        "access_token_validity; if absent, there is no such limit.",
        unit="minutes",
        where=APP | PROFILE,
    )
    access_token_signing_algorithm: str = key(
        "ES256", Chapter.SIGNING, rules.algorithm, "ES256, RS256 or EdDSA.", where=PROFILE
    )
    access_token_signing_key_dynamic: bool = key(
        True,
        Chapter.SIGNING,
        rules.boolean,
        "Whether the signing key is replaced from time to time.",
        where=APP | PROFILE,
    )
    access_token_dynamic_signing_key_update_interval: float = key(
        168,
        Chapter.SIGNING,
        amount(1, rules.HOURS_MAX, "must be greater than, equal to 1 hour.", "168 is one week, 876000 the most"),
        "Age at which a dynamic signing key is replaced: at least 1.",
        unit="hours",
        other_names=("access_token_signing_key_update_interval",),
        where=APP | PROFILE,
    )
    refresh_token_rotation_grace_period: float = key(
        30,
        Chapter.REFRESH,
        amount(0, 300, "must be between 0 and 300 seconds inclusive.", "30 covers pages that refresh at the same time"),
        "Race window: for this long after a refresh, the previous refresh token returns the same successor again. "
        "0 to 300.",
        unit="seconds",
        where=APP | PROFILE,
    )
    lost_response_window: float | None = key(
        None,
        Chapter.REFRESH,
        optional(amount(0, YEARS_100 // SECOND, "must be between 0 seconds and 100 years", "86400 is one day")),
        "For this long, the previous refresh token is accepted as long as its successor has not been used; "
        "if absent, 7 days or the idle limit, whichever is shorter.",
        unit="seconds",
        where=APP | PROFILE,
    )
    theft_response: TheftResponse | None = key(
        None,
        Chapter.REFRESH,
        optional(rules.theft_response),
        "The response to reuse of a refresh token: report, revoke_session, revoke_user, or hold and step_up, which "
        "refuse refreshes until somebody confirms the session. If absent, revoke_session for graceful and report for "
        "classic.",
        where=APP | PROFILE,
    )
    theft_cases: float = key(
        0,
        Chapter.REFRESH,
        amount(0, YEARS_100 // DAY, "must be between 0 days and 100 years", "90 is usual"),
        "For how long a case file is kept on each theft and each suspicion of one; 0: none is written.",
        unit="days",
        where=PROFILE,
    )
    ended_sessions_kept: float | None = key(
        None,
        Chapter.OPERATION,
        optional(amount(0, YEARS_100 // DAY, "must be between 0 days and 100 years", "7 is a week")),
        "For how long a session that has ended stays in the store, so that the reason can be told. If absent, until a "
        "day after it would have expired.",
        unit="days",
    )
    rollback: Rollback = key(
        Rollback.ADOPT,
        Chapter.REFRESH,
        rules.rollback,
        "How a genuine refresh token is treated that is newer than the store, after a backup was restored or a "
        "fail-over lost writes: adopt continues its session, refuse ends it for this caller.",
        where=PROFILE,
    )
    event_outbox: EventOutbox = key(
        EventOutbox.OFF,
        Chapter.STORE,
        rules.event_outbox,
        "Which events are kept in the store, written with the change that they report, until they have been read: off, "
        "security (theft, ended sessions, roll-backs of the store, parties in step) or all (creations, refreshes and "
        "replays as well).",
    )
    kill_list: bool = key(
        False,
        Chapter.STORE,
        rules.boolean,
        "Whether ended sessions are put on a list in the store until their access tokens have expired. Processes that "
        "verify without asking the store read it twice a second and refuse these tokens at once.",
    )
    kill_list_max_age: float = key(
        60,
        Chapter.STORE,
        amount(1, DAY // SECOND, "must be between 1 and 86400 seconds inclusive.", "60 is one minute"),
        "Age at which the kill list that a process has read counts as stale: 1 to 86400.",
        unit="seconds",
    )
    kill_list_when_stale: str = key(
        "open",
        Chapter.STORE,
        choice(("open", "ask", "closed"), "must be open, ask or closed"),
        "What becomes of a valid access token while the kill list is stale: open accepts it, ask looks its session up "
        "in the store, closed answers 503.",
    )
    webhooks: tuple[Endpoint, ...] = key(
        (),
        Chapter.STORE,
        webhooks,
        "Endpoints to which events of the outbox are sent: a list whose entries have name, url and the keys of their "
        "format: webhook (secrets_file or secrets) unless it says caep, syslog or logout. In a variable it is JSON.",
        show=names_of,
    )
    audit: bool = key(
        False,
        Chapter.STORE,
        rules.boolean,
        "Whether the events of event_outbox become an audit trail in the store, in which every later change shows.",
    )
    audit_retention: float = key(
        180,
        Chapter.STORE,
        amount(0, YEARS_100 // DAY, "must be between 0 days and 100 years", "180 is half a year"),
        "For how long rows of the audit trail are kept; 0: for ever.",
        unit="days",
    )
    enable_anti_csrf: bool = key(
        False,
        Chapter.REQUESTS,
        rules.boolean,
        "Whether an anti-CSRF token decides where neither Origin nor Sec-Fetch-Site does.",
        where=APP | PROFILE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFields(SharedFields):
    """The keys of the embedded form."""

    api_domain: str = field(
        metadata=about(
            Chapter.ORIGINS,
            of_text(origin),
            "Origin of the API as browsers see it. Plain http is for loopback hosts, unless cookie_secure is false. "
            "Required.",
            where=PROFILE,
        )
    )
    website_domain: str | None = key(
        None, Chapter.ORIGINS, optional(of_text(origin)), "Origin of the pages; if absent, api_domain."
    )
    trusted_origins: tuple[str, ...] = key(
        (), Chapter.ORIGINS, rules.origins, "Further origins whose pages may make state-changing requests, each exact."
    )
    app_id: str = key(
        "public",
        Chapter.ORIGINS,
        rules.identifier,
        "The app that the sessions belong to: 1 to 64 characters of a-z, 0-9 and -.",
        where=PROFILE,
    )
    tenant_id: str = key(
        "public",
        Chapter.ORIGINS,
        rules.identifier,
        "The tenant within the app: 1 to 64 characters of a-z, 0-9 and -.",
        where=PROFILE,
    )
    issuer: str | None = key(
        None, Chapter.SIGNING, rules.claim, "The iss claim of access tokens; if absent, api_domain.", where=PROFILE
    )
    audience: str | None = key(
        None, Chapter.SIGNING, rules.claim, "The aud claim of access tokens; if absent, api_domain.", where=PROFILE
    )
    rotation_policy: str = key(
        "graceful",
        Chapter.REFRESH,
        choice(("graceful", "classic"), "must be graceful or classic"),
        "graceful, or classic for clients that refresh like those of older interfaces; "
        "lost_response_window applies to graceful only.",
        where=PROFILE,
    )
    policies: tuple[SessionPolicy, ...] = key(
        (),
        Chapter.LIFETIMES,
        policies,
        "Limits of sessions by name: a table whose entries have some of refresh_token_validity (minutes), "
        "session_absolute_timeout (minutes), access_token_validity (seconds), persistent (false: cookies that end with "
        "the browser), max_sessions (of a user), at_limit (evict_oldest, refuse or ask), rotation_policy and "
        "theft_response. The one called default holds where no other is chosen. In a variable it is JSON.",
        show=policy_names,
        where=PROFILE,
    )
    token_transfer_method: TransferMethod = key(
        "any",
        Chapter.REQUESTS,
        choice(("any", "cookie", "header"), "must be any, cookie or header"),
        "How the tokens of a new session travel: cookie, header, or any for the method that the request's "
        "st-auth-mode header names, which is cookie without one. The method is fixed when the session is created.",
    )
    frontend_compatibility: bool = key(
        False,
        Chapter.REQUESTS,
        rules.boolean,
        "Whether pages may run published frontends of interface versions 1.0 to 1.15.",
    )
    device_binding: Wish = key(
        "off",
        Chapter.REQUESTS,
        choice(WISHES, "must be off, offer or require"),
        "Whether sessions are bound to a key of the client: off, offer for clients that can (DBSC in cookies, DPoP in "
        "headers), or require, which ends a session after 10 minutes unless it was bound.",
        where=PROFILE,
    )
    dpop_proof_age: float = key(
        60,
        Chapter.REQUESTS,
        amount(0, 300, "must be between 0 and 300 seconds", "60 is usual; with 0 every proof needs a nonce"),
        "How old a DPoP proof may be. Older ones, and with 0 all, need a nonce of the server. 0 to 300.",
        unit="seconds",
        where=PROFILE,
    )
    session_expired_status_code: int = key(
        401,
        Chapter.REQUESTS,
        rules.expired_status,
        "Status of the answer that asks the page to refresh or sign in: 400 to 599, not 403 or 503.",
    )
    device_list: bool = key(
        False,
        Chapter.REQUESTS,
        rules.boolean,
        "Whether there are ready-made routes for a list of devices, and new sessions keep the client that signed in.",
        where=PROFILE,
    )
    new_device_events: bool = key(
        False,
        Chapter.REQUESTS,
        rules.boolean,
        "Whether a sign-in from a device that is on no other session of the user emits the event new_device.",
        where=PROFILE,
    )
    identity_providers: tuple[IdentityProvider, ...] = key(
        (),
        Chapter.REQUESTS,
        providers,
        "Providers whose logouts end the sessions that began with theirs (extra `oidc`): a list whose entries have "
        "issuer, client_id, jwks_uri, and optionally algorithms and older_tokens. In a variable it is JSON.",
        show=issuers_of,
    )
    replica_uri: Secret | None = key(
        None,
        Chapter.STORE,
        optional(rules.replica),
        "URI of a PostgreSQL standby from which lists of sessions are read that are only shown; nothing else is read "
        "there. What it has not received yet is missing. If it does not answer, the list is read from database_uri.",
        show=hidden,
    )
    place_database: str | None = key(
        None,
        Chapter.REQUESTS,
        optional(rules.as_text),
        "File in the format of MaxMind DB, by which lists of devices name places (extra `devices`).",
    )
    ended_sessions_listed: float = key(
        10080,
        Chapter.REQUESTS,
        amount(0, YEARS_100 // MINUTE, "must be between 0 minutes and 100 years", "10080 is a week"),
        "For how long the ready-made list of devices shows sessions that have ended, with the reason; 0 shows none.",
        unit="minutes",
    )
    client_details: ClientDetails = key(
        ClientDetails.FULL,
        Chapter.REQUESTS,
        rules.client_details,
        "How much of a client's address and user agent is kept with its session, reported in events and logged: full, "
        "truncated (of the address only its network: IPv4 /24, IPv6 /48), no_address (the user agent alone) or none.",
    )
    session_check_interval: float = key(
        10,
        Chapter.REQUESTS,
        amount(1, 3600, "must be between 1 and 3600 seconds inclusive.", "10 suits most"),
        "How often the sessions of open WebSockets and event streams are looked up: 1 to 3600.",
        unit="seconds",
    )
    cookie_domain: str | None = key(
        None,
        Chapter.COOKIES,
        optional(of_text(cookie_domain)),
        "Domain of the cookies: the API's host or a parent domain of it, never a public suffix. "
        "If absent, the cookies are for the API's host alone.",
        where=PROFILE,
    )
    older_cookie_domain: str | None = key(
        None,
        Chapter.COOKIES,
        optional(of_text(rules.older_domain)),
        "The previous cookie_domain, empty if there was none: its cookies are deleted "
        "wherever new ones are set or cleared. Set it when you change cookie_domain, until the old "
        "cookies have expired.",
    )
    cookie_secure: bool | None = key(
        None,
        Chapter.COOKIES,
        optional(rules.boolean),
        "Whether cookies travel over https only; if absent, whether api_domain is https.",
        where=PROFILE,
    )
    older_cookie_secure: bool | None = key(
        None,
        Chapter.COOKIES,
        optional(rules.boolean),
        "Whether cookies were secure before: set it when that changes, with https or by cookie_secure, until "
        "the old cookies have expired. They are then read for a refresh, and deleted.",
    )
    cookie_suffix: str = key(
        "",
        Chapter.COOKIES,
        rules.suffix,
        "Suffix of the cookies' names, like -shop: for applications that share a host name, also on "
        "different ports, and would overwrite each other's. Pages pass it to the browser SDK too.",
    )
    older_cookie_suffix: str | None = key(
        None,
        Chapter.COOKIES,
        optional(rules.suffix),
        "The previous cookie_suffix, empty if there was none: its cookies are read for a "
        "refresh, and deleted. Leave it out where another application uses those names.",
    )
    cookie_same_site: SameSite = key(
        "lax", Chapter.COOKIES, rules.same_site, "none, strict or lax; none needs secure cookies and enable_anti_csrf."
    )
    cookie_partitioned: bool = key(
        False,
        Chapter.COOKIES,
        rules.boolean,
        "Whether a page in a frame of another site has cookies of its own there (CHIPS), which browsers keep "
        "also where they block third-party cookies; needs cookie_same_site: none.",
    )
    access_token_path: str = key(
        "/", Chapter.COOKIES, of_text(path), "Path of the access token's cookie.", where=PROFILE
    )
    older_access_token_path: str | None = key(
        None,
        Chapter.COOKIES,
        optional(of_text(path)),
        "The previous access_token_path: its cookies are deleted wherever new ones are set or cleared.",
    )
    refresh_api_path: str = key(
        "/session/refresh",
        Chapter.COOKIES,
        rules.refresh_path,
        "Path of the refresh endpoint, the only one to receive the refresh token; not /.",
    )
    older_refresh_api_path: str | None = key(
        None,
        Chapter.COOKIES,
        optional(rules.refresh_path),
        "The previous refresh_api_path: it is answered too, browsers are redirected there and "
        "back for cookies that live there, and those cookies are deleted. Set it when you move the endpoint, "
        "until the old cookies have expired.",
    )
    public_path_prefix: str = key(
        "",
        Chapter.COOKIES,
        of_text(rules.path_prefix),
        "Prefix that a proxy removes from paths before the application sees them, like /api; empty if "
        "nothing is removed, or if the server reports it (root_path, SCRIPT_NAME). Paths in other keys are those "
        "within the application.",
    )
    sessions_api_path: str = key(
        "/sessions", Chapter.COOKIES, of_text(path), "Path of the list of devices, where `device_list` is on."
    )
    signout_api_path: str = key(
        "/signout", Chapter.COOKIES, of_text(path), "Path of the sign-out endpoint; differs from refresh_api_path."
    )
