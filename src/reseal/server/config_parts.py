"""Keys of SuperTokens' config.yaml that become part of another key, or that have no effect here.

``postgresql_…`` keys make up ``database_uri``, the bounds of the interface's version become ``bounds``. Known keys
without effect are accepted, so that a file can be used unchanged, and a note reports each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from reseal.cdi.versions import SUPPORTED, Bounds
from reseal.server import config_rules
from reseal.server.cdi.names import NO_EFFECT
from reseal.settings import rules
from reseal.settings.problems import InvalidValueError, hidden, scheme_only, shown
from reseal.settings.rules import Rule
from reseal.settings.sources import Layer

MAX_CDI: Final = "supertokens_max_cdi_version"
MIN_CDI: Final = "supertokens_min_cdi_version"
SAAS: Final = "supertokens_saas_secret"


class Part(NamedTuple):
    """A key that becomes part of another one."""

    kind: str
    rule: Rule
    doc: str
    show: Callable[[object], str] = shown


def _version_part(key: str, doc: str) -> Part:
    return Part("str", rules.optional(config_rules.cdi_version(key)), doc)


_text: Final = rules.optional(rules.as_text)
_port: Final = rules.whole(1, 65535, "must be between 1 and 65535", "5432 is usual")

PARTS: Final[dict[str, Part]] = {
    MAX_CDI: _version_part(MAX_CDI, "Highest version of the interface that is answered; if absent, the newest."),
    MIN_CDI: _version_part(MIN_CDI, "Lowest version of the interface that is answered; if absent, the oldest."),
    SAAS: Part(
        "str", rules.optional(config_rules.saas_secret), "Checked, and without effect. Needs `api_keys`.", hidden
    ),
    "postgresql_connection_uri": Part(
        "str",
        rules.optional(config_rules.postgresql),
        "Address of the database; the keys below replace parts of it.",
        scheme_only,
    ),
    "postgresql_host": Part("str", _text, "Host of the database; localhost if absent."),
    "postgresql_port": Part("int", rules.optional(_port), "Port of the database; 5432 if absent."),
    "postgresql_user": Part("str", _text, "User; compulsory without `postgresql_connection_uri`."),
    "postgresql_password": Part("str", _text, "Password; may also be in the file that a variable names.", hidden),
    "postgresql_database_name": Part("str", _text, "Name of the database; supertokens if absent."),
    "postgresql_table_schema": Part("str", _text, "Schema that the tables are in; public if absent."),
}
DATABASE_PARTS: Final = frozenset(key for key in PARTS if key.startswith("postgresql_"))

PART_FILES: Final = {"RESEAL_POSTGRESQL_PASSWORD_FILE": "postgresql_password"}
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
    if any(parts.get(key) is not None for key in DATABASE_PARTS):
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
            valid[key] = PARTS[key].rule(value)
        except InvalidValueError as invalid:
            got = f"{PARTS[key].show(value)} from {joined.places[key]}"
            joined.problems.append(f"{invalid.reason(key)} (got {got}): {invalid.advice}")
    return valid


def _join_bounds(joined: Joined, parts: Mapping[str, Any]) -> None:
    lowest, highest = parts.get(MIN_CDI) or SUPPORTED[0], parts.get(MAX_CDI) or SUPPORTED[-1]
    if lowest > highest:
        joined.problems.append(
            f"{MIN_CDI} cannot be greater than {MAX_CDI} (got {lowest} and {highest}): exchange them"
        )
    elif parts.get(MIN_CDI) or parts.get(MAX_CDI):
        joined.values["bounds"] = Bounds(lowest, highest)


def _check_saas(joined: Joined, parts: Mapping[str, Any]) -> None:
    if parts.get(SAAS) is None:
        return
    if not (joined.values.get("api_keys") or joined.values.get("api_keys_file")):
        joined.problems.append(f"{SAAS} can only be used when api_key is also defined: set api_keys, or remove it")
    joined.notes.append(f"'{SAAS}' has no effect: no configuration is hidden from anybody with an API key")


def _join_database(joined: Joined, parts: Mapping[str, Any]) -> None:
    uri = parts.get("postgresql_connection_uri")
    if uri is None and parts.get("postgresql_user") is None:
        joined.problems.append(
            "'postgresql_user' and 'postgresql_connection_uri' are not set. Please set at least one of these values: "
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
    if parts.get("postgresql_user") is not None:
        user = quote(parts["postgresql_user"], safe="")
    if parts.get("postgresql_password") is not None:
        colon, password = ":", quote(parts["postgresql_password"], safe="")
    place = _place(place, parts.get("postgresql_host"), parts.get("postgresql_port"))
    name, schema = parts.get("postgresql_database_name"), parts.get("postgresql_table_schema")
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
