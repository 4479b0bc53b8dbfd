"""Keys of SuperTokens' config.yaml that become part of another key, or that have no effect here.

Their names are in ``supertokens.toml``: some make up ``database_uri``, the bounds of the interface's version become
``bounds``. Known keys without effect are accepted, so that a file can be used unchanged; a note reports each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from reseal.cdi.versions import SUPPORTED, Bounds, Version
from reseal.core.secret import Secret
from reseal.server.api_keys import ALPHABET
from reseal.server.cdi import names
from reseal.server.cdi.names import NO_EFFECT
from reseal.settings import rules
from reseal.settings.problems import InvalidValueError, hidden, scheme_only, shown
from reseal.settings.rules import POSTGRESQL_SCHEMES, Rule
from reseal.settings.sources import Layer

SAAS_SECRET_MIN: Final = 40
_SEMANTIC: Final = re.compile(r"[0-9]+(\.[0-9]+){1,2}", re.ASCII)
_BY_TEXT: Final = {str(version): version for version in SUPPORTED}
_AMBIGUOUS: Final = frozenset({2.1, 2.2})
"""The numbers as which YAML reads 2.10 and 2.20."""


class Part(NamedTuple):
    """A key that becomes part of another one."""

    part: str
    kind: str
    rule: Rule
    doc: str
    show: Callable[[object], str]


def saas_secret(value: object, key: str) -> Secret:
    text = rules.as_text(value)
    if len(text) < SAAS_SECRET_MIN:
        why = f"{key} is too short. Please use at least {SAAS_SECRET_MIN} characters"
        raise InvalidValueError(why, "make one with: openssl rand -hex 32, or remove it", whole=True)
    if not ALPHABET.fullmatch(text):
        raise InvalidValueError(
            f"Invalid characters in {key} key. Please only use '=', '-' and alpha-numeric (including capitals)",
            "make one with: openssl rand -hex 32",
            whole=True,
        )
    return Secret(text)


def version(value: object, key: str) -> Version:
    """Check a bound on the interface's version."""
    if isinstance(value, float) and value in _AMBIGUOUS:
        raise InvalidValueError("must be text", f"YAML drops a last zero: put it in quotes, like '{value}0'")
    text = str(value) if isinstance(value, str | float) else ""
    if not _SEMANTIC.fullmatch(text):
        raise InvalidValueError(f"{key} is not a valid semantic version", "write it like '5.4', in quotes", whole=True)
    if text not in _BY_TEXT:
        spoken = f"choose one of {', '.join(_BY_TEXT)}"
        raise InvalidValueError(f"{key} is not a supported version", spoken, whole=True)
    return _BY_TEXT[text]


def postgresql(value: object, _key: str) -> str:
    """Check an address of PostgreSQL."""
    text = rules.database(value)
    if not text.startswith(POSTGRESQL_SCHEMES):
        raise InvalidValueError("must begin with postgresql://", "use database_uri for another store")
    return text


_port: Final = rules.whole(1, 65535, "must be between 1 and 65535", "5432 is usual")

_RULES: Final[dict[str, Callable[[object, str], object]]] = {
    "port": lambda value, _key: _port(value),
    "saas_secret": saas_secret,
    "text": lambda value, _key: rules.as_text(value),
    "uri": postgresql,
    "version": version,
}
_SHOWN: Final = {"hidden": hidden, "scheme_only": scheme_only, "shown": shown}


def _part(row: Mapping[str, str]) -> Part:
    key, rule = row["key"], _RULES[row.get("rule", "text")]
    return Part(
        row["part"],
        row.get("kind", "str"),
        rules.optional(lambda value: rule(value, key)),
        row["doc"],
        _SHOWN[row.get("show", "shown")],
    )


PARTS: Final = {row["key"]: _part(row) for row in names.PARTS}
_KEYS: Final = {part.part: key for key, part in PARTS.items()}
_DATABASE: Final = frozenset(_KEYS) - {"highest", "lowest", "saas"}
DATABASE_PARTS: Final = frozenset(_KEYS[part] for part in _DATABASE)

PART_FILES: Final = {f"RESEAL_{name}": key for name, key in names.IMAGE_FILES.items()}
"""Variables that name a file, and the part whose value is in it."""


class Joined(NamedTuple):
    """The keys of all layers together."""

    values: dict[str, Any]
    places: dict[str, str]
    problems: list[str]
    notes: list[str]


def join(layers: Iterable[Layer]) -> Joined:
    """Merge the layers, a later one winning, and join the parts."""
    joined = Joined({}, {}, [], [])
    for layer in layers:
        _overlay(joined, layer)
    for key in [key for key in joined.values if key in NO_EFFECT]:
        del joined.values[key]
        joined.notes.append(f"'{key}' has no effect: {NO_EFFECT[key]}")
    parts = _valid_parts(joined)
    _join_bounds(joined, parts)
    _check_saas(joined, parts)
    if any(parts.get(part) is not None for part in _DATABASE):
        _join_database(joined, parts)
    return joined


def _overlay(joined: Joined, layer: Layer) -> None:
    """A layer that names the database in one way overrides the other way in the layers below."""
    parts = layer.values.keys() & DATABASE_PARTS
    if parts and "database_uri" in layer.values:
        one = min(parts)
        joined.problems.append(
            f"'database_uri' and '{one}' are both given in {layer.places[one]}: keep one way of naming the database"
        )
    aside = {"database_uri"} if parts else DATABASE_PARTS if "database_uri" in layer.values else frozenset()
    for key in aside:
        joined.values.pop(key, None)
    joined.values.update(layer.values)
    joined.places.update(layer.places)
    joined.problems.extend(layer.problems)


def _valid_parts(joined: Joined) -> dict[str, Any]:
    valid: dict[str, Any] = {}
    for key in [key for key in joined.values if key in PARTS]:
        value = joined.values.pop(key)
        try:
            valid[PARTS[key].part] = PARTS[key].rule(value)
        except InvalidValueError as invalid:
            got = f"{PARTS[key].show(value)} from {joined.places[key]}"
            joined.problems.append(f"{invalid.reason(key)} (got {got}): {invalid.advice}")
    return valid


def _join_bounds(joined: Joined, parts: Mapping[str, Any]) -> None:
    lowest, highest = parts.get("lowest") or SUPPORTED[0], parts.get("highest") or SUPPORTED[-1]
    if lowest > highest:
        joined.problems.append(
            f"{_KEYS['lowest']} cannot be greater than {_KEYS['highest']} (got {lowest} and {highest}): exchange them"
        )
    elif parts.get("lowest") or parts.get("highest"):
        joined.values["bounds"] = Bounds(lowest, highest)


def _check_saas(joined: Joined, parts: Mapping[str, Any]) -> None:
    key = _KEYS["saas"]
    if parts.get("saas") is None:
        return
    if not (joined.values.get("api_keys") or joined.values.get("api_keys_file")):
        joined.problems.append(f"{key} can only be used when api_key is also defined: set api_keys, or remove it")
    joined.notes.append(f"'{key}' has no effect: every holder of an API key can read the configuration")


def _join_database(joined: Joined, parts: Mapping[str, Any]) -> None:
    uri = parts.get("uri")
    if uri is None and parts.get("user") is None:
        joined.problems.append(
            f"'{_KEYS['user']}' and '{_KEYS['uri']}' are not set. Please set at least one of these values: "
            "the user and the database's other facts, or all of them in the address"
        )
        return
    joined.values["database_uri"] = compose(uri, parts)
    joined.places["database_uri"] = "the postgresql_… keys"


def compose(uri: str | None, parts: Mapping[str, Any]) -> str:
    """Write one address; a part given by itself wins over that part of the address."""
    known = urlsplit(uri or "postgresql://localhost:5432/supertokens")
    credentials, _, place = known.netloc.rpartition("@")
    user, colon, password = credentials.partition(":")
    if parts.get("user") is not None:
        user = quote(parts["user"], safe="")
    if parts.get("password") is not None:
        colon, password = ":", quote(parts["password"], safe="")
    place = _place(place, parts.get("host"), parts.get("port"))
    name, schema = parts.get("name"), parts.get("schema")
    path = known.path if name is None else f"/{quote(name, safe='')}"
    query = parse_qsl(known.query, keep_blank_values=True)
    if schema is not None:
        query = [*((key, value) for key, value in query if key != "options"), ("options", f"-csearch_path={schema}")]
    at = f"{user}{colon}{password}@" if user or password else ""
    return f"postgresql://{at}{place}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")


def _place(place: str, host: str | None, port: int | None) -> str:
    if host is None and port is None:
        return place
    old_host, colon, old_port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        old_host, old_port = place, ""
    host = old_host if host is None else f"[{host}]" if ":" in host else host
    written = old_port if port is None else str(port)
    return f"{host}:{written}" if written else host
