"""The rules of the service's own keys, and the rules between keys (core interface, sections 6.1 to 6.3)."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final

from reseal.cdi.keys import ALGORITHMS
from reseal.cdi.versions import Bounds
from reseal.core.model import TheftResponse
from reseal.settings import rules
from reseal.settings.checks import CROSS_RULES, CrossRule, outlasts
from reseal.settings.problems import InvalidValueError
from reseal.settings.rules import SERVER_SCHEMES, Rule

LOG_LEVELS: Final = ("NONE", "DEBUG", "INFO", "WARN", "ERROR")
REUSE: Final = ("TOKEN_THEFT", "UNAUTHORISED")
INTERVAL: Final = "access_token_dynamic_signing_key_update_interval"

_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,253}", re.ASCII)
_BASE_PATH: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", re.ASCII)
PORT_MAX: Final = 65535


def is_loopback(host: str) -> bool:
    """Return whether a host, as configured, is reachable from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in {"localhost", "localhost."}


def host(value: object) -> str:
    text = rules.as_text(value).strip().removeprefix("[").removesuffix("]")
    if not _HOST.fullmatch(text):
        raise InvalidValueError("must be a host name or an IP address", "write it like 127.0.0.1, ::1 or localhost")
    return text


def base_path(value: object) -> str:
    text = "" if value is None else rules.as_text(value).strip()
    if not _BASE_PATH.fullmatch(text):
        raise InvalidValueError("Invalid characters in base_path config", "write it like /auth", whole=True)
    steps = [step for step in text.split("/") if step]
    if any(step in {".", ".."} for step in steps):
        raise InvalidValueError("Invalid characters in base_path config", "leave out . and ..", whole=True)
    return "".join(f"/{step}" for step in steps)


def address_pattern(key: str) -> Rule:
    def rule(value: object) -> str | None:
        text = "" if value is None else rules.as_text(value)
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError):
            why = f"Provided regular expression is invalid for {key} config"
            raise InvalidValueError(why, r"write it like 127\.\d+\.\d+\.\d+|::1", whole=True) from None
        return text or None

    return rule


def log_level(value: object) -> str:
    level = value.strip().upper() if isinstance(value, str) else ""
    if level not in LOG_LEVELS:
        raise InvalidValueError('config must be one of "NONE","DEBUG", "INFO", "WARN" or "ERROR".', "INFO suits")
    return level


def reuse(value: object) -> str:
    if isinstance(value, str) and value in REUSE:
        return value
    why = f"recent_token_reuse_behaviour property is not set correctly. It must be one of [{', '.join(REUSE)}]"
    raise InvalidValueError(why, "TOKEN_THEFT suits", whole=True)


def algorithm(value: object) -> str:
    if value not in ALGORITHMS:
        raise InvalidValueError(
            "must be ES256 or RS256, which every SDK that reads the public keys can verify", "RS256 suits"
        )
    return str(value)


def bounds(value: object) -> Bounds:
    if not isinstance(value, Bounds):
        raise InvalidValueError("must be Bounds", "use supertokens_min_cdi_version and supertokens_max_cdi_version")
    return value


def file(value: object) -> str:
    text = rules.as_text(value)
    try:
        Path(text).open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a possible path"
        raise InvalidValueError(f"cannot be read ({why})", "name a readable file") from None
    return str(Path(text).absolute())


def positive(high: float, why: str, advice: str) -> Rule:
    amount = rules.amount(0, high, why, advice)

    def rule(value: object) -> object:
        number = amount(value)
        if number == 0:
            raise InvalidValueError(why, advice)
        return number

    return rule


SERVICE_CROSS_RULES: Final = (
    *(rule for rule in CROSS_RULES if {"enable_anti_csrf", "webhooks", "audit"} & {*rule.keys}),
    CrossRule(
        ("refresh_token_validity", "access_token_validity", "test_mode"),
        lambda minutes, seconds, test_mode: test_mode or outlasts(minutes, seconds),
        "'refresh_token_validity' must be strictly greater than 'access_token_validity'.",
        "the first counts minutes, the second seconds",
    ),
    CrossRule(
        ("session_absolute_timeout", "access_token_validity", "test_mode"),
        lambda minutes, seconds, test_mode: test_mode or outlasts(minutes, seconds),
        "'session_absolute_timeout' must be longer than 'access_token_validity'",
        "the first counts minutes, the second seconds",
    ),
    CrossRule(
        (INTERVAL, "test_mode"),
        lambda hours, test_mode: test_mode or hours >= 1,
        f"'{INTERVAL}' must be greater than, equal to 1 hour.",
        "168 is one week",
    ),
    CrossRule(
        ("host", "api_keys", "api_keys_file", "allow_open_access"),
        lambda host, keys, file, open_access: bool(keys or file) or open_access or is_loopback(host),
        "'host' must be a loopback address as long as there are no 'api_keys': anybody who reaches the port can create "
        "sessions for any user",
        "set api_keys (make one with: openssl rand -hex 32), use 127.0.0.1, or set allow_open_access: true where the "
        "network itself is closed",
    ),
    CrossRule(
        ("api_keys", "api_keys_file"),
        lambda keys, file: not (keys and file),
        "'api_keys' and 'api_keys_file' are both set",
        "keep one of them: a key that is removed from the file must not stay valid in the other place",
    ),
    CrossRule(
        ("tls_certificate_file", "tls_key_file"),
        lambda certificate, key: (certificate is None) == (key is None),
        "'tls_certificate_file' and 'tls_key_file' belong together",
        "name both files, or neither",
    ),
    CrossRule(
        ("tls_client_ca_file", "tls_certificate_file"),
        lambda authorities, certificate: authorities is None or certificate is not None,
        "'tls_client_ca_file' needs 'tls_certificate_file'",
        "without TLS nobody shows a certificate",
    ),
    CrossRule(
        ("workers", "database_uri"),
        lambda workers, uri: workers == 1 or uri.startswith(SERVER_SCHEMES),
        "'workers' must be 1 with this store, because it has one writer",
        "use a store on a server for more: PostgreSQL, MariaDB, MySQL, Redis or Valkey",
    ),
    CrossRule(
        ("opentelemetry_logs", "opentelemetry"),
        lambda logs, traces: traces or not logs,
        "'opentelemetry_logs' needs 'opentelemetry'",
        "set opentelemetry: true",
    ),
    CrossRule(
        ("metrics_port", "port"),
        lambda metrics, port: metrics is None or metrics != port,
        "'metrics_port' must differ from 'port'",
        "remove it to serve /metrics on the same port, behind the API key",
    ),
)


theft_response: Final = rules.member(
    TheftResponse,
    "must be one of report, revoke_session, revoke_user",
    "hold and step_up are for callers of the native interface, which set them themselves",
    without=frozenset({TheftResponse.HOLD, TheftResponse.STEP_UP}),  # SDKs have no reply for a held session
)
