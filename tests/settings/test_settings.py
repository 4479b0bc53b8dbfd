"""The value: what is accepted, how it is normalised, what is refused and in which words, what follows from it."""

import base64
import copy
import dataclasses
import pickle
import random
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from reseal.core import guessable
from reseal.core.errors import ConfigurationError
from reseal.core.model import Policy, Rollback, Scope, TheftResponse
from reseal.core.secret import Secret
from reseal.settings import Settings

API = "https://api.example.com"
CANARY = "canary-7f3a-" + "x" * 40
KEYS = [key.name for key in dataclasses.fields(Settings) if key.init]


def settings(**values):
    return Settings(**({"api_domain": API} | values))


def problems(**values):
    with pytest.raises(ConfigurationError) as caught:
        settings(**values)
    return caught.value.problems


def only_problem(**values):
    found = problems(**values)
    assert len(found) == 1, found
    return found[0]


# ---------------------------------------------------------------------------------------------------- origins


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("HTTPS://API.Example.COM/", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("https://api.example.com:0443/", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://app.localhost", "http://app.localhost"),
        ("http://127.9.8.7:3000", "http://127.9.8.7:3000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
    ],
)
def test_an_origin_is_held_as_browsers_write_it(written, normal):
    assert settings(api_domain=written).api_domain == normal
    assert settings(website_domain=written).website_domain == normal
    assert settings(trusted_origins=[written]).trusted_origins == (normal,)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "api.example.com",
        "//api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///",
        "https://api.example.com/v1",
        "https://api.example.com//",
        "https://api.example.com?x",
        "https://api.example.com#x",
        "https://user@api.example.com",
        "https://api.example.com:",
        "https://api.example.com:0",
        "https://api.example.com:65536",
        "https://api.example.com:٤٤٣",
        "https://api..example.com",
        "https://-api.example.com",
        "https://api.example.com.",
        "https://127.1",
        "https://0x7f000001",
        "https://1.2.3.256",
        "https://[::1",
        "https://[::zz]",
        "https://bücher.example",
        "https://\u212aelvin.example",
        " https://api.example.com",
        "https://api.example.com\n",
        "https://" + "a" * 64 + ".example",
        "https://" + "a." * 130 + "example",
        "*",
        "null",
    ],
)
def test_what_is_no_exact_origin_is_refused(written):
    assert only_problem(api_domain=written).startswith("'api_domain' must ")
    assert only_problem(website_domain=written).startswith("'website_domain' must ")
    assert only_problem(trusted_origins=[written]).startswith("'trusted_origins' has entries")


def test_every_bad_trusted_origin_is_told():
    problem = only_problem(trusted_origins=["https://good.example", "*", "null", 5])
    assert "'*'" in problem
    assert "'null'" in problem
    assert "5 must be text" in problem
    assert "good.example" not in problem.split("): ")[1]


def test_one_origin_is_not_a_list_of_them():
    assert only_problem(trusted_origins=API).startswith("'trusted_origins' must be a list")


def test_repeated_trusted_origins_count_once():
    assert settings(trusted_origins=[API, f"{API}/", "https://b.example"]).trusted_origins == (API, "https://b.example")


@pytest.mark.parametrize("host", ["api.example.com", "192.168.1.5", "127.example.com", "notlocalhost", "[::2]"])
def test_plain_http_across_a_network_needs_an_explicit_word(host):
    origin = f"http://{host}"
    assert only_problem(api_domain=origin).startswith("'api_domain' must use https unless its host is loopback (got ")
    assert problems(api_domain=origin, cookie_secure=True)
    assert settings(api_domain=origin, cookie_secure=False).api_domain == origin
    assert problems(website_domain=origin)
    assert repr(origin) in only_problem(trusted_origins=[API, origin])


def test_the_origins_are_those_of_the_api_the_pages_and_the_trusted():
    assert settings().origins == {API}
    assert settings().website_origin == API
    many = settings(website_domain="https://www.example.com", trusted_origins=["https://b.example"])
    assert many.website_origin == "https://www.example.com"
    assert many.origins == {API, "https://www.example.com", "https://b.example"}


# ---------------------------------------------------------------------------------------------------- names, stores


@pytest.mark.parametrize("key", ["app_id", "tenant_id"])
def test_ids_are_short_and_plain(key):
    for good in ("a", "0", "my-app", "x" * 64):
        assert getattr(settings(**{key: good}), key) == good
    for bad in ("", "x" * 65, "My", "a_b", "a b", "a\n", "é", 1, None):
        assert only_problem(**{key: bad}).startswith(f"'{key}' must be ")


def test_the_scope_is_app_and_tenant():
    assert settings(app_id="shop", tenant_id="north").scope == Scope("shop", "north")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("memory:", None),
        ("sqlite:///reseal.db", Path("reseal.db")),
        ("sqlite:///data/a b.db", Path("data/a b.db")),
        ("sqlite:////var/lib/reseal.db", Path("/var/lib/reseal.db")),
    ],
)
def test_the_store_is_a_file_or_memory(uri, path):
    assert settings(database_uri=uri).database_path == path


@pytest.mark.parametrize(
    "uri",
    [
        "", "memory", "sqlite:", "sqlite:///", "sqlite:////", "sqlite:///data/", "sqlite://host/x.db", "reseal.db",
        "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "sqlite:///x\0.db", "sqlite:///x.db\n", 5, None,
    ],
)  # fmt: skip
def test_another_store_is_refused(uri):
    assert only_problem(database_uri=uri).startswith("'database_uri' must ")


def test_the_problem_of_another_store_names_what_is_supported_and_shows_no_password():
    problem = only_problem(database_uri="oracle://me:hunter2@db/x")
    assert "sqlite:///" in problem
    assert "postgresql://" in problem
    assert "memory:" in problem
    assert "got the scheme oracle:" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://",
        "postgresql://localhost",
        "postgres://me@db/x",
        "postgresql://me:hunter2@db/x",
        "postgresql://me:hunter2@db1:5432,db2:5433/x?sslmode=verify-full&target_session_attrs=read-write",
        "postgresql://me:%40%3A%2F@[2001:db8::1]:5432/x",
        "postgresql:///x?host=/var/run/postgresql",
    ],
)
def test_the_store_is_postgresql_and_its_address_a_secret(uri):
    accepted = settings(database_uri=uri)
    assert accepted.server_uri.reveal() == uri.encode()
    assert accepted.database_path is None
    assert "hunter2" not in f"{accepted!r} {accepted} {accepted.server_uri}"
    assert dataclasses.replace(accepted, tenant_id="other").server_uri == accepted.server_uri


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql:/db", "postgresql://me:hun@ter2@db/x", "postgresql://me:hun/ter2@db/x", "postgresql://db:port/x",
        "postgresql://db/x#y", "postgresql://db/x y", "postgresql://me:hun#ter2@db/x", "postgresql://db/x\n",
    ],
)  # fmt: skip
def test_an_address_that_would_be_misread_is_refused_and_not_shown(uri):
    problem = only_problem(database_uri=uri)
    assert problem.startswith("'database_uri' must ")
    assert "ter2" not in problem
    assert "hun" not in problem


def test_what_precedes_an_at_sign_is_not_shown():
    assert "hunter2" not in only_problem(api_domain="https://me:hunter2@api.example.com")


# ---------------------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("key", "good", "bad", "text"),
    [
        (
            "access_token_validity",
            [1, 3600, 86_400_000],
            [0, -1, 86_400_001, 10**400, -(10**400)],
            "'access_token_validity' must be between 1 and 86400000 seconds inclusive. (got ",
        ),
        (
            "access_token_dynamic_signing_key_update_interval",
            [1, 1.5, 168],
            [0, 0.99, -1, float("nan"), float("inf"), 10**400],
            "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 hour. (got ",
        ),
        (
            "session_expired_status_code",
            [400, 401, 440, 599],
            [399, 600, 0, -401],
            "'session_expired_status_code' must be a value between 400 and 599, inclusive (got ",
        ),
        (
            "session_expired_status_code",
            [402, 404, 502, 504],
            [403, 503],
            "'session_expired_status_code' must differ from 403 and 503 (got ",
        ),
        (
            "refresh_token_rotation_grace_period",
            [0, 0.5, 30, 300],
            [-1, 300.1, float("nan"), 10**400, -(10**400)],
            "'refresh_token_rotation_grace_period' must be between 0 and 300 seconds inclusive. (got ",
        ),
        ("lost_response_window", [None, 0, 86400], [-1, float("inf"), 1e300], "'lost_response_window' must be between"),
        (
            "client_details",
            ["full", "truncated", "no_address", "none"],
            ["Full", "off", False, None],
            "'client_details' must be full, truncated, no_address or none (got ",
        ),
        ("rollback", ["adopt", "refuse"], ["ADOPT", "", None, True], "'rollback' must be adopt or refuse (got "),
        (
            "refresh_token_validity",
            [60.1, 144_000, 52_560_000],
            [52_560_001, float("inf"), float("nan"), 1e300, 10**400, -(10**400)],
            "'refresh_token_validity' must be at most",
        ),
        (
            "refresh_token_validity",
            [61],
            [60, 60.0000001, 1, 0, -1],
            "'refresh_token_validity' must be strictly greater than 'access_token_validity'. (got ",
        ),
        (
            "session_absolute_timeout",
            [None, 61, 200, 52_560_000],
            [60, 1, 0, -1],
            "'session_absolute_timeout' must be longer than 'access_token_validity' (got ",
        ),
        (
            "cookie_same_site",
            ["strict", "lax"],
            ["Lax", "", "no"],
            '\'cookie_same_site\' must be either "none", "strict" or "lax" (got ',
        ),
        (
            "token_transfer_method",
            ["any", "cookie", "header"],
            ["Header", "headers", "", None, True],
            "'token_transfer_method' must be any, cookie or header (got ",
        ),
        ("rotation_policy", ["graceful", "classic"], ["Classic", "strict", None, 1], "'rotation_policy' must be "),
        ("access_token_signing_algorithm", ["ES256", "RS256", "EdDSA"], ["RS1", 5, None], "'access_token_signing"),
    ],
)
def test_a_range_ends_where_it_says(key, good, bad, text):
    long_enough = {"refresh_token_validity": 1_500_000} if key == "access_token_validity" else {}
    for value in good:
        assert getattr(settings(**long_enough | {key: value}), key) == value
    for value in bad:
        assert only_problem(**long_enough | {key: value}).startswith(text)


@pytest.mark.parametrize(
    "key", [k.name for k in dataclasses.fields(Settings) if k.init and k.type.startswith(("int", "float"))]
)
@pytest.mark.parametrize("value", [True, "60", [60], b"60", 60j])
def test_only_a_number_is_a_number(key, value):
    assert problems(**{key: value})[0].startswith(f"'{key}' must be a ")


@pytest.mark.parametrize("key", ["enable_anti_csrf", "cookie_secure", "access_token_signing_key_dynamic"])
@pytest.mark.parametrize("value", [0, 1, "true", "", []])
def test_only_a_boolean_is_a_boolean(key, value):
    assert only_problem(**{key: value}).startswith(f"'{key}' must be true or false")


def test_a_whole_number_is_not_a_decimal_one():
    assert only_problem(access_token_validity=3600.0).startswith("'access_token_validity' must be a whole number")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("HS256", "shared secret"),
        ("hs512", "shared secret"),
        ("none", "unsigned"),
        ("NoNe", "unsigned"),
        ("es256", "write ES256"),
        ("EDDSA", "write EdDSA"),
        ("ES192", "128 bits"),
    ],
)
def test_an_algorithm_is_refused_with_its_reason(name, reason):
    assert reason in only_problem(access_token_signing_algorithm=name)


@pytest.mark.parametrize("key", ["issuer", "audience"])
def test_issuer_and_audience_are_the_api_unless_given(key):
    assert getattr(settings(), f"token_{key}") == API
    assert getattr(settings(**{key: "https://id.example/"}), f"token_{key}") == "https://id.example/"
    for bad in ("", " ", "a b", "a\n", "é", "x" * 256, 5):
        assert only_problem(**{key: bad}).startswith(f"'{key}' must be ")


# ---------------------------------------------------------------------------------------------------- cookies


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("example.com", "example.com"),
        (".example.com", ".example.com"),
        (" .Example.COM ", ".example.com"),
        ("https://api.example.com:8443/path?q", "api.example.com"),
        ("api.example.com", "api.example.com"),
    ],
)
def test_a_cookie_domain_is_normalised(written, normal):
    assert settings(cookie_domain=written).cookie_domain == normal


@pytest.mark.parametrize(
    "written",
    ["", ".", "com", ".com", "localhost", "example.org", "www.example.com", "ample.com", "..example.com", "a;b.com",
     "127.0.0.1", "me@example.com", "é.example.com", "[::1]", 5],
)  # fmt: skip
def test_a_cookie_domain_covers_the_api(written):
    assert only_problem(cookie_domain=written).startswith("'cookie_domain' must be ")


def test_localhost_and_addresses_are_cookie_domains_of_themselves():
    assert settings(api_domain="http://localhost:8000", cookie_domain=".localhost").cookie_domain == "localhost"
    assert settings(api_domain="http://app.localhost", cookie_domain="localhost").cookie_domain == "localhost"
    assert settings(api_domain="http://127.0.0.1", cookie_domain=".127.0.0.1:80").cookie_domain == "127.0.0.1"
    assert problems(api_domain="http://127.0.0.1", cookie_domain="0.0.1")


@pytest.mark.parametrize(
    ("values", "access", "refresh"),
    [
        ({}, "__Host-sAccessToken", "__Secure-sRefreshToken"),
        ({"cookie_domain": "example.com"}, "__Secure-sAccessToken", "__Secure-sRefreshToken"),
        (
            {"access_token_path": "/app", "signout_api_path": "/app/signout"},
            "__Secure-sAccessToken",
            "__Secure-sRefreshToken",
        ),
        ({"cookie_secure": False}, "sAccessToken", "sRefreshToken"),
        ({"api_domain": "http://localhost:8000"}, "sAccessToken", "sRefreshToken"),
        ({"api_domain": "http://localhost", "cookie_secure": True}, "__Host-sAccessToken", "__Secure-sRefreshToken"),
    ],
)
def test_a_cookie_has_the_strongest_prefix_it_can_keep(values, access, refresh):
    value = settings(**values)
    assert (value.access_cookie_name, value.refresh_cookie_name) == (access, refresh)
    assert value.secure_cookies is access.startswith("__")


def test_cross_site_cookies_need_anti_csrf_and_secure():
    anti_csrf = "please set 'enable_anti_csrf' to true if 'cookie_same_site' is set to 'none' (got "
    assert only_problem(cookie_same_site="none").startswith(anti_csrf)
    insecure = {"cookie_same_site": "none", "cookie_secure": False, "enable_anti_csrf": True}
    assert only_problem(**insecure).startswith("'cookie_same_site' none needs secure cookies")
    assert problems(**insecure | {"api_domain": "http://localhost", "cookie_secure": None})
    assert settings(cookie_same_site="none", enable_anti_csrf=True).cookie_same_site == "none"


def test_partitioned_cookies_need_those_of_other_sites():
    assert only_problem(cookie_partitioned=True).startswith(
        "'cookie_partitioned' needs cookies that are sent to frames"
    )
    assert settings(cookie_same_site="none", enable_anti_csrf=True, cookie_partitioned=True).cookie_partitioned


@pytest.mark.parametrize("key", ["access_token_path", "refresh_api_path", "signout_api_path"])
@pytest.mark.parametrize(
    "bad",
    ["", "x", "x/y", "/x/", "//", "//x", "/x//y", "/..", "/x/../y", "/./x", "/.", "/x?y", "/x#y", "/x;y", "/x y",
     "/x\n", "/x\0", "/x\\y", "/%2e%2e", "/é", "/" + "x" * 1024, 5, None],
)  # fmt: skip
def test_a_path_that_two_readers_could_read_differently_is_refused(key, bad):
    assert only_problem(**{key: bad}).startswith(f"'{key}' must be ")


@pytest.mark.parametrize("signout", ["/signout", "/", "/application", "/ap"])
def test_the_access_cookie_must_reach_the_sign_out_endpoint(signout):
    why = only_problem(access_token_path="/app", signout_api_path=signout)
    assert why.startswith("'signout_api_path' must lie under 'access_token_path' (got ")


def test_plain_paths_are_kept():
    for good in ("/a", "/a/b.c/d-e_f~g", "/..a", "/a.."):
        assert settings(refresh_api_path=good).refresh_api_path == good


def test_the_refresh_token_has_a_path_of_its_own():
    assert only_problem(refresh_api_path="/").startswith("'refresh_api_path' must not be '/'")
    assert only_problem(refresh_api_path="/x", signout_api_path="/x").startswith("'refresh_api_path' must differ")


# ---------------------------------------------------------------------------------------------------- derived


def test_lifetimes_are_told_in_milliseconds():
    value = settings(access_token_validity=90, refresh_token_validity=2.5, session_absolute_timeout=10)
    assert (value.access_token_ms, value.idle_ms, value.absolute_ms) == (90_000, 150_000, 600_000)
    assert settings().absolute_ms is None
    assert settings().key_interval_ms == 168 * 3_600_000
    assert settings(access_token_signing_key_dynamic=False).key_interval_ms is None


def test_the_graceful_policy_forgives_races_and_lost_responses():
    week = 7 * 86_400_000
    assert settings().policy == Policy(30_000, week, TheftResponse.REVOKE_SESSION, False, Rollback.ADOPT)
    custom = settings(
        refresh_token_rotation_grace_period=0.5, lost_response_window=0, theft_response="report", rollback="refuse"
    )
    assert custom.policy == Policy(500, 0, TheftResponse.REPORT, False, Rollback.REFUSE)


def test_nobody_waits_for_a_lost_response_longer_than_the_session_idles():
    assert settings(refresh_token_validity=61).policy.lost_response_window == 61 * 60_000


def test_the_classic_policy_reports():
    assert settings(rotation_policy="classic").policy == Policy(
        30_000, None, TheftResponse.REPORT, confirm_by_verify=True
    )
    strict = settings(rotation_policy="classic", theft_response=TheftResponse.REVOKE_USER)
    assert strict.policy.theft_response is TheftResponse.REVOKE_USER


def test_a_theft_response_is_one_of_three_words():
    assert settings(theft_response="revoke_user").theft_response is TheftResponse.REVOKE_USER
    for bad in ("", "Report", "ignore", 1, []):
        assert only_problem(theft_response=bad).startswith("'theft_response' must be one of")


# ---------------------------------------------------------------------------------------------------- the value


def test_settings_are_a_value():
    assert settings() == settings(api_domain=f"{API}:443/")
    assert hash(settings()) == hash(settings())
    assert pickle.loads(pickle.dumps(settings())) == settings()
    assert pickle.loads(pickle.dumps(settings())).policy == settings().policy
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings().app_id = "other"


def test_replacing_a_key_derives_everything_anew():
    value = settings(trusted_origins=["https://b.example"], secret_key=CANARY)
    other = dataclasses.replace(value, api_domain="http://localhost:8000", access_token_validity=60)
    assert other.origins == {"http://localhost:8000", "https://b.example"}
    assert (other.token_issuer, other.access_token_ms) == ("http://localhost:8000", 60_000)
    assert other.access_cookie_name == "sAccessToken"
    assert dataclasses.replace(other, api_domain=API, access_token_validity=3600) == value
    with pytest.raises(ConfigurationError):
        dataclasses.replace(value, access_token_validity=0)


def test_all_problems_are_told_at_once():
    texts = problems(
        api_domain="x", app_id="", access_token_validity=0, cookie_same_site="none", refresh_api_path="/", issuer=5
    )
    assert [text.split("'")[1] for text in texts] == [
        "api_domain", "app_id", "access_token_validity", "issuer", "refresh_api_path", "enable_anti_csrf",
    ]  # fmt: skip


def test_the_error_shows_each_problem_on_its_line():
    with pytest.raises(ConfigurationError) as caught:
        settings(app_id="", tenant_id="")
    assert str(caught.value).splitlines()[0] == "The configuration has 2 problems:"
    assert len(str(caught.value).splitlines()) == 3


# ---------------------------------------------------------------------------------------------------- the secret


def test_a_secret_given_as_text_is_held_as_a_secret():
    assert settings(secret_key=CANARY).secret_key == Secret(CANARY)
    assert settings(secret_key=Secret(CANARY)).secret_key.reveal() == CANARY.encode()
    assert settings(secret_key="abcdefgh12345678ijklmnop90QRSTUV").secret_key is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 32, "fewer than 6 different characters"),
        ("abababababababababababababababababab", "fewer than 6 different characters"),
        ("abc123!" * 6, "repeats a few characters"),
        ("change-me-change-me-please-change-me", "placeholder"),
        ("your-super-secret-key-here-1234567890", "placeholder"),
        ("django-insecure-replace-this-secret-key", "placeholder"),
    ],
)
def test_a_secret_that_anybody_would_try_first_is_refused_by_name(text, why):
    for name in ("secret_key", "accepted_secret_keys"):
        with pytest.raises(ConfigurationError, match=f"'{name}' .*{why}") as caught:
            settings(**{name: text})
        assert text not in str(caught.value)


def test_chance_is_never_taken_for_a_placeholder_nor_for_weak():
    chance = random.Random(7)
    for _ in range(200):
        raw = chance.randbytes(48)
        for text in (raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
            assert guessable.obvious(text) is None
            assert guessable.weakness(text) is None


@pytest.mark.parametrize(
    "several", [f"{CANARY}\n{CANARY[::-1]}\n", [CANARY, CANARY[::-1]], Secret(f"{CANARY}\n{CANARY[::-1]}")]
)
def test_accepted_secrets_are_one_a_line_or_a_list(several):
    assert settings(accepted_secret_keys=several).accepted_secret_keys == Secret(f"{CANARY}\n{CANARY[::-1]}")


@pytest.mark.parametrize("bad", ["", "x" * 31, Secret("x" * 31), 5, CANARY.encode(), [CANARY], {CANARY: CANARY}])
def test_a_bad_secret_is_refused_and_never_shown(bad):
    with pytest.raises(ConfigurationError) as caught:
        settings(secret_key=bad)
    told = "".join(traceback.format_exception(caught.value))
    assert "'secret_key' must " in told
    assert "x" * 31 not in told


def test_the_secret_shows_up_nowhere():
    value = settings(secret_key=CANARY)
    for shown in (repr(value), str(value), f"{value}", repr(dataclasses.asdict(value)), repr(copy.deepcopy(value))):
        assert CANARY not in shown
        assert "Secret(***)" in shown
    with pytest.raises(TypeError) as caught:
        pickle.dumps(value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    for text in problems(secret_key=CANARY, app_id="", access_token_validity=0):
        assert CANARY not in text


# ---------------------------------------------------------------------------------------------------- hostile input

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(max_size=8)
    | st.integers().map(lambda n: n * 10**4400) | st.just("\ud800" * 40) | st.just(float("nan"))
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
names = st.sampled_from([*KEYS, "access_token_signing_key_update_interval", "port"]) | st.text() | scalars


@example_settings(deadline=None)
@given(st.dictionaries(names, values, max_size=12) | values)
def test_a_hostile_mapping_is_refused_in_order_or_accepted(mapping):
    try:
        Settings.from_mapping(mapping, source="hostile")
    except ConfigurationError as error:
        told = error.problems
    else:
        return
    assert told
    assert all(len(text) < 4000 for text in told)


@example_settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, values)))
def test_no_value_of_a_key_raises_anything_else(mapping):
    try:
        value = Settings.from_mapping({"api_domain": API} | mapping, source="hostile")
    except ConfigurationError:
        return
    assert dataclasses.replace(value) == value
