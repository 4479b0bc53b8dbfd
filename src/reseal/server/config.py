"""The configuration of the service (core interface, section 6): one frozen value, from code, a file, the environment.

``docs/reference/service-configuration.md`` and ``config.service.yaml`` are generated from this class.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from reseal.cdi.replies import CookieFacts
from reseal.cdi.versions import Bounds
from reseal.core.errors import ConfigurationError
from reseal.core.model import Rollback
from reseal.server import config_parts
from reseal.server.api_keys import ApiKey
from reseal.server.config_parts import ALIASES, IMAGE_FILES, IMAGE_NAMES, NO_EFFECT, PARTS, SECRET_PARTS
from reseal.server.config_rules import RULES, SERVICE_PACTS
from reseal.server.live_keys import KeyFile
from reseal.settings import Secret, Settings
from reseal.settings.checks import check
from reseal.settings.rules import POSTGRESQL_SCHEMES
from reseal.settings.sources import (
    CONFIG_VARIABLE,
    Layer,
    Vocabulary,
    environment_layer,
    mapping_layer,
    named_layer,
    read_yaml,
)

STATE_VARIABLE: Final = "RESEAL_STATE_DIR"
"""Where instances write down that they run; see ``running_services``."""
FILES: Final = {
    "RESEAL_SECRET_KEY_FILE": "secret_key",
    "RESEAL_ACCEPTED_SECRET_KEYS_FILE": "accepted_secret_keys",
    "RESEAL_DATABASE_URI_FILE": "database_uri",
    "RESEAL_POSTGRESQL_PASSWORD_FILE": "postgresql_password",
}
"""Variables that name a file with a secret in it."""
_HIDDEN: Final = frozenset({*FILES.values(), "api_keys", "supertokens_saas_secret", *SECRET_PARTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Hold the configuration, normalised and checked.

    Raises one ``ConfigurationError`` that lists every problem. ``secret_key`` also accepts text, ``api_keys`` a comma
    list or a list of texts, ``api_keys_file`` a path.
    """

    host: str = field(
        default="127.0.0.1",
        metadata={"doc": "Address to listen on. Without `api_keys`, only a loopback address is accepted."},
    )
    port: int = field(default=3567, metadata={"doc": "Port to listen on; 0 takes any free one."})
    base_path: str = field(
        default="", metadata={"doc": "Path that every request begins with, like /auth; it is taken off first."}
    )
    workers: int = field(
        default=1, metadata={"doc": "Number of processes that answer: 1 to 64; more than 1 needs PostgreSQL."}
    )
    database_uri: str = field(
        default="sqlite:///reseal.db",
        repr=False,  # it may hold a password
        metadata={
            "doc": "The store: sqlite:///relative/file.db, sqlite:////absolute/file.db, "
            "postgresql://user:password@host:5432/database, or memory: which forgets everything when the process "
            "ends. Prefer RESEAL_DATABASE_URI_FILE for one with a password."
        },
    )
    postgresql_connection_pool_size: int = field(
        default=10, metadata={"doc": "Connections to PostgreSQL of each worker: 1 to 1000."}
    )
    secret_key: Secret | None = field(
        default=None,
        metadata={
            "doc": "Secret kept outside the database that encrypts the keys in it: at least 32 characters. Prefer "
            "RESEAL_SECRET_KEY_FILE to writing it here; if it is lost, what it encrypted stays closed."
        },
    )
    accepted_secret_keys: Secret | None = field(
        default=None,
        metadata={
            "doc": "Further secrets, one a line, that open what they encrypted and encrypt nothing: while secret_key "
            "is rolled over. reseal keys rewrap says when they may go."
        },
    )
    api_keys: tuple[ApiKey, ...] = field(
        default=(),
        repr=False,
        metadata={
            "doc": "Keys of which a caller must present one, separated by commas: each at least 20 characters of "
            "A-Z, a-z, 0-9, = and -, or sha256: and its hash. Entries of a list may be mappings that name a key and "
            "say what it may do. Prefer api_keys_file to writing them here.",
        },
    )
    api_keys_file: KeyFile | None = field(
        default=None,
        repr=False,
        metadata={
            "doc": "A file with the keys instead: what reseal api-keys writes, or keys separated by commas or line "
            "ends. It is read again while the service runs: a new key counts at once, one that was removed for a "
            "second at most."
        },
    )
    allow_open_access: bool = field(
        default=False,
        metadata={"doc": "Whether to listen beyond loopback without `api_keys`, where the network itself is closed."},
    )
    ip_allow_regex: str | None = field(
        default=None,
        metadata={"doc": "Only callers whose whole address matches are answered (a regular expression of Python's)."},
    )
    ip_deny_regex: str | None = field(
        default=None, metadata={"doc": "Callers whose whole address matches are refused; wins over ip_allow_regex."}
    )
    tls_certificate_file: str | None = field(
        default=None,
        metadata={
            "doc": "PEM file with the certificate, and what leads from it to its authority; then the service speaks "
            "TLS 1.2 and newer, and nothing else. Needs tls_key_file."
        },
    )
    tls_key_file: str | None = field(
        default=None, metadata={"doc": "PEM file with the private key of tls_certificate_file, not encrypted."}
    )
    tls_client_ca_file: str | None = field(
        default=None,
        metadata={"doc": "PEM file with authorities; only callers with a certificate of one of them get through."},
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata={
            "doc": "Addresses and networks of proxies whose X-Forwarded-For is believed; from anybody else the "
            "caller's address is that of the connection."
        },
    )
    failures_per_minute: int = field(
        default=120,
        metadata={
            "doc": "Failing calls without a good API key that one address (64 bits of an IPv6 address) may make in a "
            "minute before they are answered 429, counted by each worker; 0 is no limit. Calls with a good key are "
            "never limited."
        },
    )
    connections_per_address: int = field(
        default=100,
        metadata={
            "doc": "Connections that one address (64 bits of an IPv6 address) may hold without having shown a good API "
            "key on them, counted by each worker; beyond it the oldest idle ones are closed. 0 is no limit, nor have "
            "trusted_proxies one."
        },
    )
    bounds: Bounds = field(default=Bounds(), metadata={"made of": "PARTS"})
    access_token_validity: int = field(
        default=3600, metadata={"doc": "Life of an access token: 1 to 86400000.", "unit": "seconds"}
    )
    refresh_token_validity: float = field(
        default=144000,
        metadata={
            "doc": "A session not refreshed for so long has expired. Longer than access_token_validity.",
            "unit": "minutes",
        },
    )
    access_token_blacklisting: bool = field(
        default=False, metadata={"doc": "Whether verifying asks the store, for callers below version 2.21."}
    )
    access_token_signing_algorithm: str = field(
        default="RS256",
        metadata={
            "doc": "RS256, which every SDK can publish and verify, or ES256, which is signed ten times faster: for "
            "access tokens from version 2.21 on. Older ones, and an application's own JWTs, are always RS256."
        },
    )
    access_token_signing_key_dynamic: bool = field(
        default=True, metadata={"doc": "Whether the signing key changes, for callers below version 2.21."}
    )
    access_token_dynamic_signing_key_update_interval: float = field(
        default=168, metadata={"doc": "Age at which a dynamic signing key is replaced: at least 1.", "unit": "hours"}
    )
    access_token_validity_jitter: float = field(
        default=0.05,
        metadata={"doc": "Lives of access tokens are shortened by chance, by at most this part: 0 to 0.25."},
    )
    refresh_token_rotation_grace_period: float = field(
        default=30,
        metadata={
            "doc": "For so long after a refresh the previous refresh token gives the same successor again, even if "
            "that was used meanwhile: 0 to 300. With 0, callers below version 5.6 get the verdict of older cores.",
            "unit": "seconds",
        },
    )
    recent_token_reuse_behaviour: str = field(
        default="TOKEN_THEFT",
        metadata={
            "doc": "What a reused token just before the current one means: TOKEN_THEFT or UNAUTHORISED. Counts from "
            "version 5.6 on."
        },
    )
    rollback: Rollback = field(
        default=Rollback.ADOPT,
        metadata={
            "doc": "How a genuine refresh token is met that is newer than the store, which a backup or a fail-over has "
            "set back: adopt lets its session go on, refuse answers UNAUTHORISED. Native callers say it themselves."
        },
    )
    enable_anti_csrf: bool = field(
        default=False, metadata={"doc": "Whether there are anti-CSRF tokens, for callers below version 2.6."}
    )
    cookie_domain: str | None = field(
        default=None, metadata={"doc": "Domain of the cookies, for callers below version 2.4."}
    )
    cookie_secure: bool = field(
        default=False, metadata={"doc": "Whether cookies are Secure, for callers below version 2.4."}
    )
    cookie_same_site: str = field(
        default="lax",
        metadata={"doc": "none, strict or lax, for callers below version 2.4; none needs enable_anti_csrf."},
    )
    access_token_path: str = field(
        default="/", metadata={"doc": "Path of the access token's cookie, for callers below version 2.4."}
    )
    refresh_api_path: str = field(
        default="/session/refresh",
        metadata={"doc": "Path of the refresh token's cookie, for callers below version 2.4."},
    )
    session_expired_status_code: int = field(
        default=401,
        metadata={"doc": "Status that SDKs answer with when a session is over, for callers below version 2.4."},
    )
    log_level: str = field(
        default="INFO", metadata={"doc": "NONE, DEBUG, INFO, WARN or ERROR; INFO writes a line for each request."}
    )
    metrics_port: int | None = field(
        default=None,
        metadata={
            "doc": "Port for /metrics alone, without API key; if absent, /metrics is on the main port, behind the key."
        },
    )
    shutdown_delay: float = field(
        default=1,
        metadata={
            "doc": "After SIGTERM, /readyz says no for so long before the port is closed: 0 to 60.",
            "unit": "seconds",
        },
    )
    test_mode: bool = field(
        default=False,
        metadata={
            "doc": "Whether intervals may be below the documented minimum, and sessions shorter than access tokens, "
            "for test-suites."
        },
    )

    database_path: Path | None = field(init=False, repr=False, compare=False)
    """The SQLite file, if the store is one."""
    postgresql_uri: Secret | None = field(init=False, repr=False, compare=False)
    """The connection URI, if the store is PostgreSQL. With neither of the two it is in memory."""
    notes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """What the owner of the configuration should know: keys without effect, secrets that others may read."""

    def __post_init__(self) -> None:
        fit, problems = _check({each.name: getattr(self, each.name) for each in fields(self) if each.init}, {})
        if problems:
            raise ConfigurationError(tuple(problems))
        uri = fit["database_uri"]
        self._set(fit)
        self._set(
            {
                "database_path": Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None,
                "postgresql_uri": Secret(uri) if uri.startswith(POSTGRESQL_SCHEMES) else None,
                "notes": (),
            }
        )

    @property
    def wants_key(self) -> bool:
        """Whether callers must present an API key."""
        return bool(self.api_keys or self.api_keys_file)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], *, source: str) -> Self:
        """Take the values of a mapping; ``source`` names it in problem texts. Raises ``ConfigurationError``."""
        return cls._from_layers(mapping_layer(mapping, source, words()))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Take the variables ``RESEAL_<KEY>`` and those of the docker image. Raises ``ConfigurationError``."""
        return cls._from_layers(*_environment(environ))

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        environ: Mapping[str, str] = os.environ,
        *,
        overrides: Mapping[str, object] | None = None,
    ) -> Self:
        """Take a YAML file, named here or by ``RESEAL_CONFIG``, if any, and the environment, which wins.

        ``overrides``, those of a command line, win over both. Raises ``ConfigurationError``.
        """
        file = environ.get(CONFIG_VARIABLE) if path is None else path
        layers = list(_environment(environ))
        if overrides:
            given = mapping_layer(overrides, "the command line", words())
            layers.append(given._replace(places={key: f"--{key}" for key in given.places}))
        if file is None:
            return cls._from_layers(*layers)
        read = mapping_layer(read_yaml(file), str(file), words(), texts=True)
        warnings = []
        if read.values.keys() & _HIDDEN and _is_open(Path(file)):
            warnings.append(f"{file} holds secrets and others on this machine may read it: chmod 600 it")
        return cls._from_layers(read, *layers, warnings=warnings)

    def cookies(self) -> CookieFacts:
        """Give what handshakes and replies of old versions say about cookies."""
        return CookieFacts(
            domain=self.cookie_domain,
            secure=self.cookie_secure,
            same_site=self.cookie_same_site,
            access_path=self.access_token_path,
            refresh_path=self.refresh_api_path,
            session_expired_status=self.session_expired_status_code,
        )

    @classmethod
    def _from_layers(cls, *layers: Layer, warnings: Iterable[str] = ()) -> Self:
        joined = config_parts.join(layers)
        problems = [*joined.problems, *_check(_defaults() | joined.values, joined.places)[1]]
        if problems:
            raise ConfigurationError(tuple(problems))
        loaded = cls(**joined.values)
        object.__setattr__(loaded, "notes", (*joined.notes, *warnings))
        return loaded

    def _set(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def words() -> Vocabulary:
    """Give every name that a configuration of the service may use."""
    kinds = {each.name: str(each.type) for each in fields(ServiceSettings) if each.init and each.name != "bounds"}
    kinds |= {key: part.kind for key, part in PARTS.items()} | dict.fromkeys(NO_EFFECT, "str")
    return Vocabulary(kinds, _foreign, ALIASES, FILES, frozenset({CONFIG_VARIABLE, STATE_VARIABLE}))


def _environment(environ: Mapping[str, str]) -> tuple[Layer, Layer]:
    """Read the image's variables, of which an empty one counts as absent, and ours, which win."""
    set_ones = {name: text for name, text in environ.items() if text.strip()}
    image = named_layer(set_ones, IMAGE_NAMES, words()._replace(files=IMAGE_FILES))
    return image, environment_layer(environ, words())


def _foreign(key: str, place: str) -> str | None:
    embedded = {each.name for each in fields(Settings) if each.init}
    if key in embedded:
        return f"concerns the embedded form and has no meaning in the service; remove it from {place}"
    return None


def _check(values: Mapping[str, object], places: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    return check(values, places, RULES, SERVICE_PACTS)


def _defaults() -> dict[str, object]:
    return {each.name: each.default for each in fields(ServiceSettings) if each.init}


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
