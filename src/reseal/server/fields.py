"""The table of the service's settings: its own keys, and those of ``SharedFields`` that differ here."""

from __future__ import annotations

from dataclasses import dataclass

from reseal.cdi.versions import Bounds
from reseal.core.model import Rollback, TheftResponse
from reseal.server import config_rules
from reseal.server.address import networks
from reseal.server.api_keys import ApiKey, api_keys
from reseal.server.config_rules import PORT_MAX
from reseal.server.live_keys import KeyFile, key_file
from reseal.settings import rules
from reseal.settings.fields import APP, Chapter, SharedFields, differently, key
from reseal.settings.origins import cookie_domain, path
from reseal.settings.problems import hidden
from reseal.settings.rules import amount, boolean, choice, of_text, optional, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFields(SharedFields):
    """The keys of the service."""

    host: str = key(
        "127.0.0.1",
        Chapter.NETWORK,
        config_rules.host,
        "Address to listen on. Without `api_keys`, only a loopback address is accepted.",
    )
    port: int = key(
        3567,
        Chapter.NETWORK,
        whole(0, PORT_MAX, "must be between 0 and 65535", "3567 is usual; 0 takes any free port"),
        "Port to listen on; 0 takes any free one.",
    )
    base_path: str = key(
        "", Chapter.NETWORK, config_rules.base_path, "Prefix of every request's path, like /auth; it is removed first."
    )
    workers: int = key(
        1,
        Chapter.NETWORK,
        whole(1, 64, "must be between 1 and 64", "one per processor core, with PostgreSQL"),
        "Number of worker processes: 1 to 64; more than 1 needs a database server.",
    )
    http: str = key(
        "strict",
        Chapter.NETWORK,
        choice(("strict", "uvicorn"), "must be strict or uvicorn"),
        "Which code speaks HTTP. strict: Reseal's own, with limits on heads, on the time that they take and on "
        "connections_per_address. uvicorn: uvicorn's, without those limits, for use behind a proxy that has them.",
    )
    tls_certificate_file: str | None = key(
        None,
        Chapter.NETWORK,
        optional(config_rules.file),
        "PEM file with the certificate and its chain; with it the service speaks TLS 1.2 and newer, and nothing else. "
        "Needs tls_key_file.",
    )
    tls_key_file: str | None = key(
        None,
        Chapter.NETWORK,
        optional(config_rules.file),
        "PEM file with the private key of tls_certificate_file, not encrypted.",
    )
    tls_client_ca_file: str | None = key(
        None,
        Chapter.NETWORK,
        optional(config_rules.file),
        "PEM file with certificate authorities; only callers with a certificate issued by one of them are admitted.",
    )
    trusted_proxies: tuple[str, ...] = key(
        (),
        Chapter.NETWORK,
        networks,
        "Addresses and networks of proxies whose X-Forwarded-For is trusted; for any other peer the "
        "caller's address is the peer's.",
    )
    api_keys: tuple[ApiKey, ...] = key(
        (),
        Chapter.ACCESS,
        api_keys,
        "Keys of which a caller must present one, separated by commas: each at least 20 characters of "
        "A-Z, a-z, 0-9, = and -, or sha256: and its hash. Entries of a list may be mappings that name a key and "
        "its permissions. Prefer api_keys_file to writing them here.",
        show=hidden,
        in_repr=False,
        where=APP,
    )
    api_keys_file: KeyFile | None = key(
        None,
        Chapter.ACCESS,
        optional(key_file),
        "A file with the keys instead: the output of reseal api-keys, or keys separated by commas or line "
        "ends. It is reloaded while the service runs: a new key is valid at once, and a removed one for another "
        "second at most.",
        show=hidden,
        in_repr=False,
    )
    allow_open_access: bool = key(
        False,
        Chapter.ACCESS,
        boolean,
        "Whether to listen beyond loopback without `api_keys`, where the network itself is closed.",
    )
    ip_allow_regex: str | None = key(
        None,
        Chapter.ACCESS,
        config_rules.address_pattern("ip_allow_regex"),
        "Only callers whose whole address matches are answered (a Python regular expression).",
    )
    ip_deny_regex: str | None = key(
        None,
        Chapter.ACCESS,
        config_rules.address_pattern("ip_deny_regex"),
        "Callers whose whole address matches are refused; wins over ip_allow_regex.",
    )
    failures_per_minute: int = key(
        120,
        Chapter.ACCESS,
        whole(0, 1_000_000, "must be between 0 and 1000000", "120 suits; 0 is no limit"),
        "Failing calls without a valid API key that one address (64 bits of an IPv6 address) may make in a "
        "minute before they are answered 429, counted by each worker; 0 is no limit. Calls with a valid key are "
        "never limited.",
    )
    connections_per_address: int = key(
        100,
        Chapter.ACCESS,
        whole(0, 1_000_000, "must be between 0 and 1000000", "100 suits; 0 is no limit"),
        "Connections that one address (64 bits of an IPv6 address) may hold without having presented a valid API "
        "key on them, counted by each worker; beyond it the oldest idle ones are closed. 0 is no limit; "
        "trusted_proxies are never limited.",
    )
    concurrent_requests: int = key(
        1000,
        Chapter.ACCESS,
        whole(0, 1_000_000, "must be between 0 and 1000000", "1000 suits; 0 is no limit"),
        "Requests that each worker works on at a time; further ones are answered 503 at once. 0 is no limit.",
    )
    database_uri: str = differently(
        SharedFields,
        "database_uri",
        doc="The store: sqlite:///relative/file.db, sqlite:////absolute/file.db, "
        "postgresql://user:password@host:5432/database, mysql://user:password@host:3306/database (or mariadb://), "
        "redis://user:password@host:6379/0 (also rediss://, redis+sentinel://, redis+cluster://), or memory: which "
        "forgets everything when the process ends. Prefer RESEAL_DATABASE_URI_FILE for one with a password.",
        from_file=True,
    )
    postgresql_connection_pool_size: int = key(
        10,
        Chapter.STORE,
        whole(1, 1000, "'connectionPoolSize' in the config.yaml file must be > 0", "10 suits"),
        "Connections to PostgreSQL, MariaDB, MySQL or Redis of each worker: 1 to 1000.",
    )
    bounds: Bounds = key(
        Bounds(),
        Chapter.OPERATION,
        config_rules.bounds,
        "Versions of the interface that are answered: supertokens_min_cdi_version to supertokens_max_cdi_version.",
        in_files=False,
    )
    access_token_blacklisting: bool = key(
        False,
        Chapter.LIFETIMES,
        boolean,
        "Whether verifying reads the store, for callers below version 2.21.",
        where=APP,
    )
    access_token_validity_jitter: float = differently(SharedFields, "access_token_validity_jitter", default=0.05)
    access_token_signing_algorithm: str = differently(
        SharedFields,
        "access_token_signing_algorithm",
        default="RS256",
        rule=config_rules.algorithm,
        doc="RS256, which every SDK can publish and verify, or ES256, which is signed ten times faster: for "
        "access tokens from version 2.21 on. Older ones, and an application's own JWTs, are always RS256.",
    )
    access_token_signing_key_dynamic: bool = differently(
        SharedFields,
        "access_token_signing_key_dynamic",
        doc="Whether the signing key changes, for callers below version 2.21.",
    )
    access_token_dynamic_signing_key_update_interval: float = differently(
        SharedFields,
        "access_token_dynamic_signing_key_update_interval",
        rule=config_rules.positive(
            rules.HOURS_MAX, "must be greater than, equal to 1 hour.", "168 is one week, 876000 the most"
        ),
    )
    refresh_token_rotation_grace_period: float = differently(
        SharedFields,
        "refresh_token_rotation_grace_period",
        doc="For this long after a refresh, the previous refresh token returns the same successor again, even if "
        "the successor has been used: 0 to 300. With 0, callers below version 5.6 get the verdict of older cores.",
    )
    lost_response_window: float | None = differently(
        SharedFields,
        "lost_response_window",
        doc="For this long, the previous refresh token is accepted as long as its successor has not been used; "
        "if absent, 7 days or the idle limit, whichever is shorter. Applies from version 5.6 on; below it, the token "
        "is accepted until the session expires.",
    )
    theft_response: TheftResponse | None = differently(
        SharedFields,
        "theft_response",
        rule=optional(config_rules.theft_response),
        doc="The response to reuse of a refresh token before it is reported: report, revoke_session or revoke_user. If "
        "absent, revoke_session from version 5.6 on and report below it. Native callers set it themselves.",
    )
    recent_token_reuse_behaviour: str = key(
        "TOKEN_THEFT",
        Chapter.REFRESH,
        config_rules.reuse,
        "How reuse of the token just before the current one is reported: TOKEN_THEFT or UNAUTHORISED. Applies from "
        "version 5.6 on.",
    )
    rollback: Rollback = differently(
        SharedFields,
        "rollback",
        doc="How a genuine refresh token is treated that is newer than the store, after a backup was restored or a "
        "fail-over lost writes: adopt continues its session, refuse answers UNAUTHORISED. Native callers set it "
        "themselves.",
    )
    enable_anti_csrf: bool = differently(
        SharedFields, "enable_anti_csrf", doc="Whether there are anti-CSRF tokens, for callers below version 2.6."
    )
    session_expired_status_code: int = key(
        401,
        Chapter.REQUESTS,
        whole(
            400, 599, "must be a value between 400 and 599, inclusive", "401 suits unless the SDK expects another one"
        ),
        "Status that SDKs answer with when a session has ended, for callers below version 2.4.",
    )
    cookie_domain: str | None = key(
        None, Chapter.COOKIES, optional(of_text(cookie_domain)), "Domain of the cookies, for callers below version 2.4."
    )
    cookie_secure: bool = key(
        False, Chapter.COOKIES, boolean, "Whether cookies are Secure, for callers below version 2.4."
    )
    cookie_same_site: str = key(
        "lax",
        Chapter.COOKIES,
        rules.same_site,
        "none, strict or lax, for callers below version 2.4; none needs enable_anti_csrf.",
    )
    access_token_path: str = key(
        "/", Chapter.COOKIES, of_text(path), "Path of the access token's cookie, for callers below version 2.4."
    )
    refresh_api_path: str = key(
        "/session/refresh",
        Chapter.COOKIES,
        of_text(path),
        "Path of the refresh token's cookie, for callers below version 2.4.",
    )
    log_level: str = key(
        "INFO",
        Chapter.OPERATION,
        config_rules.log_level,
        "NONE, DEBUG, INFO, WARN or ERROR; INFO writes a line for each request.",
    )
    metrics_port: int | None = key(
        None,
        Chapter.OPERATION,
        optional(whole(1, PORT_MAX, "must be between 1 and 65535", "remove it to serve /metrics behind the API key")),
        "Port for /metrics alone, without API key; if absent, /metrics is on the main port, behind the key.",
    )
    opentelemetry: bool = key(
        False,
        Chapter.OPERATION,
        boolean,
        "Whether creations, refreshes and revocations are traced with OpenTelemetry; its SDK must be set up.",
    )
    opentelemetry_logs: bool = key(
        False,
        Chapter.OPERATION,
        boolean,
        "Whether events are log records of OpenTelemetry too, without personal data. Needs 'opentelemetry'.",
    )
    shutdown_delay: float = key(
        1,
        Chapter.OPERATION,
        amount(0, 60, "must be between 0 and 60 seconds", "as long as a probe of /readyz takes"),
        "How long /readyz reports not ready after SIGTERM before the port is closed: 0 to 60.",
        unit="seconds",
    )
    test_mode: bool = key(
        False,
        Chapter.OPERATION,
        boolean,
        "Whether intervals may be below the documented minimum, and sessions shorter than access tokens, "
        "for test suites.",
    )
