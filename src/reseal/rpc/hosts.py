"""Where a service is: from the notations that people know to addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from reseal.core.errors import ConfigurationError
from reseal.settings.origins import is_open_http

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~%:/\[\]-]+")
_OPEN: Final = (
    "hosts: {host} would send the API key and tokens readable over the network: use https, or say "
    "allow_plain_http=True where the network is trusted"
)
Hosts = str | Iterable[Mapping[str, object]]
"""``http://a:3567;http://b:3567``, or ``[{"hostname": "a", "port": 3567}]``."""


def addresses(hosts: Hosts, *, allow_plain_http: bool = False) -> tuple[str, ...]:
    """Return each address without a trailing slash. Raises ``ConfigurationError`` that lists every problem.

    Plain http is for this machine, unless ``allow_plain_http`` says that the way to the others is trusted.
    """
    if isinstance(hosts, str):
        texts = [text.strip() for text in hosts.split(";") if text.strip()]
    else:
        texts = [f"http://{host.get('hostname')}:{host.get('port')}" for host in hosts]
    problems = [problem for text in texts if (problem := _problem(text)) is not None]
    if not problems and not allow_plain_http:
        problems += [_OPEN.format(host=text) for text in texts if _is_open(text)]
    if not texts:
        problems.append("hosts: name at least one, like http://127.0.0.1:3567")
    if problems:
        raise ConfigurationError(tuple(problems))
    return tuple(dict.fromkeys(text.rstrip("/") for text in texts))


def _is_open(text: str) -> bool:
    """Return whether others on the network could read API key and tokens."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    return is_open_http(f"{parts.scheme}://[{host}]" if ":" in host else f"{parts.scheme}://{host}")


def _problem(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or not _PLAIN.fullmatch(text):
        return "hosts: each must be like http://127.0.0.1:3567, with nothing but a path behind it"
    return None
