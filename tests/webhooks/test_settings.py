"""The endpoints in a configuration: every fault is reported at once, and no secret with it."""

import dataclasses
import json

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.core.syslog import SyslogEndpoint
from reseal.core.webhooks import USUAL_TYPES
from reseal.server.config import ServiceSettings
from reseal.settings import Settings
from tests.support.certificates import Authority
from tests.webhooks import signals
from tests.webhooks.material import SECRET, endpoint

OTHER = "whsec_" + "QUFB" * 8
CRM = {"name": "crm", "url": "https://crm.example.com/hooks", "secrets": [SECRET]}
DOMAIN = {"api_domain": "https://api.example.com"}


def problems(*entries, outbox="security", form=Settings):
    with pytest.raises(ConfigurationError) as refused:
        load(*entries, outbox=outbox, form=form)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def load(*entries, outbox="security", form=Settings):
    own = DOMAIN if form is Settings else {}
    return form.from_mapping({"webhooks": list(entries), "event_outbox": outbox} | own, source="test").webhooks


@pytest.mark.parametrize("form", [Settings, ServiceSettings])
def test_an_endpoint_needs_name_url_and_secrets(form):
    assert load(CRM, form=form) == (endpoint(),)
    assert load(form=form) == ()
    assert load(CRM)[0].types == USUAL_TYPES


def test_an_endpoint_may_have_more():
    more = {"events": ["session.theft_detected"], "timeout": 5, "allow_private_addresses": True}
    [found] = load(CRM | more | {"url": "http://10.0.0.1:8080/x?y=z", "secrets": OTHER})
    assert found.types == ("session.theft_detected",)
    assert (found.timeout, found.allow_private_addresses, found.secrets) == (5, True, (Secret(OTHER),))
    assert found.url == "http://10.0.0.1:8080/x?y=z"


def test_secrets_may_be_in_a_file_one_a_line(tmp_path):
    (tmp_path / "secrets").write_text(f"{SECRET}\n\n{OTHER}\n")
    entry = {"name": "crm", "url": CRM["url"], "secrets_file": str(tmp_path / "secrets")}
    assert load(entry)[0].secrets == (Secret(SECRET), Secret(OTHER))


def test_yaml_and_variables_say_the_same(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "api_domain: https://api.example.com\nevent_outbox: security\nwebhooks:\n"
        f"  - name: crm\n    url: https://crm.example.com/hooks\n    secrets: [{SECRET}]\n"
    )
    variables = {
        "RESEAL_API_DOMAIN": "https://api.example.com",
        "RESEAL_EVENT_OUTBOX": "security",
        "RESEAL_WEBHOOKS": json.dumps([CRM]),
    }
    assert Settings.from_yaml(path) == Settings.from_env(variables)


def test_settings_can_be_made_in_code_and_are_checked_too():
    settings = Settings(**DOMAIN, event_outbox="security", webhooks=(endpoint(),))
    assert settings.webhooks == (endpoint(),)
    assert SECRET not in repr(settings)
    with pytest.raises(ConfigurationError, match="'url' must be an address"):
        Settings(**DOMAIN, event_outbox="security", webhooks=(endpoint(url="ftp://x"),))


def test_every_fault_of_every_endpoint_is_reported_at_once():
    text = problems(
        CRM | {"url": "http://crm.example.com", "timeout": 31, "evnts": []},
        {"name": "Billing", "secrets": ["whsec_short"], "events": ["session.ended"]},
        "mail",
        CRM,
        CRM,
        {"name": "both", "url": CRM["url"], "secrets": [SECRET], "secrets_file": "/nowhere"},
        {"name": "none", "url": CRM["url"]},
    )
    for part in (
        "'crm': 'evnts' is not a known key",
        "'crm': 'timeout' must be between 1 and 30 seconds",
        "'crm': 'url' must be https",
        "'Billing': 'name' must be 1 to 64 characters",
        "'Billing': 'url' is missing",
        "'Billing': 'secrets' has an entry that is not whsec_ with base64",
        "'Billing': 'events' must be a list of types of messages: choose of session.created",
        "'mail' is no endpoint",
        "crm: another endpoint has this name",
        "'both': 'secrets_file' cannot be read",
        "'both': either 'secrets' or 'secrets_file' is needed",
        "'none': either 'secrets' or 'secrets_file' is needed",
    ):
        assert part in text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x", "https://", "https:///x", "https://user:pw@host/", "https://host/#part", "https://host:port/",
        "https://host:0/", "https://1.2.3.999/", "https://1.2.3/", "https://[1:2]/", "https://a%zz/", "https://-\N{LATIN SMALL LETTER E WITH ACUTE}/", "https://host:70000/", "https://ho st/", "https://[::1/", "//host/", 7, None,
    ],
)  # fmt: skip
def test_urls_that_cannot_be_used(url):
    text = problems(CRM | {"url": url})
    assert "'url' must be an address that messages can be sent to" in text
    assert "pw" not in text


@pytest.mark.parametrize(
    "url",
    [
        "https://host", "https://host:8443?x", "https://h.example.com/a%20b?c=@d", "https://1.2.3.4/", "https://[2001:db8::1]:1/",
        "https://xn--bcher-kva.example/", "https://a_b/", "https://host/\"'<>{}|",
    ],
)  # fmt: skip
def test_urls_that_can_be_used_can_be_sent_to(url):
    [found] = load(CRM | {"url": url})
    assert httpx.URL(found.url).host


@pytest.mark.parametrize("secrets", [[], 7, [7], None, "", "whpk_" + "QUFB" * 11, [SECRET, "x"]])
def test_secrets_that_cannot_be_used(secrets):
    assert "'secrets' " in problems(CRM | {"secrets": secrets})


@pytest.mark.parametrize("given", ["nonsense", "[" * 100_000, {"crm": CRM}, 7])
def test_endpoints_are_a_list(given):
    with pytest.raises(ConfigurationError, match="'webhooks' must be"):
        Settings.from_mapping(DOMAIN | {"event_outbox": "security", "webhooks": given}, source="test")


@pytest.mark.parametrize("form", [Settings, ServiceSettings])
def test_the_outbox_has_to_keep_what_is_sent(form):
    need = "'webhooks' needs an 'event_outbox' that keeps the events which are sent"
    assert f"{need} (got webhooks 'crm'" in problems(CRM, outbox="off", form=form)
    assert "event_outbox 'security'" in problems(CRM | {"events": ["session.created"]}, form=form)
    assert load(CRM | {"events": ["session.created"]}, outbox="all", form=form)


# -- Shared Signals -------------------------------------------------------------------------------------------------

IDP = {
    "name": "idp",
    "format": "caep",
    "url": "https://receiver.example.net/events",
    "issuer": "https://auth.example.com",
}
IDP |= {"audience": "https://receiver.example.net", "signing_keys": signals.key(), "authorization": "Bearer canary"}


@pytest.mark.parametrize("form", [Settings, ServiceSettings])
def test_an_endpoint_of_shared_signals_has_an_issuer_an_audience_and_keys(form):
    [found] = load(IDP, form=form)
    expected = signals.receiver_at(IDP["url"], authorization=Secret("Bearer canary"), timeout=15)
    assert found == dataclasses.replace(expected, allow_private_addresses=False, signing_keys=found.signing_keys)
    assert found.types == ("session-revoked", "risk-level-change", "session-established")
    assert "canary" not in repr(found)
    assert "PRIVATE" not in repr(found)
    assert Settings(**DOMAIN, event_outbox="security", webhooks=(found,)).webhooks == (found,)


def test_keys_and_the_header_may_be_in_files(tmp_path):
    (tmp_path / "keys").write_text(f"# new\n{signals.key(1)}\n# old\n{signals.key()}")
    (tmp_path / "header").write_text("Bearer canary\n")
    entry = {key: value for key, value in IDP.items() if key not in {"signing_keys", "authorization"}}
    [found] = load(
        entry | {"signing_keys_file": str(tmp_path / "keys"), "authorization_file": str(tmp_path / "header")}
    )
    assert [each.reveal().decode() + "\n" for each in found.signing_keys] == [signals.key(1), signals.key()]
    assert found.authorization == Secret("Bearer canary")


def test_every_fault_of_an_endpoint_of_shared_signals_is_reported():
    text = problems(
        IDP | {"issuer": "http://auth.example.com", "audience": "", "subject": "email", "secrets": [SECRET]},
        {"name": "bare", "format": "caep", "url": IDP["url"]},
        IDP | {"name": "events", "events": ["session.revoked"], "authorization_file": "/nowhere"},
        {"name": "other", "format": "ocsf", "url": IDP["url"]},
        IDP | {"name": "slash", "issuer": "https://auth.example.com/"},
    )
    for part in (
        "'idp': 'secrets' is not a known key",
        "'idp': 'issuer' must be an https address",
        "'idp': 'audience' must be 1 to 255",
        "'idp': 'subject' must be complex or iss_sub",
        "'bare': 'issuer' is missing",
        "'bare': 'audience' is missing",
        "'bare': either 'signing_keys' or 'signing_keys_file' is needed: make one with: openssl genpkey",
        "'events': 'events' must be a list of types of messages: choose of session-revoked, risk-level-change",
        "'events': either 'authorization' or 'authorization_file' is needed",
        "'other': 'format' must be one of webhook, caep, syslog",
        "'slash': 'issuer' must be an https address: write it like https://auth.example.com",
    ):
        assert part in text, part


def encrypted():
    private = rsa.generate_private_key(65537, 2048)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")).decode()


def elliptic():
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    )


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: signals.key(9, 1024), "has a key that is no RSA key of at least 2048 bits"),
        (elliptic, "has a key that is no RSA key of at least 2048 bits"),
        (encrypted, "has a key that is encrypted"),
        (
            lambda: "-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----",
            "has a key that is no private key in PEM",
        ),
        (lambda: "", "must have a private key in PEM"),
        (lambda: SECRET, "must have a private key in PEM"),
        (lambda: 7, "must be text in PEM"),
        (lambda: [signals.key(), 7], "must be text in PEM"),
    ],
)
def test_keys_that_cannot_sign(made, why):
    assert f"'signing_keys' {why}" in problems(IDP | {"signing_keys": made()})


@pytest.mark.parametrize("value", ["", "a\nb", "\N{EURO SIGN}", 7, "x" * 9000])
def test_headers_that_cannot_be_sent(value):
    assert "'authorization' must be" in problems(IDP | {"authorization": value})


def test_the_end_of_sessions_is_kept_in_either_outbox_and_their_begin_in_one():
    assert load(IDP | {"events": ["session-revoked", "risk-level-change"]})
    assert "event_outbox 'security'" in problems(IDP | {"events": ["session-established"]})


# -- syslog ---------------------------------------------------------------------------------------------------------

SIEM = {"name": "siem", "format": "syslog", "url": "tcp://logs.example.com:6514"}


@pytest.mark.parametrize("form", [Settings, ServiceSettings])
def test_a_syslog_server_needs_an_address_alone(form):
    [found] = load(SIEM, form=form)
    assert found == SyslogEndpoint(name="siem", url=SIEM["url"])
    assert found.types == USUAL_TYPES
    assert (found.allow_private_addresses, found.client_addresses) == (True, False)
    assert Settings(**DOMAIN, event_outbox="security", webhooks=(found,)).webhooks == (found,)


def test_a_syslog_server_may_have_more(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("reseal")
    (tmp_path / "own").write_bytes(certificate.read_bytes() + key.read_bytes())
    more = {"facility": "local3", "framing": "lines", "app_name": "shop", "structured_data_id": "sessions@99.1"}
    more |= {"client_addresses": True, "authority_file": str(authority.file), "certificate_file": str(tmp_path / "own")}
    [found] = load(SIEM | more | {"url": "tls://[2001:db8::1]", "events": ["session.theft_detected"]})
    assert {key: getattr(found, key) for key in more} == more
    assert found.types == ("session.theft_detected",)


@pytest.mark.parametrize(
    "url", ["udp://h", "tcp://1.2.3.4:514", "tls://logs.example.com", "unix:///dev/log", "udp://[::1]:1"]
)
def test_addresses_of_syslog_servers(url):
    assert load(SIEM | {"url": url})[0].url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://h",
        "tcp://",
        "tcp://h:0",
        "tcp://h:70000",
        "tcp://u@h",
        "unix://log",
        "unix:///a b",
        "tls://h/x",
        7,
        None,
    ],
)
def test_addresses_that_are_of_no_syslog_server(url):
    assert "'url' must be the address of a syslog server" in problems(SIEM | {"url": url})


def test_every_fault_of_a_syslog_server_is_reported(tmp_path):
    (tmp_path / "empty").touch()
    empty = str(tmp_path / "empty")
    text = problems(
        SIEM
        | {
            "facility": "kern",
            "framing": "nul",
            "app_name": "a b",
            "structured_data_id": "reseal",
            "client_addresses": 1,
        },
        SIEM | {"name": "files", "authority_file": empty, "certificate_file": empty},
        SIEM | {"name": "gone", "authority_file": "/nowhere", "certificate_file": 7},
        SIEM | {"name": "secret", "secrets": [SECRET]},
    )
    for part in (
        "'siem': 'facility' must be one of user, daemon, auth",
        "'siem': 'framing' must be octets or lines",
        "'siem': 'app_name' must be 1 to 48",
        "'siem': 'structured_data_id' must be a name, an @",
        "'siem': 'client_addresses' must be true or false",
        "'files': 'authority_file' has no certificate in PEM",
        "'files': 'certificate_file' has no certificate with its key in PEM",
        "'gone': 'authority_file' cannot be read",
        "'gone': 'certificate_file' must be text",
        "'secret': 'secrets' is not a known key",
    ):
        assert part in text, part
