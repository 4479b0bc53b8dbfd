"""The configuration of the service: sources, rules and texts, and what an app may set for itself."""

import hashlib
import os
import traceback

import pytest

from reseal.cdi.problem import Problem
from reseal.cdi.versions import Bounds, Version
from reseal.core.errors import ConfigurationError
from reseal.core.model import TheftResponse
from reseal.core.secret import Secret
from reseal.server.api_keys import ApiKey
from reseal.server.appconfig import APP_KEYS, app_settings, check_tenant
from reseal.server.cdi.config_keys import PARTS
from reseal.server.cdi.names import IMAGE_NAMES, NO_EFFECT
from reseal.server.config import ServiceSettings, words
from reseal.server.fields import ServiceFields
from reseal.settings.fields import rows

KEY = "canary-0123456789-abcdef"
LONG = "canary-Q7v2mB9xK4tR8wZ1pL6nD3sF5hJ0gYaEuC"


def made(source="app.yaml", **values):
    return ServiceSettings.from_mapping(values, source=source)


def problems(call, *arguments, **named):
    """Call, expect a refusal, give its problems; no traceback ever shows a canary."""
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments, **named)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    return caught.value.problems


def only_problem(**values):
    found = problems(made, **values)
    assert len(found) == 1, found
    return found[0]


# ---------------------------------------------------------------------------------------------------- rules


def test_the_defaults_are_those_of_the_interface():
    settings = ServiceSettings()
    assert (settings.host, settings.port, settings.base_path) == ("127.0.0.1", 3567, "")
    assert (settings.access_token_validity, settings.refresh_token_validity) == (3600, 144000)
    assert settings.access_token_dynamic_signing_key_update_interval == 168
    assert (settings.access_token_validity_jitter, settings.refresh_token_rotation_grace_period) == (0.05, 30)
    assert settings.bounds == Bounds()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("access_token_validity", 0, "'access_token_validity' must be between 1 and 86400000 seconds inclusive."),
        (
            "access_token_validity",
            86400001,
            "'access_token_validity' must be between 1 and 86400000 seconds inclusive.",
        ),
        ("access_token_validity", "3600", "'access_token_validity' must be a whole number"),
        ("access_token_validity", True, "'access_token_validity' must be a whole number"),
        (
            "refresh_token_validity",
            60,
            "'refresh_token_validity' must be strictly greater than 'access_token_validity'.",
        ),
        (
            "access_token_dynamic_signing_key_update_interval",
            0.5,
            "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 hour.",
        ),
        (
            "access_token_signing_key_update_interval",
            0,
            "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 hour.",
        ),
        ("access_token_validity_jitter", 0.3, "'access_token_validity_jitter' must be between 0 and 0.25 inclusive."),
        (
            "refresh_token_rotation_grace_period",
            301,
            "'refresh_token_rotation_grace_period' must be between 0 and 300 seconds inclusive.",
        ),
        (
            "recent_token_reuse_behaviour",
            "IGNORE",
            "recent_token_reuse_behaviour property is not set correctly. It must be one of [TOKEN_THEFT, UNAUTHORISED]",
        ),
        ("cookie_same_site", "no", '\'cookie_same_site\' must be either "none", "strict" or "lax"'),
        (
            "cookie_same_site",
            "none",
            "please set 'enable_anti_csrf' to true if 'cookie_same_site' is set to 'none'",
        ),
        (
            "session_expired_status_code",
            399,
            "'session_expired_status_code' must be a value between 400 and 599, inclusive",
        ),
        ("log_level", "LOUD", '\'log_level\' config must be one of "NONE","DEBUG", "INFO", "WARN" or "ERROR".'),
        ("base_path", "/a b", "Invalid characters in base_path config"),
        ("ip_allow_regex", "(", "Provided regular expression is invalid for ip_allow_regex config"),
        ("ip_deny_regex", "*", "Provided regular expression is invalid for ip_deny_regex config"),
        ("supertokens_max_cdi_version", "five", "supertokens_max_cdi_version is not a valid semantic version"),
        ("supertokens_max_cdi_version", "9.9", "supertokens_max_cdi_version is not a supported version"),
        ("supertokens_min_cdi_version", "2.99", "supertokens_min_cdi_version is not a supported version"),
        ("supertokens_max_cdi_version", 2.2, "'supertokens_max_cdi_version' must be text"),
        (
            "supertokens_saas_secret",
            "canary-" + "x" * 20,
            "supertokens_saas_secret is too short. Please use at least 40 characters",
        ),
        ("supertokens_saas_secret", LONG, "supertokens_saas_secret can only be used when api_key is also defined"),
        ("port", 65536, "'port' must be between 0 and 65535"),
        ("workers", 0, "'workers' must be between 1 and 64"),
        ("workers", 2, "'workers' must be 1 with this store, because it has one writer"),
        ("metrics_port", 3567, "'metrics_port' must differ from 'port'"),
        ("host", "", "'host' must be a host name or an IP address"),
        ("host", "0.0.0.0", "'host' must be a loopback address as long as there are no 'api_keys'"),
        ("host", "core.example.com", "'host' must be a loopback address as long as there are no 'api_keys'"),
        ("secret_key", "canary-short", "'secret_key' must have at least 32 characters"),
        ("database_uri", "mongodb://root:canary@db/x", "'database_uri' must name a store"),
        ("database_uri", "mysql://root:canary@db", "'database_uri' must be a connection URI of MariaDB or MySQL"),
        ("database_uri", "postgresql://u:canary@db:port/x", "'database_uri' must be a connection URI of PostgreSQL"),
        (
            "postgresql_host",
            "db",
            "'postgresql_user' and 'postgresql_connection_uri' are not set. Please set at least one of these values",
        ),
        ("postgresql_port", "canary", "'postgresql_port' must be a whole number"),
        ("shutdown_delay", -1, "'shutdown_delay' must be between 0 and 60 seconds"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_in_the_words_of_the_interface(key, value, text):
    values = {key: value} | ({"postgresql_user": "u"} if key == "postgresql_port" else {})
    with pytest.raises(ConfigurationError) as caught:
        made(**values)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(text)
    assert value == "canary" or "canary" not in str(caught.value)


def test_every_problem_is_told_at_once():
    found = problems(made, port=-1, log_level="x", api_keys="short", no_such_key=1, base_path=" x y")
    assert len(found) == 5


@pytest.mark.parametrize(
    ("written", "normal"),
    [("", ""), ("/", ""), (None, ""), ("auth", "/auth"), ("/auth/", "/auth"), ("//a///b//", "/a/b")],
)
def test_a_base_path_is_normalised(written, normal):
    assert made(base_path=written).base_path == normal


def test_empty_address_patterns_are_absent_ones():
    settings = made(ip_allow_regex="", ip_deny_regex=None)
    assert (settings.ip_allow_regex, settings.ip_deny_regex) == (None, None)


def test_the_bounds_of_the_interface_are_put_together():
    settings = made(supertokens_min_cdi_version="2.21", supertokens_max_cdi_version=5.4)
    assert settings.bounds == Bounds(Version(2, 21), Version(5, 4))
    assert made(supertokens_default_cdi_version="3.0").bounds.highest == Version(3, 0)
    text = only_problem(supertokens_min_cdi_version="4.0", supertokens_max_cdi_version="3.0")
    assert text.startswith("supertokens_min_cdi_version cannot be greater than supertokens_max_cdi_version")


def test_test_mode_allows_short_intervals():
    interval = "access_token_dynamic_signing_key_update_interval"
    assert getattr(made(**{interval: 0.001, "test_mode": True}), interval) == 0.001


# ---------------------------------------------------------------------------------------------------- access


def test_api_keys_are_trimmed_and_held_as_hashes():
    settings = made(api_keys=f" {KEY} ,{LONG},")
    assert settings.api_keys == (ApiKey.of(KEY), ApiKey.of(LONG))
    assert KEY not in repr(settings.api_keys)
    hashed = hashlib.sha256(KEY.encode()).hexdigest()
    assert made(api_keys=f"sha256:{hashed}").api_keys == made(api_keys=f"sha256:{hashed.upper()}").api_keys
    assert made(api_keys=f"sha256:{hashed}").api_keys == (ApiKey.of(KEY),)
    assert "Invalid characters in API key" in only_problem(api_keys=f"sha256:{hashed[1:]}")
    assert "canary" not in repr(settings)
    assert ServiceSettings(api_keys=[KEY]) == ServiceSettings(api_keys=(Secret(KEY),))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("canary-short", "One of the API keys is too short. Please use at least 20 characters"),
        (f"{KEY},canary", "One of the API keys is too short. Please use at least 20 characters"),
        (
            f"{KEY}_",
            "Invalid characters in API key. Please only use '=', '-' and alpha-numeric (including capitals)",
        ),
        (f"{KEY}é", "Invalid characters in API key."),
    ],
)
def test_a_weak_api_key_is_refused_without_being_shown(keys, text):
    assert only_problem(api_keys=keys).startswith(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_without_api_keys_loopback_may_be_bound(host):
    assert made(host=host).host == host.strip("[]")


def test_other_hosts_need_a_key_or_the_word_of_the_owner():
    assert made(host="0.0.0.0", api_keys=KEY).host == "0.0.0.0"
    assert made(host="0.0.0.0", allow_open_access=True).host == "0.0.0.0"


def test_the_text_form_of_a_configuration_shows_no_secret():
    settings = made(
        api_keys=KEY, secret_key=LONG, database_uri="postgresql://u:canary@db/x", supertokens_saas_secret=LONG
    )
    assert "canary" not in repr(settings) + str(settings) + str(settings.notes)
    assert settings.server_uri == Secret("postgresql://u:canary@db/x")


# ---------------------------------------------------------------------------------------------------- database


@pytest.mark.parametrize(
    ("parts", "uri"),
    [
        ({"user": "me"}, "postgresql://me@localhost:5432/supertokens"),
        (
            {"user": "me", "password": "p@:/%", "host": "db", "port": 6000, "database_name": "s"},
            "postgresql://me:p%40%3A%2F%25@db:6000/s",
        ),
        ({"connection_uri": "postgresql://a:b@h:1/d?sslmode=require"}, "postgresql://a:b@h:1/d?sslmode=require"),
        ({"connection_uri": "postgres://a:b@h:1/d", "password": "c"}, "postgresql://a:c@h:1/d"),
        ({"connection_uri": "postgresql://a@h/d", "host": "::1", "port": 2}, "postgresql://a@[::1]:2/d"),
        (
            {"user": "me", "table_schema": "own"},
            "postgresql://me@localhost:5432/supertokens?options=-csearch_path%3Down",
        ),
    ],
)
def test_the_keys_of_postgresql_make_up_one_address(parts, uri):
    settings = made(**{f"postgresql_{key}": value for key, value in parts.items()})
    assert settings.database_uri == uri
    assert settings.server_uri == Secret(uri)
    assert settings.database_path is None


def test_several_workers_are_fine_with_postgresql():
    assert made(workers=4, postgresql_user="me").workers == 4


def test_one_source_names_the_database_in_one_way():
    text = only_problem(database_uri="memory:", postgresql_user="me")
    assert text.startswith("'database_uri' and 'postgresql_user' are both given in app.yaml")


def test_the_environment_names_another_database_than_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("database_uri: sqlite:///x.db\n")
    uri = "postgresql://u@h/d"
    assert ServiceSettings.load(file, {"POSTGRESQL_CONNECTION_URI": uri}).database_uri == uri
    file.write_text(f"postgresql_connection_uri: {uri}\n")
    assert ServiceSettings.load(file, {"RESEAL_DATABASE_URI": "memory:"}).database_uri == "memory:"


# ---------------------------------------------------------------------------------------------------- sources


def test_a_familiar_file_is_taken_as_it_is(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        f"core_config_version: 0\naccess_token_validity: 900\napi_keys: {KEY}\nport: 3000\nhost: 0.0.0.0\n"
        'info_log_path: "null"\nmax_server_pool_size: 10\ndisable_telemetry: true\npassword_hashing_alg: "BCRYPT"\n'
        "access_token_signing_key_update_interval: 24\n"
    )
    file.chmod(0o600)
    settings = ServiceSettings.load(file, {})
    assert (settings.access_token_validity, settings.port) == (900, 3000)
    assert settings.access_token_dynamic_signing_key_update_interval == 24
    assert len(settings.notes) == 5
    assert "'max_server_pool_size' has no effect" in "\n".join(settings.notes)


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_file_with_secrets_that_others_may_read_is_noted(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"api_keys: {KEY}\n")
    file.chmod(0o644)
    assert "chmod 600" in ServiceSettings.load(file, {}).notes[0]
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    file.write_text(f"port: 1\napi_keys_file: {keys}\n")
    assert ServiceSettings.load(file, {}).notes == ()


def test_the_names_of_the_docker_image_are_known():
    settings = ServiceSettings.from_env(
        {
            "SUPERTOKENS_PORT": "4000",
            "SUPERTOKENS_HOST": "0.0.0.0",
            "API_KEYS": KEY,
            "ACCESS_TOKEN_VALIDITY": "60",
            "REFRESH_TOKEN_VALIDITY": "2.5",
            "LOG_LEVEL": "debug",
            "DISABLE_TELEMETRY": "true",
            "POSTGRESQL_USER": "me",
            "BASE_PATH": "",
            "PORT": "1",
            "HOST": "x",
        }
    )
    assert (settings.port, settings.host, settings.access_token_validity) == (4000, "0.0.0.0", 60)
    assert (settings.refresh_token_validity, settings.log_level) == (2.5, "DEBUG")
    assert settings.database_uri.startswith("postgresql://me@")


def test_every_name_of_the_image_is_a_key():
    known = set(rows(ServiceFields)) | set(PARTS) | set(NO_EFFECT) | {"access_token_signing_key_update_interval"}
    assert set(IMAGE_NAMES.values()) <= known


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("port: 1\nworkers: 1\nbase_path: /file\n")
    environ = {"RESEAL_PORT": "3", "SUPERTOKENS_PORT": "2", "RESEAL_CONFIG": str(file), "RESEAL_STATE_DIR": "/x"}
    assert ServiceSettings.load(None, environ).port == 3
    assert ServiceSettings.load(None, environ, overrides={"port": 4}).port == 4
    assert ServiceSettings.load(None, environ).base_path == "/file"


def test_secrets_may_come_from_files(tmp_path):
    (tmp_path / "keys").write_text(f"{KEY},{LONG}\n")
    (tmp_path / "password").write_text("canary\n")
    settings = ServiceSettings.from_env(
        {
            "RESEAL_API_KEYS_FILE": str(tmp_path / "keys"),
            "POSTGRESQL_USER": "me",
            "POSTGRESQL_PASSWORD_FILE": str(tmp_path / "password"),
        }
    )
    assert settings.api_keys_file.keys == (ApiKey.of(KEY), ApiKey.of(LONG))
    assert settings.database_uri.startswith("postgresql://me:canary@")
    [found] = problems(ServiceSettings.from_env, {"RESEAL_API_KEYS_FILE": "/canary", "RESEAL_PORT": "1"})
    assert found.startswith("'api_keys_file' cannot be read (No such file or directory)")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "'api_keys_file' holds no API key"),
        (b" ,\n", "'api_keys_file' holds no API key"),
        (b"canary", "One of the API keys is too short. Please use at least 20 characters"),
        (b"canary-\xff-0123456789", "'api_keys_file' is not UTF-8 text"),
    ],
)
def test_a_file_of_keys_that_opens_no_door_is_refused(tmp_path, content, problem):
    (tmp_path / "keys").write_bytes(content)
    assert only_problem(api_keys_file=str(tmp_path / "keys")).startswith(problem)
    assert only_problem(api_keys_file=str(tmp_path)).startswith("'api_keys_file' cannot be read")


def test_api_keys_are_in_one_place(tmp_path):
    (tmp_path / "keys").write_text(KEY)
    assert made(api_keys_file=tmp_path / "keys", host="0.0.0.0").wants_key
    assert "are both set" in only_problem(api_keys_file=str(tmp_path / "keys"), api_keys=LONG)


def test_trusted_proxies_are_networks():
    given = "10.0.0.0/8, 127.0.0.1,2001:DB8:0::/48"
    assert made(trusted_proxies=given).trusted_proxies == ("10.0.0.0/8", "127.0.0.1/32", "2001:db8::/48")
    assert ServiceSettings.from_env({"RESEAL_TRUSTED_PROXIES": "::1"}).trusted_proxies == ("::1/128",)
    assert "must hold addresses and networks" in only_problem(trusted_proxies=["proxy.internal"])
    assert "must hold addresses and networks" in only_problem(trusted_proxies=["10.0.0.1/8"])
    for everybody in ("0.0.0.0/0", "::/0"):
        assert "must not trust every address" in only_problem(trusted_proxies=[everybody])


def test_an_unknown_key_is_told_with_what_was_probably_meant():
    assert only_problem(acces_token_validity=1).endswith("did you mean 'access_token_validity'?")
    found = problems(ServiceSettings.from_env, {"RESEAL_API_KEY": "canary"})
    assert found == ("RESEAL_API_KEY in the environment is not a known key: did you mean RESEAL_API_KEYS?",)


def test_a_key_of_the_embedded_form_is_told_to_be_one():
    assert "concerns the embedded form" in only_problem(api_domain="https://api.example.com")


# ---------------------------------------------------------------------------------------------------- apps


def refused(call, *arguments):
    with pytest.raises(Problem) as caught:
        call(*arguments)
    assert caught.value.status == 400
    return caught.value.text


def test_an_app_has_its_own_values_and_the_services_for_the_rest():
    base = ServiceSettings(access_token_validity_jitter=0)
    app = app_settings("a1", base, {"access_token_validity": 60, "access_token_signing_key_update_interval": 2})
    assert (app.app_id, app.access_token_ms, app.refresh_token_ms) == ("a1", 60_000, 144000 * 60_000)
    assert (app.key_interval_ms, app.jitter, app.reuse_is_theft) == (7_200_000, 0, True)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"nonsense": 1}, "Invalid config key: nonsense"),
        ({"port": 1}, "port can only be set via the core's base config setting"),
        (
            {"api_keys": "canary"},
            "One of the API keys is too short. Please use at least 20 characters",
        ),
        ({"api_keys": [KEY]}, "'api_keys' must be text"),
        (
            {"api_keys": "canary-with_an-underscore"},
            "Invalid characters in API key. Please only use '=', '-' and alpha-numeric (including capitals)",
        ),
        ({"ip_allow_regex": "x"}, "ip_allow_regex can only be set via the core's base config setting"),
        ({"log_level": "INFO"}, "log_level can only be set via the core's base config setting"),
        ({"postgresql_host": "x"}, "postgresql_host can only be set via the core's base config setting"),
        ({"max_server_pool_size": 1}, "max_server_pool_size can only be set via the core's base config setting"),
        ({"access_token_validity": 0}, "'access_token_validity' must be between 1 and 86400000 seconds inclusive."),
        ({"access_token_validity": "1.5"}, "'access_token_validity' must be a whole number"),
        ({"access_token_validity": "soon"}, "'access_token_validity' must be a whole number"),
        ({"access_token_validity": ""}, "'access_token_validity' must be a whole number"),
        ({"refresh_token_validity": "1,5"}, "'refresh_token_validity' must be a number"),
        ({"access_token_validity_jitter": "nan"}, "'access_token_validity_jitter' must be a number"),
        ({"access_token_blacklisting": "maybe"}, "'access_token_blacklisting' must be true or false"),
        (
            {"refresh_token_validity": 1},
            "'refresh_token_validity' must be strictly greater than 'access_token_validity'.",
        ),
        (
            {"access_token_dynamic_signing_key_update_interval": 0.5},
            "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 hour.",
        ),
    ],
)
def test_an_app_cannot_set_everything(config, text):
    assert refused(app_settings, "a1", ServiceSettings(), config) == f"Invalid core config: {text}"


OF_A_DATABASE = """
    config_version connection_pool_size connection_uri connection_scheme connection_attributes host port user
    password database_name table_names_prefix key_value_table_name session_info_table_name past_tokens_table_name
    emailpassword_users_table_name emailpassword_pswd_reset_tokens_table_name emailverification_tokens_table_name
    emailverification_verified_emails_table_name thirdparty_users_table_name idle_connection_timeout
    minimum_idle_connections
"""
SHIPPED = {
    "core": """
        core_config_version port host access_token_validity access_token_blacklisting access_token_signing_key_dynamic
        access_token_signing_key_update_interval access_token_dynamic_signing_key_update_interval refresh_token_validity
        access_token_validity_jitter refresh_token_rotation_grace_period recent_token_reuse_behaviour
        password_reset_token_lifetime email_verification_token_lifetime passwordless_max_code_input_attempts
        passwordless_code_lifetime totp_max_attempts totp_rate_limit_cooldown_sec info_log_path error_log_path
        max_server_pool_size api_keys disable_telemetry base_path password_hashing_alg bcrypt_log_rounds
        argon2_iterations argon2_memory_kb argon2_parallelism argon2_hashing_pool_size log_level firebase_signing_key
        firebase_mem_cost firebase_rounds firebase_salt_separator firebase_password_hashing_signer_key
        firebase_password_hashing_pool_size ip_allow_regex ip_deny_regex supertokens_saas_secret
        supertokens_max_cdi_version supertokens_min_cdi_version supertokens_default_cdi_version
        supertokens_saas_load_only_cud oauth_provider_public_service_url oauth_provider_admin_service_url
        oauth_provider_consent_login_base_url oauth_provider_url_configured_in_oauth_provider
        oauth_client_secret_encryption_key bulk_migration_parallelism bulk_migration_batch_size
        bulk_migration_cron_enabled webauthn_recover_account_token_lifetime otel_collector_connection_uri
        use_structured_logging webserver_https_enabled cookie_domain cookie_secure cookie_same_site access_token_path
        refresh_api_path session_expired_status_code enable_anti_csrf
        """,
    **{
        f"{database} plugin": " ".join(f"{database}_{name}" for name in OF_A_DATABASE.split())
        for database in ("postgresql", "mysql")
    },
    "mongodb plugin": """
        mongodb_config_version mongodb_connection_uri mongodb_database_name mongodb_collection_names_prefix
        mongodb_key_value_collection_name mongodb_session_info_collection_name
        """,
}
"""The keys of every config.yaml that was published with a core or a plugin for a database."""


@pytest.mark.parametrize("file", SHIPPED)
def test_every_key_of_a_published_file_is_used_or_noted_once(file, tmp_path):
    for key in SHIPPED[file].split():
        assert key in words().kinds or key in words().aliases, key
    noted = [key for key in SHIPPED[file].split() if key in NO_EFFECT]
    path = tmp_path / "config.yaml"
    path.write_text("".join(f"{key}: 7\n" for key in noted))
    path.chmod(0o600)
    notes = ServiceSettings.load(path, {}).notes
    assert [note.split("'")[1] for note in notes] == noted
    in_the_image = {key.upper(): "7" for key in noted if key.upper() in IMAGE_NAMES}
    assert len(ServiceSettings.from_env(in_the_image).notes) == len(in_the_image)
    assert {key for key in noted if key.upper() not in IMAGE_NAMES} <= {
        *("core_config_version", "postgresql_config_version", "mysql_config_version", "mongodb_config_version"),
        "webserver_https_enabled",
    }


def test_the_file_of_the_postgresql_image_is_taken_as_it_is(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "core_config_version: 0\npostgresql_config_version: 0\nhost: 0.0.0.0\n"
        f"api_keys: {KEY}\npostgresql_connection_uri: postgresql://u:canary@db/x\ninfo_log_path: null\n"
        "webauthn_recover_account_token_lifetime: 3600000\n"
    )
    assert ServiceSettings.load(path, {}).server_uri is not None


def test_secrets_that_have_no_effect_are_secrets_all_the_same(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("mysql_password: canary\n")
    path.chmod(0o644)
    notes = ServiceSettings.load(path, {}).notes
    assert len(notes) == 2
    assert "canary" not in "".join(notes)
    assert any("chmod 600" in note for note in notes)


AS_TEXT = {
    "access_token_validity": ("60", 60),
    "refresh_token_validity": ("1440.5", 1440.5),
    "access_token_blacklisting": ("true", True),
    "access_token_signing_key_dynamic": ("False", False),
    "access_token_dynamic_signing_key_update_interval": (" 2 ", 2),
    "access_token_validity_jitter": (".05", 0.05),
    "refresh_token_rotation_grace_period": ("1e1", 10),
    "enable_anti_csrf": ("TRUE", True),
    "session_absolute_timeout": ("43200", 43200),
    "lost_response_window": ("600", 600),
    "theft_response": ("revoke_user", TheftResponse.REVOKE_USER),
}
"""Values that are written as text, and what they read as."""


def test_text_that_reads_as_a_number_or_a_truth_is_one_in_every_source(tmp_path):
    text, plain = ({key: pair[n] for key, pair in AS_TEXT.items()} for n in (0, 1))
    assert set(AS_TEXT) == set(APP_KEYS) - {"api_keys"}
    assert app_settings("a1", ServiceSettings(), text) == app_settings("a1", ServiceSettings(), plain)
    file = tmp_path / "config.yaml"
    file.write_text("".join(f'{key}: "{value}"\n' for key, value in text.items()) + 'port: "4000"\n')
    from_file = ServiceSettings.load(file, {})
    assert from_file == ServiceSettings(**plain, port=4000)
    ours = ServiceSettings.from_env({f"RESEAL_{key.upper()}": value for key, value in text.items()})
    assert ours == ServiceSettings(**plain)
    image = {name: text[key] for name, key in IMAGE_NAMES.items() if key in text and "KEY_UPDATE" not in name}
    assert ServiceSettings.from_env(image).access_token_validity == 60
    file.write_text('access_token_validity: "soon"\nenable_anti_csrf: "maybe"\n')
    found = problems(ServiceSettings.load, file, {})
    assert [problem.split(" (got")[0] for problem in found] == [
        "'access_token_validity' must be a whole number",
        "'enable_anti_csrf' must be true or false",
    ]


def test_keys_of_other_recipes_do_not_matter_to_an_app():
    settings = ServiceSettings()
    assert app_settings("a1", settings, {"password_reset_token_lifetime": 1}) == app_settings("a1", settings, {})


def test_test_mode_gives_apps_short_intervals_too():
    interval = {"access_token_dynamic_signing_key_update_interval": 0.001}
    assert app_settings("a1", ServiceSettings(test_mode=True), interval).key_interval_ms == 3600


def test_test_mode_lets_sessions_end_before_their_access_tokens_as_test_suites_want_it():
    short = {"refresh_token_validity": "0.002"}
    assert app_settings("a1", ServiceSettings(test_mode=True), short).refresh_token_ms == 120
    assert made(test_mode=True, refresh_token_validity=0.002).refresh_token_validity == 0.002
    assert "must be strictly greater" in refused(app_settings, "a1", ServiceSettings(), short)
    assert "must be strictly greater" in only_problem(refresh_token_validity=0.002)


def test_a_tenant_may_repeat_its_app_and_not_contradict_it():
    base, app = ServiceSettings(), {"access_token_validity": 60}
    check_tenant(base, app, "t1", {"access_token_validity": 60})
    check_tenant(base, app, "t1", {"refresh_token_validity": 144000})
    assert refused(check_tenant, base, app, "t1", {"access_token_validity": 61}) == (
        "Invalid core config: You cannot set different values for access_token_validity for the same appId"
    )
