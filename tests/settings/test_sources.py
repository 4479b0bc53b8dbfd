"""Where values come from: mapping, environment, YAML file, and both at once."""

import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from reseal.core.errors import ConfigurationError
from reseal.core.model import TheftResponse
from reseal.settings import Settings

API = "https://api.example.com"
ENV = {"RESEAL_API_DOMAIN": API}
CANARY = "canary-51d0-" + "x" * 40


def refused(call, *arguments, **named):
    """Call, expect a refusal, and return its problems; no traceback ever shows the canary."""
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments, **named)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    return caught.value.problems


def refused_mapping(**mapping):
    return refused(Settings.from_mapping, {"api_domain": API} | mapping, source="app.yaml")


def refused_env(**variables):
    return refused(Settings.from_env, ENV | variables)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.yaml"

    def write(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# ---------------------------------------------------------------------------------------------------- mapping


def test_a_mapping_gives_values():
    value = Settings.from_mapping({"api_domain": API, "trusted_origins": ["https://b.example"]}, source="app.yaml")
    assert value == Settings(api_domain=API, trusted_origins=("https://b.example",))


def test_a_missing_api_domain_is_told_like_any_problem():
    texts = refused(Settings.from_mapping, {"app_id": ""}, source="app.yaml")
    assert texts[0].startswith("'api_domain' is missing: ")
    assert texts[1].startswith("'app_id' must be ")


def test_names_and_values_are_told_at_once_and_with_their_source():
    texts = refused_mapping(port=3567, acess_token_validity=1, access_token_validity=0)
    assert len(texts) == 3
    assert texts[2].startswith(
        "'access_token_validity' must be between 1 and 86400000 seconds inclusive. (got 0 from app.yaml): "
    )


@pytest.mark.parametrize(
    ("slip", "key"),
    [
        ("acess_token_validity", "access_token_validity"),
        ("Api_Domain", "api_domain"),
        ("cookie-domain", "cookie_domain"),
        ("access_token_signing_key_interval", "access_token_signing_key_update_interval"),
        ("secret_keys", "secret_key"),
    ],
)
def test_a_slip_of_the_pen_gets_a_suggestion(slip, key):
    (text,) = refused_mapping(**{slip: CANARY})
    assert text == f"'{slip}' in app.yaml is not a known key: did you mean '{key}'?"


def test_a_name_like_no_other_gets_no_suggestion():
    (text,) = refused_mapping(zzzzqqqq=1)
    assert "did you mean" not in text
    assert "remove it" in text


@pytest.mark.parametrize(
    "key",
    [
        "core_config_version", "port", "host", "api_keys", "max_server_pool_size", "info_log_path", "error_log_path",
        "log_level", "disable_telemetry", "base_path", "ip_allow_regex", "ip_deny_regex", "supertokens_saas_secret",
        "postgresql_password", "mysql_user", "mongodb_connection_uri",
    ],
)  # fmt: skip
def test_a_key_of_the_service_is_recognised(key):
    (text,) = refused_mapping(**{key: CANARY})
    assert text.startswith(f"'{key}' concerns the service and has no meaning in the embedded form; remove it")
    (text,) = refused_env(**{f"RESEAL_{key.upper()}": CANARY})
    assert "concerns the service and has no meaning in the embedded form; remove it" in text


@pytest.mark.parametrize("key", ["access_token_blacklisting", "recent_token_reuse_behaviour"])
def test_a_session_key_without_an_equal_says_what_to_do_instead(key):
    (text,) = refused_mapping(**{key: 1})
    assert text.startswith(f"'{key}' in app.yaml is not used here: ")


def test_what_is_no_mapping_or_no_text_key_is_told():
    assert "a value of type list" in refused(Settings.from_mapping, [], source="app.yaml")[0]
    (text,) = refused(Settings.from_mapping, {"api_domain": API, 5: 1}, source="app.yaml")
    assert text.startswith("app.yaml has a key that is not text, 5")


# ---------------------------------------------------------------------------------------------------- aliases

OLD, NEW = "access_token_signing_key_update_interval", "access_token_dynamic_signing_key_update_interval"


def test_an_alias_stands_for_its_key():
    assert Settings.from_mapping({"api_domain": API, OLD: 24}, source="x") == Settings(api_domain=API, **{NEW: 24})
    assert Settings.from_env(ENV | {f"RESEAL_{OLD.upper()}": "24"}) == Settings(api_domain=API, **{NEW: 24})


def test_both_names_may_agree():
    assert Settings.from_mapping({"api_domain": API, OLD: 24, NEW: 24.0}, source="x").key_interval_ms == 24 * 3_600_000
    assert Settings.from_env(ENV | {f"RESEAL_{OLD.upper()}": "24", f"RESEAL_{NEW.upper()}": "24.0"})


def test_both_names_must_not_differ():
    (text,) = refused_mapping(**{OLD: 24, NEW: 48})
    assert OLD in text or NEW in text
    assert "different values" in text
    (text,) = refused_env(**{f"RESEAL_{OLD.upper()}": "24", f"RESEAL_{NEW.upper()}": "48"})
    assert "different values" in text


# ---------------------------------------------------------------------------------------------------- environment


def test_the_environment_is_parsed_to_the_kind_of_each_key():
    value = Settings.from_env(
        ENV
        | {
            "RESEAL_TRUSTED_ORIGINS": "https://b.example, https://c.example,",
            "RESEAL_ACCESS_TOKEN_VALIDITY": " 60 ",
            "RESEAL_REFRESH_TOKEN_VALIDITY": "2.5",
            "RESEAL_THEFT_RESPONSE": "report",
            "RESEAL_SECRET_KEY": CANARY,
            "PATH": "/bin",
            "reseal_app_id": "ignored",
        }
    )
    assert value == Settings(
        api_domain=API,
        trusted_origins=("https://b.example", "https://c.example"),
        access_token_validity=60,
        refresh_token_validity=2.5,
        theft_response=TheftResponse.REPORT,
        secret_key=CANARY,
    )


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("true", True), ("TRUE", True), ("1", True), ("yes", True), ("false", False), ("0", False), ("No", False)],
)
def test_booleans_of_the_environment(text, meaning):
    assert Settings.from_env(ENV | {"RESEAL_ENABLE_ANTI_CSRF": text}).enable_anti_csrf is meaning


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ENABLE_ANTI_CSRF", "on"),
        ("ENABLE_ANTI_CSRF", ""),
        ("ACCESS_TOKEN_VALIDITY", "1h"),
        ("ACCESS_TOKEN_VALIDITY", "1_000"),
        ("ACCESS_TOKEN_VALIDITY", "٣"),
        ("ACCESS_TOKEN_VALIDITY", "3600.0"),
        ("ACCESS_TOKEN_VALIDITY", "9" * 5000),
        ("REFRESH_TOKEN_VALIDITY", "nan"),
        ("REFRESH_TOKEN_VALIDITY", "1e9"),
        ("REFRESH_TOKEN_VALIDITY", ""),
        ("ISSUER", ""),
        ("SECRET_KEY", ""),
    ],
)
def test_what_does_not_parse_is_told_with_its_variable(variable, text):
    (problem,) = refused_env(**{f"RESEAL_{variable}": text})
    assert problem.startswith(f"'{variable.lower()}' must ")
    assert f" from RESEAL_{variable})" in problem


@pytest.mark.parametrize("name", ["RESEAL_APP_IDS", "RESEAL_app_id", "RESEAL_App_Id"])
def test_an_unknown_variable_is_told_with_a_suggestion(name):
    assert refused_env(**{name: CANARY}) == (
        f"{name} in the environment is not a known key: did you mean RESEAL_APP_ID?",
    )


def test_a_slip_in_the_name_of_the_secrets_file_is_told():
    assert refused_env(RESEAL_SECRET_KEY_FLIE=CANARY)[0].endswith("did you mean RESEAL_SECRET_KEY_FILE?")


def test_the_secret_is_read_from_its_file(tmp_path):
    for text in (CANARY, f"{CANARY}\n", f"{CANARY}\r\n"):
        (tmp_path / "secret").write_bytes(text.encode())
        value = Settings.from_env(ENV | {"RESEAL_SECRET_KEY_FILE": str(tmp_path / "secret")})
        assert value.secret_key.reveal() == CANARY.encode()


def test_faults_of_the_secrets_file_are_told_without_its_content_or_path(tmp_path):
    (tmp_path / "short").write_text("canary-too-short")
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    for path in (tmp_path / "short", tmp_path / "binary", tmp_path, tmp_path / "absent", CANARY, "", "\0", "\ud800"):
        (text,) = refused_env(RESEAL_SECRET_KEY_FILE=str(path))
        assert "RESEAL_SECRET_KEY_FILE" in text
        assert "canary" not in text


def test_two_sources_of_the_secret_are_one_too_many(tmp_path):
    (text,) = refused_env(RESEAL_SECRET_KEY=CANARY, RESEAL_SECRET_KEY_FILE=str(tmp_path))
    assert text.startswith("RESEAL_SECRET_KEY_FILE and RESEAL_SECRET_KEY are both set")


@example_settings(deadline=None)
@given(st.dictionaries(st.text().map("RESEAL_".__add__) | st.sampled_from(["RESEAL_SECRET_KEY_FILE"]), st.text()))
def test_a_hostile_environment_is_refused_in_order(environ):
    with pytest.raises(ConfigurationError):  # api_domain at least is missing or wrong
        Settings.from_env(environ)


# ---------------------------------------------------------------------------------------------------- YAML


def test_a_file_gives_values(file):
    path = file(
        "api_domain: https://api.example.com\ntrusted_origins: [https://b.example]\nsession_absolute_timeout: 90.5\n"
    )
    assert Settings.from_yaml(path) == Settings.from_yaml(str(path))
    assert Settings.from_yaml(path).session_absolute_timeout == 90.5


def test_a_byte_order_mark_is_no_part_of_the_first_key(file):
    assert Settings.from_yaml(file("\ufeffapi_domain: https://api.example.com\n")).api_domain == API


def test_an_empty_file_gives_nothing(file):
    for text in ("", "# all by default\n", "---\n"):
        (problem,) = refused(Settings.from_yaml, file(text))
        assert problem.startswith("'api_domain' is missing")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"secret_key: *{CANARY}", "is not valid YAML near line 1"),
        (f"secret_key: !{CANARY} x", "is not valid YAML near line 1"),
        (f"secret_key: '{CANARY}", "is not valid YAML near line"),
        (f"a: b\n secret_key: {CANARY}: x", "is not valid YAML near line 2"),
        (f"a: 1\n---\nsecret_key: {CANARY}", "is not valid YAML near line 2"),
        (f"secret_key: !!float {CANARY}", "is not valid YAML"),
        (f"secret_key: !!bool {CANARY}", "is not valid YAML"),
        (f"secret_key: !!timestamp {CANARY}", "is not valid YAML"),
        ("a: 2020-13-01", "is not valid YAML"),
        ("a: !!int ''", "is not valid YAML"),
        ("a: !!python/object:os.system x", "is not valid YAML"),
        ("a: \0", "is not valid YAML"),
        ("[" * 5000, "is not valid YAML"),
        ("? [a]\n: 1", "is not valid YAML"),
        (b"\xff\xfe\xff", "is not UTF-8 text"),
        (f"- {CANARY}", "must hold keys with values, not a value of type list"),
        ("5", "must hold keys with values, not 5"),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml_is_one_clear_problem(file, content, words):
    texts = refused(Settings.from_yaml, file(content))
    assert words in texts[0]
    assert texts[0].startswith(str(file(content)))


def test_a_key_given_twice_is_told_with_its_line(file):
    (text,) = refused(Settings.from_yaml, file(f"api_domain: {API}\napp_id: a\napp_id: a\n"))
    assert text.startswith("'app_id' is given more than once in ")
    assert "line 3" in text


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    assert "cannot be read (No such file or directory)" in refused(Settings.from_yaml, tmp_path / "absent.yaml")[0]
    assert "cannot be read (" in refused(Settings.from_yaml, tmp_path)[0]
    assert "is not a possible path" in refused(Settings.from_yaml, "\0")[0]


def test_a_missing_pyyaml_is_told_with_the_command(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (text,) = refused(Settings.from_yaml, file(""))
    assert 'pip install "reseal[yaml]"' in text
    assert Settings.from_env(ENV).api_domain == API


@example_settings(deadline=None)
@given(st.text() | st.binary())
def test_a_hostile_file_is_refused_in_order(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigurationError):
        Settings.from_yaml(path)


# ---------------------------------------------------------------------------------------------------- both


def test_the_environment_beats_the_file(file):
    path = file(f"api_domain: {API}\napp_id: from-file\ntenant_id: from-file\n{NEW}: 24\n")
    environ = {"RESEAL_APP_ID": "from-env", f"RESEAL_{OLD.upper()}": "48"}
    value = Settings.load(path, environ)
    assert (value.app_id, value.tenant_id, value.key_interval_ms) == ("from-env", "from-file", 48 * 3_600_000)


def test_the_environment_may_mend_the_file(file):
    assert Settings.load(file("api_domain: x\n"), ENV).api_domain == API


def test_the_environment_may_name_the_file(file, tmp_path):
    environ = {"RESEAL_CONFIG": str(file(f"api_domain: {API}\n"))}
    assert Settings.load(environ=environ).api_domain == API
    assert Settings.load(environ=ENV).api_domain == API
    other = tmp_path / "other.yaml"
    other.write_text("api_domain: https://other.example\n")
    assert Settings.load(other, environ).api_domain == "https://other.example"
    assert Settings.from_env(environ | ENV).api_domain == API


def test_the_problems_of_both_are_told_at_once(file):
    path = file("api_domain: x\nport: 1\n")
    texts = refused(Settings.load, path, {"RESEAL_APP_ID": "", "RESEAL_NOTHING": ""})
    assert len(texts) == 4
    assert any(f"from {path})" in text for text in texts)
    assert any("from RESEAL_APP_ID)" in text for text in texts)
