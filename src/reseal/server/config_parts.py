"""Keys of a known config.yaml and of the docker image that become part of another key, or of nothing here.

``postgresql_…`` keys make up ``database_uri``, the bounds of the interface's version become ``bounds``. What has no
meaning here is accepted, so that a file can be taken over as it is, and a note says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from reseal.cdi.versions import SUPPORTED, Bounds
from reseal.server import config_rules
from reseal.settings import rules
from reseal.settings.problems import UnfitError, shown_for
from reseal.settings.rules import Rule
from reseal.settings.sources import Layer

ALIASES: Final = {
    "access_token_signing_key_update_interval": config_rules.INTERVAL,
    "supertokens_default_cdi_version": "supertokens_max_cdi_version",
    "supertokens_host": "host",
    "supertokens_port": "port",
}

MAX_CDI: Final = "supertokens_max_cdi_version"
MIN_CDI: Final = "supertokens_min_cdi_version"
SAAS: Final = "supertokens_saas_secret"
_TABLES: Final = "the tables have names of their own here"
_POOL: Final = "the pool has one size, postgresql_connection_pool_size"
_RECIPE: Final = "it concerns a recipe other than sessions"
_NO_VERSION: Final = "the file needs no version"
_NO_TELEMETRY: Final = "nothing is ever sent anywhere"
_STORES: Final = "sessions are kept in SQLite or PostgreSQL: see database_uri"


class Part(NamedTuple):
    """A key that becomes part of another one."""

    kind: str
    rule: Rule
    doc: str


def _version_part(key: str, doc: str) -> Part:
    return Part("str", rules.optional(config_rules.cdi_version(key)), doc)


_text: Final = rules.optional(rules.as_text)
_port: Final = rules.whole(1, 65535, "must be between 1 and 65535", "5432 is usual")

PARTS: Final[dict[str, Part]] = {
    MAX_CDI: _version_part(MAX_CDI, "Highest version of the interface that is answered; if absent, the newest."),
    MIN_CDI: _version_part(MIN_CDI, "Lowest version of the interface that is answered; if absent, the oldest."),
    SAAS: Part("str", rules.optional(config_rules.saas_secret), "Checked, and without effect. Needs `api_keys`."),
    "postgresql_connection_uri": Part(
        "str", rules.optional(config_rules.postgresql), "Address of the database; the keys below replace parts of it."
    ),
    "postgresql_host": Part("str", _text, "Host of the database; localhost if absent."),
    "postgresql_port": Part("int", rules.optional(_port), "Port of the database; 5432 if absent."),
    "postgresql_user": Part("str", _text, "User; compulsory without `postgresql_connection_uri`."),
    "postgresql_password": Part("str", _text, "Password; may also be in the file that a variable names."),
    "postgresql_database_name": Part("str", _text, "Name of the database; supertokens if absent."),
    "postgresql_table_schema": Part("str", _text, "Schema that the tables are in; public if absent."),
}
DATABASE_PARTS: Final = frozenset(key for key in PARTS if key.startswith("postgresql_"))

SECRET_PARTS: Final = frozenset(
    {
        "postgresql_connection_uri",
        "mysql_connection_uri",
        "mysql_password",
        "mongodb_connection_uri",
        "firebase_password_hashing_signer_key",
        "firebase_signing_key",
        "oauth_client_secret_encryption_key",
    }
)
"""Keys whose values nobody else should read, whether or not they mean something here."""
OF_OTHERS: Final = frozenset({_RECIPE, _NO_TELEMETRY})
"""Reasons for which a key has no effect for an app either."""

NO_EFFECT: Final[dict[str, str]] = {
    "core_config_version": _NO_VERSION,
    "postgresql_config_version": _NO_VERSION,
    "max_server_pool_size": "requests need no threads of their own here; use workers, with PostgreSQL",
    "info_log_path": "logs go to standard error as JSON lines; redirect it",
    "error_log_path": "logs go to standard error as JSON lines; redirect it",
    "use_structured_logging": "logs are always JSON lines",
    "disable_telemetry": _NO_TELEMETRY,
    "supertokens_saas_load_only_cud": "there are no connection URI domains",
    "otel_collector_connection_uri": "numbers are at /metrics",
    "webserver_https_enabled": "TLS is configured by tls_certificate_file and tls_key_file",
    "migration_mode": "there is nothing to migrate",
    "postgresql_table_names_prefix": _TABLES,
    "postgresql_key_value_table_name": _TABLES,
    "postgresql_session_info_table_name": _TABLES,
    "postgresql_past_tokens_table_name": _TABLES,
    "postgresql_emailpassword_users_table_name": _TABLES,
    "postgresql_emailpassword_pswd_reset_tokens_table_name": _TABLES,
    "postgresql_emailverification_tokens_table_name": _TABLES,
    "postgresql_emailverification_verified_emails_table_name": _TABLES,
    "postgresql_thirdparty_users_table_name": _TABLES,
    "postgresql_idle_connection_timeout": _POOL,
    "postgresql_minimum_idle_connections": _POOL,
    "postgresql_connection_scheme": "the scheme is postgresql",
    "postgresql_connection_attributes": "write options of libpq into database_uri",
    **dict.fromkeys(
        (
            "mysql_config_version",
            "mysql_connection_pool_size",
            "mysql_connection_scheme",
            "mysql_connection_attributes",
            "mysql_connection_uri",
            "mysql_host",
            "mysql_port",
            "mysql_user",
            "mysql_password",
            "mysql_database_name",
            "mysql_table_names_prefix",
            "mysql_key_value_table_name",
            "mysql_session_info_table_name",
            "mysql_past_tokens_table_name",
            "mysql_emailpassword_users_table_name",
            "mysql_emailpassword_pswd_reset_tokens_table_name",
            "mysql_emailverification_tokens_table_name",
            "mysql_emailverification_verified_emails_table_name",
            "mysql_thirdparty_users_table_name",
            "mysql_idle_connection_timeout",
            "mysql_minimum_idle_connections",
            "mongodb_config_version",
            "mongodb_connection_uri",
            "mongodb_database_name",
            "mongodb_collection_names_prefix",
            "mongodb_key_value_collection_name",
            "mongodb_session_info_collection_name",
            "mongodb_past_tokens_collection_name",
        ),
        _STORES,
    ),
    **dict.fromkeys(
        (
            "password_reset_token_lifetime",
            "email_verification_token_lifetime",
            "passwordless_max_code_input_attempts",
            "passwordless_code_lifetime",
            "totp_max_attempts",
            "totp_rate_limit_cooldown_sec",
            "password_hashing_alg",
            "argon2_iterations",
            "argon2_memory_kb",
            "argon2_parallelism",
            "argon2_hashing_pool_size",
            "bcrypt_log_rounds",
            "firebase_password_hashing_signer_key",
            "firebase_password_hashing_pool_size",
            "firebase_signing_key",
            "firebase_mem_cost",
            "firebase_rounds",
            "firebase_salt_separator",
            "webauthn_recover_account_token_lifetime",
            "bulk_migration_parallelism",
            "bulk_migration_batch_size",
            "bulk_migration_cron_enabled",
            "oauth_provider_public_service_url",
            "oauth_provider_admin_service_url",
            "oauth_provider_consent_login_base_url",
            "oauth_provider_url_configured_in_oauth_provider",
            "oauth_client_secret_encryption_key",
        ),
        _RECIPE,
    ),
}
"""Known keys without a meaning here, and why."""

IMAGE_NAMES: Final[dict[str, str]] = {
    "SUPERTOKENS_HOST": "host",
    "SUPERTOKENS_PORT": "port",
    **{
        key.upper(): key
        for key in (
            "api_keys",
            "access_token_validity",
            "access_token_blacklisting",
            "refresh_token_validity",
            "access_token_signing_key_dynamic",
            "access_token_signing_key_update_interval",
            config_rules.INTERVAL,
            "base_path",
            "log_level",
            "ip_allow_regex",
            "ip_deny_regex",
            MAX_CDI,
            MIN_CDI,
            SAAS,
            "refresh_token_rotation_grace_period",
            "access_token_validity_jitter",
            "recent_token_reuse_behaviour",
            "cookie_domain",
            "cookie_secure",
            "cookie_same_site",
            "refresh_api_path",
            "access_token_path",
            "session_expired_status_code",
            "enable_anti_csrf",
            "postgresql_connection_pool_size",
            *DATABASE_PARTS,
            *(key for key in NO_EFFECT if not key.endswith("_config_version") and key != "webserver_https_enabled"),
        )
    },
}
"""The variables of the docker image (section 6.4) and the keys that they stand for."""
IMAGE_FILES: Final = {"POSTGRESQL_PASSWORD_FILE": "postgresql_password"}


class Joined(NamedTuple):
    """What the keys of all layers come to."""

    values: dict[str, Any]
    places: dict[str, str]
    problems: list[str]
    notes: list[str]


def join(layers: Iterable[Layer]) -> Joined:
    """Lay the layers over each other, a later one winning, and put the parts together."""
    joined = Joined({}, {}, [], [])
    for layer in layers:
        _overlay(joined, layer)
    for key in [key for key in joined.values if key in NO_EFFECT]:
        del joined.values[key]
        joined.notes.append(f"'{key}' has no effect: {NO_EFFECT[key]}")
    parts = _fit_parts(joined)
    _join_bounds(joined, parts)
    _check_saas(joined, parts)
    if any(parts.get(key) is not None for key in DATABASE_PARTS):
        _join_database(joined, parts)
    return joined


def _overlay(joined: Joined, layer: Layer) -> None:
    """A layer that names the database in one way puts aside what the layers below named in the other."""
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


def _fit_parts(joined: Joined) -> dict[str, Any]:
    fit: dict[str, Any] = {}
    for key in [key for key in joined.values if key in PARTS]:
        value = joined.values.pop(key)
        try:
            fit[key] = PARTS[key].rule(value)
        except UnfitError as unfit:
            got = f"{shown_for(key, value)} from {joined.places[key]}"
            joined.problems.append(f"{unfit.reason(key)} (got {got}): {unfit.advice}")
    return fit


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
