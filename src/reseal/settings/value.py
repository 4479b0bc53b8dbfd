"""The configuration of the embedded form: one frozen value, with the values derived from its keys.

The keys are in ``fields``, the sources of values in ``sources``, and the rules in ``rules`` and ``checks``.
``docs/reference/configuration.md`` and ``config.yaml`` are generated from the table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from reseal.core.errors import ConfigurationError
from reseal.core.model import Policy, Scope
from reseal.core.policies import classic, graceful
from reseal.core.secret import Secret
from reseal.settings.checks import CROSS_RULES, check, maybe_milliseconds, milliseconds
from reseal.settings.cookies import CookiePlan, cookies_of
from reseal.settings.fields import EmbeddedFields, defaults, rows
from reseal.settings.foreign import advice_for
from reseal.settings.origins import is_loopback
from reseal.settings.rules import DAY, HOUR, MINUTE, SECOND, SERVER_SCHEMES
from reseal.settings.sources import CONFIG_VARIABLE, Layer, environment_layer, mapping_layer, read_yaml, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROWS: Final = rows(EmbeddedFields)
_WORDS: Final = vocabulary(_ROWS, advice_for)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(EmbeddedFields):
    """Hold the configuration, normalised and checked.

    Raises one ``ConfigurationError`` that lists every problem. Besides their types, ``secret_key``, ``theft_response``,
    ``rollback``, ``event_outbox`` and ``client_details`` also accept text, and ``trusted_origins`` a list. An absent
    value (``None``) stays absent, so that ``dataclasses.replace`` derives it anew; read the derived value instead.
    """

    website_origin: str = field(init=False, repr=False, compare=False)
    """``website_domain`` or else ``api_domain``."""
    origins: frozenset[str] = field(init=False, repr=False, compare=False)
    """All origins whose pages may make state-changing requests."""
    is_local: bool = field(init=False, repr=False, compare=False)
    """Whether ``api_domain`` is a loopback host: then error answers may include advice."""
    scope: Scope = field(init=False, repr=False, compare=False)
    """App and tenant of the sessions."""
    policy: Policy = field(init=False, repr=False, compare=False)
    """How a previous refresh token is treated. Milliseconds."""
    access_token_ms: int = field(init=False, repr=False, compare=False)
    """Lifetime of an access token in milliseconds."""
    idle_ms: int = field(init=False, repr=False, compare=False)
    """Idle limit in milliseconds."""
    absolute_ms: int | None = field(init=False, repr=False, compare=False)
    """Absolute limit in milliseconds from the session's creation; ``None``: there is none."""
    key_interval_ms: int | None = field(init=False, repr=False, compare=False)
    """Age in milliseconds at which the signing key is replaced; ``None``: never."""
    theft_cases_ms: int = field(init=False, repr=False, compare=False)
    """For how long a theft case is kept, in milliseconds; 0: none is written."""
    ended_sessions_kept_ms: int | None = field(init=False, repr=False, compare=False)
    """For how long an ended session is kept, in milliseconds; ``None``: until a day after its expiry."""
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
    """Names, domain and paths of the cookies."""
    older_cookies: CookiePlan | None = field(init=False, repr=False, compare=False)
    """The previous cookies, as the ``older_`` keys describe them; ``None`` if none of these is set."""
    database_path: Path | None = field(init=False, repr=False, compare=False)
    """The SQLite file, if the store is one."""
    server_uri: Secret | None = field(init=False, repr=False, compare=False)
    """The connection URI, if the store is on a server. With neither of the two it is in memory."""

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in _ROWS}
        valid, problems = check(values, {}, _ROWS, CROSS_RULES)
        if problems:
            raise ConfigurationError(tuple(problems))
        self._set(valid)
        self._set(_origins_of(self) | _lifetimes_of(self) | cookies_of(self))
        self._set({"scope": Scope(self.app_id, self.tenant_id), "policy": _policy_of(self)})
        self._set(_database_of(self.database_uri))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], *, source: str) -> Self:
        """Take the values of a mapping; ``source`` names it in problem texts. Raises ``ConfigurationError``."""
        return cls._from_layers(mapping_layer(mapping, source, _WORDS))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Take the variables ``RESEAL_<KEY>`` and ``RESEAL_SECRET_KEY_FILE``; ``RESEAL_CONFIG`` is left to ``load``.

        Raises ``ConfigurationError``.
        """
        return cls._from_layers(environment_layer(environ, _WORDS))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Take the values of a YAML file. Raises ``ConfigurationError``, also if PyYAML is not installed."""
        return cls._from_layers(mapping_layer(read_yaml(path), str(path), _WORDS))

    @classmethod
    def load(cls, path: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Self:
        """Take a YAML file, named here or by ``RESEAL_CONFIG``, if any, and the environment, which wins.

        Raises ``ConfigurationError``.
        """
        file = environ.get(CONFIG_VARIABLE) if path is None else path
        environment = environment_layer(environ, _WORDS)
        if file is None:
            return cls._from_layers(environment)
        return cls._from_layers(mapping_layer(read_yaml(file), str(file), _WORDS), environment)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, source: str) -> Self:
        """Take the ``RESEAL_<KEY>`` entries of a mapping that has others as well, with values of their types or texts.

        ``source`` names the mapping in problem texts. Raises ``ConfigurationError``.
        """
        words = _WORDS._replace(reserved=frozenset())  # nothing else reads the mapping
        return cls._from_layers(environment_layer(config, words, source))

    @classmethod
    def _from_layers(cls, *layers: Layer) -> Self:
        """Join the layers, a later one winning, and report all their problems and those of the values at once."""
        values: dict[str, Any] = {}
        places: dict[str, str] = {}
        for layer in layers:
            values |= layer.values
            places |= layer.places
        problems = [problem for layer in layers for problem in layer.problems]
        problems += check(defaults(EmbeddedFields) | values, places, _ROWS, CROSS_RULES)[1]
        if problems:
            raise ConfigurationError(tuple(problems))
        return cls(**values)

    def _set(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


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
    interval = settings.access_token_dynamic_signing_key_update_interval
    return {
        "access_token_ms": settings.access_token_validity * SECOND,
        "idle_ms": milliseconds(settings.refresh_token_validity, MINUTE),
        "absolute_ms": maybe_milliseconds(settings.session_absolute_timeout, MINUTE),
        "theft_cases_ms": milliseconds(settings.theft_cases, DAY),
        "ended_sessions_kept_ms": maybe_milliseconds(settings.ended_sessions_kept, DAY),
        "key_interval_ms": milliseconds(interval, HOUR) if settings.access_token_signing_key_dynamic else None,
    }


def _policy_of(settings: Settings) -> Policy:
    race_window = milliseconds(settings.refresh_token_rotation_grace_period, SECOND)
    theft_response, rollback = settings.theft_response, settings.rollback
    if settings.rotation_policy == "classic":
        return classic(race_window, theft_response=theft_response, rollback=rollback)
    return graceful(
        race_window,
        settings.idle_ms,
        lost_response_window=maybe_milliseconds(settings.lost_response_window, SECOND),
        theft_response=theft_response,
        rollback=rollback,
    )


def _database_of(uri: str) -> dict[str, object]:
    return {
        "database_path": Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None,
        "server_uri": Secret(uri) if uri.startswith(SERVER_SCHEMES) else None,
    }
