"""What a URI says: ``mysql://user:password@host:3306,host/database?ssl-mode=VERIFY_IDENTITY``."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret

_URI: Final = re.compile(
    r"(?:mysql|mariadb)://(?P<user>[^:@/?]+)(?::(?P<password>[^@/?]*))?@(?P<hosts>[^@/?]*)/(?P<database>[^@/?]+)(?:\?(?P<more>[^@]*))?"
)
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:]+))(?::(?P<port>\d{1,5}))?")
_MODES: Final = ("DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_OPTIONS: Final = ("socket", "ssl-mode", "ssl-ca", "ssl-cert", "ssl-key")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FORM: Final = (
    "cannot be read: write mysql://user:password@host:3306/database, with %40 for @, %3A for : and %2F for / in the "
    "password"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, and how to sign in there."""

    hosts: tuple[tuple[str, int], ...]
    """In the order of asking. Of several, the first that takes writes."""
    user: str
    password: Secret
    database: str
    socket: str | None
    tls: Mapping[tuple[str, int], ssl.SSLContext | None]

    def may_send_clear_text(self, host: tuple[str, int]) -> bool:
        """Return whether to send the password as it is if asked: to a checked certificate, or a socket's file."""
        context = self.tls[host]
        return self.socket is not None or (context is not None and context.verify_mode != ssl.CERT_NONE)

    def __str__(self) -> str:
        """Return hosts and ports, and nothing else."""
        return self.socket or ", ".join(f"{host}:{port}" for host, port in self.hosts)


def read(uri: Secret) -> Address:
    """Read a URI. Raises ``ConfigurationError``, which quotes nothing that may be a part of the password."""
    found = _URI.fullmatch(uri.reveal().decode("utf-8", "replace"))
    if found is None:
        raise unusable(_FORM)
    options = _options(found["more"] or "")
    hosts = tuple(_host(each) for each in found["hosts"].split(",")) if found["hosts"] else (("localhost", 3306),)
    mode = options.get("ssl-mode", "").upper().replace("-", "_")
    return Address(
        hosts=hosts,
        user=unquote(found["user"]),
        password=Secret(unquote(found["password"] or "")),
        database=unquote(found["database"]),
        socket=options.get("socket"),
        tls={each: _context(mode or _usual_mode(each[0], options), options) for each in hosts},
    )


def unusable(*problems: str) -> ConfigurationError:
    return ConfigurationError(tuple(f"database_uri: {problem}" for problem in problems))


def _host(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise unusable(_FORM)
    return found["v6"] or found["host"], int(found["port"] or 3306)


def _options(text: str) -> dict[str, str]:
    options = {name.replace("_", "-"): value for name, value in parse_qsl(text, keep_blank_values=True)}
    for name in options:
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise unusable(f"the parameter {name!r} in it is not known; there are {known}")
    return options


def _usual_mode(host: str, options: Mapping[str, str]) -> str:
    """Encrypt unless the server is on this machine; with a CA to check by, check."""
    if "ssl-ca" in options:
        return "VERIFY_IDENTITY"
    return "DISABLED" if host in _LOCAL or "socket" in options else "REQUIRED"


def _context(mode: str, options: Mapping[str, str]) -> ssl.SSLContext | None:
    if mode not in _MODES:
        raise unusable(f"ssl-mode must be one of {', '.join(_MODES)}")
    if mode == "DISABLED":
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("ssl-ca"))
        if "ssl-cert" in options:
            context.load_cert_chain(options["ssl-cert"], options.get("ssl-key"))
    except OSError as error:  # ssl.SSLError is one
        raise unusable(f"a file of ssl-ca, ssl-cert or ssl-key cannot be read ({type(error).__name__})") from error
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if mode == "REQUIRED":
        context.verify_mode = ssl.CERT_NONE
    return context
