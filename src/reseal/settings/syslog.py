"""The keys that syslog servers have of their own."""

from __future__ import annotations

import re
import ssl
from typing import Final

from reseal.core.syslog import FACILITIES, Framing, SyslogEndpoint
from reseal.settings.endpoints import Kind
from reseal.settings.problems import InvalidValueError
from reseal.settings.rules import Rule, as_text, boolean, choice, matching, member

_URL: Final = re.compile(
    r"(?:udp|tcp|tls)://(?:[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"|unix://(?:/[\x21-\x7e]+)"
)
_APP_NAME: Final = re.compile(r"[\x21-\x7e]{1,48}")
_DATA_ID: Final = re.compile(r"[!#-<>?A-\\^-~]{1,20}@[0-9]{1,10}(?:\.[0-9]{1,10})*")


def _url(value: object) -> str:
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    if found and int(found["port"] or 514) in range(1, 65536):
        return found[0]
    raise InvalidValueError(
        "must be the address of a syslog server", "write udp://host, tcp://host, tls://host or unix:///dev/log"
    )


def _in_pem(value: object) -> str:
    """Require the name of a file that can be read."""
    text = as_text(value)
    try:
        with open(text, "rb") as file:  # noqa: PTH123 - as ssl will
            file.read(1)
    except (OSError, ValueError):
        raise InvalidValueError("cannot be read", "name a readable file in PEM") from None
    return text


def _authority(value: object) -> str:
    text = _in_pem(value)
    try:
        ssl.create_default_context(cafile=text)
    except ssl.SSLError:
        raise InvalidValueError("has no certificate in PEM", "name the file of the authority's certificate") from None
    return text


def _certificate(value: object) -> str:
    text = _in_pem(value)
    try:
        ssl.create_default_context().load_cert_chain(text, password="")
    except ssl.SSLError:
        why = "has no certificate with its key in PEM"
        raise InvalidValueError(why, "put both into one file, the key without a password") from None
    return text


_RULES: Final[dict[object, Rule]] = {
    "url": _url,
    "facility": choice(tuple(FACILITIES), f"must be one of {', '.join(FACILITIES)}"),
    "framing": member(Framing, "must be octets or lines", "octets suits most servers"),
    "app_name": matching(_APP_NAME, "must be 1 to 48 printable ASCII characters", "reseal suits"),
    "structured_data_id": matching(
        _DATA_ID, "must be a name, an @ and the number of an organisation", "write it like reseal@32473"
    ),
    "client_addresses": boolean,
    "authority_file": _authority,
    "certificate_file": _certificate,
}
SYSLOG: Final = Kind(SyslogEndpoint, _RULES, ())
