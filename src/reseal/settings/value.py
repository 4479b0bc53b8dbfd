"""The configuration: one frozen value. Every key with its default and its meaning, and what follows from the keys.

Where values come from is in ``sources``; which values are fit is in ``rules`` and
``checks``. ``docs/reference/configuration.md`` and ``config.yaml`` are generated from this class.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from reseal.core.errors import ConfigurationError
from reseal.core.model import Policy, Rollback, Scope, TheftResponse
from reseal.core.policies import classic, graceful
from reseal.core.secret import Secret
from reseal.settings.checks import check, milliseconds
from reseal.settings.cookies import CookiePlan, cookies_of
from reseal.settings.origins import is_loopback
from reseal.settings.rules import HOUR, MINUTE, POSTGRESQL_SCHEMES, SECOND
from reseal.settings.sources import (
    CONFIG_VARIABLE,
    Layer,
    Vocabulary,
    embedded_foreign,
    environment_layer,
    mapping_layer,
    read_yaml,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SameSite = Literal["none", "strict", "lax"]
TransferMethod = Literal["any", "cookie", "header"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold the configuration, normalised and checked.

    Raises one ``ConfigurationError`` that lists every problem. Where the types say so only loosely: ``secret_key``,
    ``theft_response`` and ``rollback`` also accept text, ``trusted_origins`` a list. An absent value (``None``) stays
    absent, so that ``dataclasses.replace`` derives it anew; read the derived value instead.
    """

    api_domain: str = field(
        metadata={
            "doc": "Origin of the API as browsers see it. Plain http is for loopback hosts, unless cookie_secure "
            "is false. Required."
        }
    )
    website_domain: str | None = field(default=None, metadata={"doc": "Origin of the pages; if absent, api_domain."})
    trusted_origins: tuple[str, ...] = field(
        default=(), metadata={"doc": "Further origins whose pages may make state-changing requests, each exact."}
    )
    app_id: str = field(
        default="public", metadata={"doc": "The app whose sessions these are: 1 to 64 characters of a-z, 0-9 and -."}
    )
    tenant_id: str = field(
        default="public", metadata={"doc": "The tenant within the app: 1 to 64 characters of a-z, 0-9 and -."}
    )
    database_uri: str = field(
        default="sqlite:///reseal.db",
        repr=False,  # it may hold a password
        metadata={
            "doc": "The store: sqlite:///relative/file.db, sqlite:////absolute/file.db, "
            "postgresql://user:password@host:5432/database (any URI of libpq's), or memory: for tests, which forgets "
            "everything when the process ends. A URI with a password belongs into RESEAL_DATABASE_URI."
        },
    )
    secret_key: Secret | None = field(
        default=None,
        metadata={
            "doc": "Secret kept outside the database that encrypts the keys in it: at least 32 characters. "
            "Prefer RESEAL_SECRET_KEY_FILE to writing it here; if it is lost, what it encrypted stays closed."
        },
    )
    accepted_secret_keys: Secret | None = field(
        default=None,
        metadata={
            "doc": "Further secrets, one a line, that open what they encrypted and encrypt nothing: while secret_key "
            "is rolled over. reseal keys rewrap says when they may go."
        },
    )
    access_token_validity: int = field(
        default=3600, metadata={"doc": "Life of an access token: 1 to 86400000.", "unit": "seconds"}
    )
    refresh_token_validity: float = field(
        default=144000,
        metadata={
            "doc": "Idle limit: a session not refreshed for so long has expired. Longer than "
            "access_token_validity; each refresh starts it anew.",
            "unit": "minutes",
        },
    )
    session_absolute_timeout: float | None = field(
        default=None,
        metadata={
            "doc": "End of a session that refreshing cannot move, counted from its beginning. Longer than "
            "access_token_validity; if absent, there is none.",
            "unit": "minutes",
        },
    )
    access_token_signing_algorithm: str = field(default="ES256", metadata={"doc": "ES256, RS256 or EdDSA."})
    access_token_signing_key_dynamic: bool = field(
        default=True, metadata={"doc": "Whether the signing key is replaced from time to time."}
    )
    access_token_dynamic_signing_key_update_interval: float = field(
        default=168, metadata={"doc": "Age at which a dynamic signing key is replaced: at least 1.", "unit": "hours"}
    )
    issuer: str | None = field(default=None, metadata={"doc": "The iss claim of access tokens; if absent, api_domain."})
    audience: str | None = field(
        default=None, metadata={"doc": "The aud claim of access tokens; if absent, api_domain."}
    )
    enable_anti_csrf: bool = field(
        default=False,
        metadata={"doc": "Whether an anti-CSRF token decides where neither Origin nor Sec-Fetch-Site does."},
    )
    token_transfer_method: TransferMethod = field(
        default="any",
        metadata={
            "doc": "How a new session travels: cookie, header, or any for what the request's st-auth-mode header "
            "asks for, which is cookie without one. A session keeps its way until it ends."
        },
    )
    frontend_compatibility: bool = field(
        default=False,
        metadata={"doc": "Whether pages may run published frontends of interface versions 1.0 to 1.15."},
    )
    cookie_domain: str | None = field(
        default=None,
        metadata={
            "doc": "Domain of the cookies: the API's host or a parent domain of it, never a public suffix. "
            "If absent, the cookies are for the API's host alone."
        },
    )
    older_cookie_domain: str | None = field(
        default=None,
        metadata={
            "doc": "The cookie_domain that was in force before, empty if there was none: its cookies are deleted "
            "wherever new ones are set or cleared. Set it when you change cookie_domain, for as long as the old "
            "cookies may live."
        },
    )
    cookie_secure: bool | None = field(
        default=None,
        metadata={"doc": "Whether cookies travel over https only; if absent, whether api_domain is https."},
    )
    older_cookie_secure: bool | None = field(
        default=None,
        metadata={
            "doc": "Whether cookies were secure before: set it when that changes, with https or by cookie_secure, for "
            "as long as the old cookies may live. They are then read for a refresh, and deleted."
        },
    )
    cookie_suffix: str = field(
        default="",
        metadata={
            "doc": "What ends the names of the cookies, like -shop: for applications that share a host name, also on "
            "different ports, and would overwrite each other's. Pages name it to the browser SDK too."
        },
    )
    older_cookie_suffix: str | None = field(
        default=None,
        metadata={
            "doc": "The cookie_suffix that was in force before, empty if there was none: its cookies are read for a "
            "refresh, and deleted. Leave it out where another application uses those names."
        },
    )
    cookie_same_site: SameSite = field(
        default="lax", metadata={"doc": "none, strict or lax; none needs secure cookies and enable_anti_csrf."}
    )
    access_token_path: str = field(default="/", metadata={"doc": "Path of the access token's cookie."})
    older_access_token_path: str | None = field(
        default=None,
        metadata={
            "doc": "The access_token_path that was in force before: its cookies are deleted wherever new ones are set "
            "or cleared."
        },
    )
    refresh_api_path: str = field(
        default="/session/refresh",
        metadata={"doc": "Path of the refresh endpoint, the only one to get the refresh token; not /."},
    )
    older_refresh_api_path: str | None = field(
        default=None,
        metadata={
            "doc": "The refresh_api_path that was in force before: it is answered too, browsers are sent there and "
            "back for cookies that live there, and those cookies are deleted. Set it when you move the endpoint, for "
            "as long as the old cookies may live."
        },
    )
    public_path_prefix: str = field(
        default="",
        metadata={
            "doc": "What a proxy takes off the front of paths before the application sees them, like /api; empty if "
            "nothing is taken off, or if the server says it (root_path, SCRIPT_NAME). Paths in other keys are those "
            "within the application."
        },
    )
    signout_api_path: str = field(
        default="/signout", metadata={"doc": "Path of the sign-out endpoint; differs from refresh_api_path."}
    )
    session_expired_status_code: int = field(
        default=401,
        metadata={"doc": "Status of the answer that asks the page to refresh or sign in: 400 to 599, not 403 or 503."},
    )
    session_check_interval: float = field(
        default=10,
        metadata={
            "doc": "How often the sessions of open WebSockets and event streams are looked up: 1 to 3600.",
            "unit": "seconds",
        },
    )
    rotation_policy: str = field(
        default="graceful",
        metadata={
            "doc": "graceful, or classic for clients that refresh like those of older interfaces; "
            "lost_response_window counts for graceful only."
        },
    )
    refresh_token_rotation_grace_period: float = field(
        default=30,
        metadata={
            "doc": "Race window: for so long after a refresh the previous refresh token gives the same "
            "successor again. 0 to 300.",
            "unit": "seconds",
        },
    )
    lost_response_window: float | None = field(
        default=None,
        metadata={
            "doc": "For so long the previous refresh token is accepted while nobody has used its successor; "
            "if absent, 7 days or the idle limit, whichever is shorter.",
            "unit": "seconds",
        },
    )
    theft_response: TheftResponse | None = field(
        default=None,
        metadata={
            "doc": "What happens when a refresh token is reused: report, revoke_session or revoke_user. If "
            "absent, revoke_session for graceful and report for classic."
        },
    )
    rollback: Rollback = field(
        default=Rollback.ADOPT,
        metadata={
            "doc": "How a genuine refresh token is met that is newer than the store, which a backup or a fail-over has "
            "set back: adopt lets its session go on, refuse ends it for this caller."
        },
    )

    website_origin: str = field(init=False, repr=False, compare=False)
    """``website_domain`` or else ``api_domain``."""
    origins: frozenset[str] = field(init=False, repr=False, compare=False)
    """All origins whose pages may make state-changing requests."""
    is_local: bool = field(init=False, repr=False, compare=False)
    """Whether ``api_domain`` is a loopback host: then answers may say what to change."""
    scope: Scope = field(init=False, repr=False, compare=False)
    """Whose sessions these are."""
    policy: Policy = field(init=False, repr=False, compare=False)
    """How a previous refresh token is met. Milliseconds."""
    access_token_ms: int = field(init=False, repr=False, compare=False)
    """Life of an access token in milliseconds."""
    idle_ms: int = field(init=False, repr=False, compare=False)
    """Idle limit in milliseconds."""
    absolute_ms: int | None = field(init=False, repr=False, compare=False)
    """Absolute limit in milliseconds from the session's beginning; ``None``: there is none."""
    key_interval_ms: int | None = field(init=False, repr=False, compare=False)
    """Age in milliseconds at which the signing key is replaced; ``None``: never."""
    token_issuer: str = field(init=False, repr=False, compare=False)
    """The ``iss`` claim."""
    token_audience: str = field(init=False, repr=False, compare=False)
    """The ``aud`` claim."""
    secure_cookies: bool = field(init=False, repr=False, compare=False)
    """Whether cookies are ``Secure``."""
    access_cookie_name: str = field(init=False, repr=False, compare=False)
    """With ``__Host-`` if the cookie is secure, of this host alone and for every path."""
    refresh_cookie_name: str = field(init=False, repr=False, compare=False)
    """With ``__Secure-`` if the cookie is secure: one bound to a path cannot be ``__Host-``."""
    cookies: CookiePlan = field(init=False, repr=False, compare=False)
    """Where the cookies live and what they are called."""
    older_cookies: CookiePlan | None = field(init=False, repr=False, compare=False)
    """The same before the ``older_`` keys were given, ``None`` if none is."""
    database_path: Path | None = field(init=False, repr=False, compare=False)
    """The SQLite file, if the store is one."""
    postgresql_uri: Secret | None = field(init=False, repr=False, compare=False)
    """The connection URI, if the store is PostgreSQL. With neither of the two it is in memory."""

    def __post_init__(self) -> None:
        fit, problems = check({each.name: getattr(self, each.name) for each in fields(self) if each.init}, {})
        if problems:
            raise ConfigurationError(tuple(problems))
        self._set(fit)
        self._set(_origins_of(self) | _lifetimes_of(self) | cookies_of(self))
        self._set({"scope": Scope(self.app_id, self.tenant_id), "policy": _policy_of(self)})
        self._set(_database_of(self.database_uri))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], *, source: str) -> Self:
        """Take the values of a mapping; ``source`` names it in problem texts. Raises ``ConfigurationError``."""
        return cls._from_layers(mapping_layer(mapping, source, _words(cls)))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Take the variables ``RESEAL_<KEY>`` and ``RESEAL_SECRET_KEY_FILE``; ``RESEAL_CONFIG`` is left to ``load``.

        Raises ``ConfigurationError``.
        """
        return cls._from_layers(environment_layer(environ, _words(cls)))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Take the values of a YAML file. Raises ``ConfigurationError``, also if PyYAML is not installed."""
        return cls._from_layers(mapping_layer(read_yaml(path), str(path), _words(cls)))

    @classmethod
    def load(cls, path: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Self:
        """Take a YAML file, named here or by ``RESEAL_CONFIG``, if any, and the environment, which wins.

        Raises ``ConfigurationError``.
        """
        file = environ.get(CONFIG_VARIABLE) if path is None else path
        environment = environment_layer(environ, _words(cls))
        if file is None:
            return cls._from_layers(environment)
        return cls._from_layers(mapping_layer(read_yaml(file), str(file), _words(cls)), environment)

    @classmethod
    def _from_layers(cls, *layers: Layer) -> Self:
        """Join the layers, a later one winning, and tell all their problems and those of the values at once."""
        values: dict[str, Any] = {}
        places: dict[str, str] = {}
        for layer in layers:
            values |= layer.values
            places |= layer.places
        problems = [problem for layer in layers for problem in layer.problems]
        problems += check(_defaults(cls) | values, places)[1]
        if problems:
            raise ConfigurationError(tuple(problems))
        return cls(**values)

    def _set(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _words(cls: type[Settings]) -> Vocabulary:
    """Return every key with its type as it is written above."""
    return Vocabulary({each.name: str(each.type) for each in fields(cls) if each.init}, embedded_foreign)


def _defaults(cls: type[Settings]) -> dict[str, object]:
    return {each.name: each.default for each in fields(cls) if each.init and each.default is not MISSING}


def _origins_of(settings: Settings) -> dict[str, object]:
    website = settings.website_domain or settings.api_domain
    return {
        "website_origin": website,
        "origins": frozenset({settings.api_domain, website, *settings.trusted_origins}),
        "is_local": is_loopback(settings.api_domain),
        "token_issuer": settings.issuer or settings.api_domain,
        "token_audience": settings.audience or settings.api_domain,
    }


def _lifetimes_of(settings: Settings) -> dict[str, object]:
    absolute = settings.session_absolute_timeout
    interval = settings.access_token_dynamic_signing_key_update_interval
    return {
        "access_token_ms": settings.access_token_validity * SECOND,
        "idle_ms": milliseconds(settings.refresh_token_validity, MINUTE),
        "absolute_ms": None if absolute is None else milliseconds(absolute, MINUTE),
        "key_interval_ms": milliseconds(interval, HOUR) if settings.access_token_signing_key_dynamic else None,
    }


def _policy_of(settings: Settings) -> Policy:
    race_window = milliseconds(settings.refresh_token_rotation_grace_period, SECOND)
    theft_response, rollback = settings.theft_response, settings.rollback
    if settings.rotation_policy == "classic":
        return classic(race_window, theft_response=theft_response, rollback=rollback)
    window = settings.lost_response_window
    return graceful(
        race_window,
        settings.idle_ms,
        lost_response_window=None if window is None else milliseconds(window, SECOND),
        theft_response=theft_response,
        rollback=rollback,
    )


def _database_of(uri: str) -> dict[str, object]:
    is_postgresql = uri.startswith(POSTGRESQL_SCHEMES)
    return {
        "database_path": Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None,
        "postgresql_uri": Secret(uri) if is_postgresql else None,
    }
