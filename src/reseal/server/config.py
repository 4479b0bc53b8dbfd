"""The configuration of the service (core interface, section 6): one frozen value, from code, a file, the environment.

``docs/reference/service-configuration.md`` and ``config.service.yaml`` are generated from the table in ``fields``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from reseal.cdi.replies import CookieFacts
from reseal.core.errors import ConfigurationError
from reseal.server.cdi import config_keys, names
from reseal.server.cdi.config_keys import PART_FILES, PARTS
from reseal.server.config_rules import SERVICE_CROSS_RULES
from reseal.server.fields import ServiceFields
from reseal.settings import Secret
from reseal.settings.checks import check
from reseal.settings.fields import EmbeddedFields, defaults, rows
from reseal.settings.problems import shown
from reseal.settings.rules import SERVER_SCHEMES
from reseal.settings.sources import (
    CONFIG_VARIABLE,
    Layer,
    Vocabulary,
    environment_layer,
    mapping_layer,
    named_layer,
    read_yaml,
    vocabulary,
)

STATE_VARIABLE: Final = "RESEAL_STATE_DIR"
"""Directory in which running instances are registered; see ``running_services``."""
_HIDDEN: Final = frozenset(
    {
        "api_keys",
        *(row.name for row in rows(ServiceFields).values() if row.from_file),
        *(key for key, part in PARTS.items() if part.show is not shown),
        *names.SECRET,
    }
)
"""Keys whose values nobody else should read, whether or not they mean something here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings(ServiceFields):
    """Hold the configuration, normalised and checked.

    Raises one ``ConfigurationError`` that lists every problem. ``secret_key`` also accepts text, ``api_keys`` a comma
    list or a list of texts, ``api_keys_file`` a path.
    """

    database_path: Path | None = field(init=False, repr=False, compare=False)
    """The SQLite file, if the store is one."""
    server_uri: Secret | None = field(init=False, repr=False, compare=False)
    """The connection URI, if the store is on a server. With neither of the two it is in memory."""
    notes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Warnings: keys without effect, secrets that other users of the machine can read."""

    def __post_init__(self) -> None:
        valid, problems = _check({name: getattr(self, name) for name in rows(ServiceFields)}, {})
        if problems:
            raise ConfigurationError(tuple(problems))
        uri = valid["database_uri"]
        self._set(valid)
        self._set(
            {
                "database_path": Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None,
                "server_uri": Secret(uri) if uri.startswith(SERVER_SCHEMES) else None,
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
        """Return the facts about cookies in handshakes and replies of old versions."""
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
        joined = config_keys.join(layers)
        problems = [*joined.problems, *_check(defaults(ServiceFields) | joined.values, joined.places)[1]]
        if problems:
            raise ConfigurationError(tuple(problems))
        loaded = cls(**joined.values)
        object.__setattr__(loaded, "notes", (*joined.notes, *warnings))
        return loaded

    def _set(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def words() -> Vocabulary:
    """Return every name that a configuration of the service may use."""
    known = vocabulary(rows(ServiceFields), _foreign)
    parts = {key: part.kind for key, part in PARTS.items()} | dict.fromkeys(names.NO_EFFECT, "str")
    return known._replace(
        kinds={**known.kinds, **parts},
        aliases={**known.aliases, **names.OTHER_NAMES},
        files={**known.files, **PART_FILES},
        reserved=frozenset({CONFIG_VARIABLE, STATE_VARIABLE}),
    )


def _environment(environ: Mapping[str, str]) -> tuple[Layer, Layer]:
    """Read the image's variables, of which an empty one counts as absent, and ours, which win."""
    set_ones = {name: text for name, text in environ.items() if text.strip()}
    image = named_layer(set_ones, names.IMAGE_NAMES, words()._replace(files=names.IMAGE_FILES))
    return image, environment_layer(environ, words())


def _foreign(key: str, place: str) -> str | None:
    if key in rows(EmbeddedFields):
        return f"concerns the embedded form and has no meaning in the service; remove it from {place}"
    return None


def _check(values: Mapping[str, object], places: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    return check(values, places, rows(ServiceFields), SERVICE_CROSS_RULES)


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
