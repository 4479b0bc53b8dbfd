"""Where a service is: from the notations that people know to addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from reseal.core.errors import ConfigurationError

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~%:/\[\]-]+")
Hosts = str | Iterable[Mapping[str, object]]
"""``http://a:3567;http://b:3567``, or ``[{"hostname": "a", "port": 3567}]``."""


def addresses(hosts: Hosts) -> tuple[str, ...]:
    """Give each address without a slash at its end. Raises ``ConfigurationError`` that lists every problem."""
    if isinstance(hosts, str):
        texts = [text.strip() for text in hosts.split(";") if text.strip()]
    else:
        texts = [f"http://{host.get('hostname')}:{host.get('port')}" for host in hosts]
    problems = [problem for text in texts if (problem := _problem(text)) is not None]
    if not texts:
        problems.append("hosts: name at least one, like http://127.0.0.1:3567")
    if problems:
        raise ConfigurationError(tuple(problems))
    return tuple(dict.fromkeys(text.rstrip("/") for text in texts))


def _problem(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or not _PLAIN.fullmatch(text):
        return "hosts: each must be like http://127.0.0.1:3567, with nothing but a path behind it"
    return None
