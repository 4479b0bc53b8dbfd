"""Origins, cookie domains and cookie paths as browsers compare them. Pure: text in, normal form or a reason out."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from reseal.settings.problems import InvalidValueError

_ORIGIN: Final = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?/?")
_COOKIE_DOMAIN: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(\.?)([a-z0-9._-]+)(?::[0-9]{1,5})?(?:[/?#].*)?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH: Final = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,=:@-]+)+")
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_HOST_MAX: Final = 253
_PORT_MAX: Final = 65535
_PATH_MAX: Final = 1024


def origin(text: str) -> str:
    """Normalise an http(s) origin: lower case, no default port, no trailing slash. Raises ``InvalidValueError``."""
    if text in {"*", "null"}:
        raise InvalidValueError(
            "must be one exact origin", "list each origin by itself; neither * nor null names a page"
        )
    if not text.isascii():
        raise InvalidValueError("must be an origin in ASCII", "write an international name in its xn-- form")
    match = _ORIGIN.fullmatch(text.lower())
    host = _host(match[2]) if match else None
    if match is None or host is None:
        raise InvalidValueError(
            "must be an origin, http(s)://host[:port], without path, query or user",
            "write it like https://api.example.com or http://localhost:8000",
        )
    port = int(match[3] or _DEFAULT_PORT[match[1]])
    if not 1 <= port <= _PORT_MAX:
        raise InvalidValueError("must have a port between 1 and 65535", "correct the port or leave it out")
    return f"{match[1]}://{host}" + ("" if port == _DEFAULT_PORT[match[1]] else f":{port}")


def host_of(normal_origin: str) -> str:
    """Return the host of a normalised origin, IPv6 with its brackets."""
    match = _ORIGIN.fullmatch(normal_origin)
    return match[2] if match else ""


def is_open_http(normal_origin: str) -> bool:
    """Return whether an origin is plain http across a network, where anybody on the path can read the cookies."""
    return normal_origin.startswith("http://") and not _is_loopback(host_of(normal_origin))


def is_loopback(normal_origin: str) -> bool:
    """Return whether an origin is reachable from this machine alone."""
    return _is_loopback(host_of(normal_origin))


def cookie_domain(text: str) -> str:
    """Normalise a cookie's Domain: scheme, port and path dropped, a leading dot kept. Raises ``InvalidValueError``."""
    trimmed = text.strip()
    match = _COOKIE_DOMAIN.fullmatch(trimmed.lower()) if trimmed.isascii() else None
    host = _host(match[2]) if match else None
    if match is None or host is None:
        raise InvalidValueError("must be a host name", "write it like example.com, or remove it for host-only cookies")
    if host == "localhost" or _ipv4(host):
        return host
    if "." not in host:
        raise InvalidValueError("must be more than a single label", "browsers refuse it; write it like example.com")
    return match[1] + host


def covers(domain: str | None, normal_origin: str) -> bool:
    """Return whether a browser accepts a cookie of this Domain from this origin. Public suffixes are not known."""
    if domain is None:
        return True
    host, name = host_of(normal_origin), domain.removeprefix(".")
    return host == name or (_ipv4(host) is None and host.endswith(f".{name}"))


def path(text: str) -> str:
    """Check the path of a cookie or of an endpoint. Raises ``InvalidValueError``."""
    if len(text) <= _PATH_MAX and _PATH.fullmatch(text):
        return text
    raise InvalidValueError(
        "must be a plain path: it starts with '/', does not end with one, and has no '..', '//', '?', '#', ';', "
        "'%', white space or control character",
        "write it like /session/refresh",
    )


def _host(text: str) -> str | None:
    if text.startswith("["):
        return _ipv6(text)
    labels = text.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):  # browsers read such a host as an address, in whatever notation
        return text if _ipv4(text) else None
    if len(text) > _HOST_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return text


def _is_loopback(host: str) -> bool:
    address = _ipv4(host)
    if address is not None:
        return address.is_loopback
    return host in {"localhost", "[::1]"} or host.endswith(".localhost")


def _ipv4(host: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None


def _ipv6(bracketed: str) -> str | None:
    try:
        return f"[{ipaddress.IPv6Address(bracketed[1:-1]).compressed}]"
    except ValueError:
        return None
