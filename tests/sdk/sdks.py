"""What the suite wants to know of a published SDK; ``node_sdks.py`` and ``python_sdks.py`` say it of each."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APPS = Path(__file__).parent / "apps"
PACKAGES = Path(__file__).parent / "packages"
"""Lock files."""


@dataclass(frozen=True, kw_only=True)
class Sdk(ABC):
    """One version of one package, and what it can do."""

    version: str
    cdi: str | None
    """The newest core interface that it knows; 1.0 does not say."""
    refresh_path: str = "/auth/session/refresh"
    sign_out_path: str | None = "/auth/signout"
    in_app: bool = True
    """Whether its address of the service may have a path, and so name an app."""
    api_key: bool = True
    changes_payload: bool = True
    session_info: bool = True
    revokes_many: bool = True
    """Whether it revokes several sessions by their handles at once."""
    check_database: str = "config"
    """What makes it ask for every token: the service's ``config`` or an ``option`` of the route."""
    anti_csrf_on_refresh: bool = True
    header_mode: bool = False
    keeps_older_keys: bool = True
    """Whether it goes on to accept tokens of a key that it has seen replaced, or sends them to be refreshed."""
    tries_next_host: bool = True
    """Whether it notices that a host is down."""
    ends_stolen_sessions: bool = True
    """Whether it gets as far as revoking the session when the service reports theft."""
    jwts: str | None = None
    """Whether it has the service sign JWTs: if a session ``option`` says so, or ``always``."""
    tenants: bool = False
    revokes_by_tenant: bool = True
    """Whether it says that a user's sessions shall be revoked in one tenant only; if it does not say so, it means all."""
    is_main: bool = True
    """Whether tests that do not concern the web framework run with this one."""

    @property
    def chooses_keys(self) -> bool:
        """Whether it says if access tokens are signed by the key that changes or by the one that stays."""
        return self.jwts == "always"

    @abstractmethod
    def command(self, order: Mapping[str, Any]) -> Sequence[str]:
        """Give the command that runs an application over it, which does as the order says.

        The order: ``port``; ``hosts`` of the service, each with ``hostname``, ``port`` and ``path``; ``apiKey`` or
        nothing; ``antiCsrf``; ``dynamicKeys``; ``jwt``.
        """

    def environ(self, clock: Path) -> Mapping[str, str]:
        """Give the environment in which its clock is the tests' one."""
        return {"RESEAL_TEST_CLOCK": str(clock), "TZ": "UTC"}


def as_argument(order: Mapping[str, Any]) -> str:
    return json.dumps(order)
