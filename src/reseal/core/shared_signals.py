"""Shared Signals (SSF 1.0, CAEP 1.0): the receivers, and the documents by which they know the transmitter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from reseal.core.events import EventName
from reseal.core.secret import Secret
from reseal.core.security_event_keys import public_keys
from reseal.core.webhooks import Endpoint

CONFIGURATION_PATH: Final = "/.well-known/ssf-configuration"
KEYS_PATH: Final = "/ssf/jwks.json"
PUSH: Final = "urn:ietf:rfc:8935"


class Subject(StrEnum):
    """How a message names what it is about."""

    COMPLEX = "complex"
    """Session, user and tenant."""
    ISS_SUB = "iss_sub"
    """The user alone: to a receiver, an ended session then stands for all sessions of the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSignalsEndpoint(Endpoint):
    """A receiver of security event tokens about sessions (CAEP 1.0), by push (RFC 8935)."""

    SOURCES: ClassVar = {
        "session-revoked": frozenset({EventName.SESSION_REVOKED, EventName.TOKEN_THEFT}),
        "risk-level-change": frozenset({EventName.TOKEN_THEFT}),
        "session-established": frozenset({EventName.SESSION_CREATED}),
        "session-presented": frozenset({EventName.SESSION_REFRESHED}),
    }
    USUAL = ("session-revoked", "risk-level-change", "session-established")

    issuer: str
    """The transmitter, an https URL without a slash at its end: ``iss`` of every token."""
    audience: str
    """The receiver: ``aud`` of every token."""
    signing_keys: tuple[Secret, ...]
    """RSA keys in PEM. The first one signs; all are published."""
    authorization: Secret | None = None
    """The value of the header ``Authorization``."""
    subject: Subject = Subject.COMPLEX
    user_issuer: str = ""
    """Who issued the ids of the users; empty: the issuer."""


def documents(endpoints: Iterable[Endpoint]) -> Mapping[str, Mapping[str, Any]]:
    """Return what is published about the issuers of endpoints: JSON objects by their paths on the issuers' hosts."""
    receivers = [each for each in endpoints if isinstance(each, SharedSignalsEndpoint)]
    found: dict[str, Mapping[str, Any]] = {}
    for issuer in dict.fromkeys(each.issuer for each in receivers):
        path, own = urlsplit(issuer).path, [each for each in receivers if each.issuer == issuer]
        found[CONFIGURATION_PATH + path] = _configuration(issuer, own)
        found[path + KEYS_PATH] = public_keys(key for each in own for key in each.signing_keys)
    return found


def _configuration(issuer: str, receivers: Iterable[SharedSignalsEndpoint]) -> Mapping[str, Any]:
    """Write the transmitter configuration metadata (SSF 1.0, 7.1)."""
    needs_session = any(each.subject is Subject.COMPLEX for each in receivers)
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": issuer + KEYS_PATH,
        "delivery_methods_supported": [PUSH],
        "default_subjects": "ALL",
        # whoever does not know this member would end all sessions of the user instead of one
        **({"critical_subject_members": ["session"]} if needs_session else {}),
    }
