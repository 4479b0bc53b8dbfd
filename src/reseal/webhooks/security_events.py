"""Messages as security event tokens (RFC 8417) about sessions (CAEP 1.0), pushed one at a time (RFC 8935).

A message keeps the claims except those that the configuration gives, and is signed at each attempt: a wrong audience
or key can be put right while messages wait. The same claims and key give the same token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from reseal.core import security_event_keys
from reseal.core.acting import USER
from reseal.core.events import Event, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import TheftResponse, printable
from reseal.core.shared_signals import SharedSignalsEndpoint, Subject
from reseal.webhooks.answers import Answer
from reseal.webhooks.messages import Message, order_of

CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
VERIFICATION: Final = "https://schemas.openid.net/secevent/ssf/event-type/verification"
CONTENT_TYPE: Final = "application/secevent+jwt"
_REFUSED: Final = 400
_SENDERS_FAULTS: Final = frozenset(
    {"invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied"}
)
"""Errors that every later token would meet too, until a configuration is changed."""
_DESCRIBED: Final = 200
"""Characters of a receiver's description that are kept."""
_ERROR: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_USER, _ADMIN, _POLICY, _SYSTEM = "user", "admin", "policy", "system"
_ENDS: Final[Mapping[str | None, tuple[str, str]]] = {
    "signed_out": (_USER, "The user signed out."),
    "user_revoked": (_ADMIN, "All sessions of the user were ended."),
    "revoked": (_ADMIN, "The session was ended."),
    "replaced": (_SYSTEM, "The same browser signed in again."),
    "not_before": (_ADMIN, "All sessions from before a moment were ended."),
    "limit": (_POLICY, "The user has as many sessions as are allowed, and signed in once more."),
    "provider_logout": (_SYSTEM, "The identity provider ended its own session of the user."),
    "forked": (_POLICY, "After the store was restored, two parties held tokens of the session."),
}
"""Who ended a session, and why, by the reason of its event."""
_BY: Final[Mapping[str, str]] = {"user": _USER, "operator": _ADMIN}
"""Who ended a session, by the kind of name in ``by``."""
_THEFT: Final = "A refresh token of the session was used twice: two parties have it."
ENDING: Final = frozenset({None, TheftResponse.REVOKE_SESSION, TheftResponse.REVOKE_USER})
"""Responses to a theft that end the session. Events of earlier versions say nothing of it."""
_decode: Final = msgspec.json.decode


class SharedSignals:
    """The tokens for one receiver. Raises ``ValueError`` for keys that did not pass the settings."""

    def __init__(self, endpoint: SharedSignalsEndpoint) -> None:
        self._endpoint = endpoint
        self._key = security_event_keys.read(endpoint.signing_keys[0])

    async def messages(self, event: Event, access_ms: int) -> Sequence[Message]:  # noqa: ARG002 - of the other formats
        subject = self._subject(event)
        if subject is None:
            return ()
        own: dict[str, Any] = {"at": event.at, "traceparent": event.traceparent, "session": order_of(event)}
        return [
            Message(id=jti, body=_claims(jti, event, subject, kind, members), **own)
            for jti, kind, members in _events(event)
            if kind in self._endpoint.types
        ]

    def trial(self, message_id: str, at: int) -> Message:
        """Write a verification event. The stream, which is its subject, has the name of the endpoint."""
        subject = {"format": "opaque", "id": self._endpoint.name}
        claims = {"jti": message_id, "iat": at // 1000, "sub_id": subject, "events": {VERIFICATION: {}}}
        return Message(id=message_id, body=_text(claims))

    def packed(self, message: Message, wall: int) -> tuple[bytes, Mapping[str, str]]:  # noqa: ARG002 - iat stays
        claims = {"iss": self._endpoint.issuer, "aud": self._endpoint.audience, **_decode(message.body)}
        headers = {"content-type": CONTENT_TYPE, "accept": "application/json"}
        if self._endpoint.authorization is not None:
            headers["authorization"] = self._endpoint.authorization.reveal().decode()
        return security_event_keys.signed(claims, self._key), headers

    def judged(self, answer: Answer, message: Message) -> Answer:  # noqa: ARG002 - of another format
        """Read the error of a refusal: a refused token is not sent again as it is (RFC 8935, 2.4)."""
        error, description = _refusal(answer.body) if answer.status == _REFUSED else ("", "")
        if not error:
            return answer
        problem = f"status {answer.status}: {error} {description}".rstrip()
        if error in _SENDERS_FAULTS:
            return answer._replace(problem=problem, disables=f"the endpoint answered {error}")
        return answer._replace(problem=problem, is_final=True)

    def _subject(self, event: Event) -> Mapping[str, Any] | None:
        """Return the subject (RFC 9493; SSF 1.0, 3); ``None`` if there is nobody to be named."""
        user = None
        if event.user_id not in {None, ANONYMOUS}:
            issuer = self._endpoint.user_issuer or self._endpoint.issuer
            user = {"format": "iss_sub", "iss": issuer, "sub": event.user_id}
        if self._endpoint.subject is Subject.ISS_SUB:
            return user
        app_id, tenant_id = event.scope
        named = {
            "session": _opaque(event.session_handle),
            "user": user,
            "tenant": _opaque(tenant_id),
            "application": None if app_id == "public" else _opaque(app_id),
        }
        return {"format": "complex", **{name: value for name, value in named.items() if value is not None}}


def _events(event: Event) -> Sequence[tuple[str, str, Mapping[str, Any]]]:
    """Return what an event is reported as: for each token its id, its type and its members."""
    own = str(event.id)
    match event.name:
        case EventName.SESSION_CREATED:
            is_acting = event.by is not None and event.by.startswith(USER) and event.by != f"{USER}{event.user_id}"
            begun = (_ADMIN, "Somebody began to act as the user.") if is_acting else (_USER, "The user signed in.")
            return [(own, "session-established", _members(event, *begun))]
        case EventName.SESSION_REFRESHED:
            return [(own, "session-presented", _members(event, _USER, "The session was refreshed."))]
        case EventName.SESSION_REVOKED:
            entity, reason = _ENDS.get(event.reason, _ENDS["revoked"])
            entity = _BY.get((event.by or "").partition(":")[0], entity)
            return [(own, "session-revoked", _members(event, entity, reason))]
        case _:
            members = _members(event, _POLICY, _THEFT)
            level = {"principal": "SESSION", "current_level": "HIGH", "risk_reason": _THEFT}
            risk = (f"{own}-risk", "risk-level-change", members | level)
            # one that is held may be confirmed by its user, and its end would be an event of its own
            return [(own, "session-revoked", members), risk] if event.response in ENDING else [risk]


def _members(event: Event, entity: str, reason: str) -> dict[str, Any]:
    return {"event_timestamp": event.at // 1000, "initiating_entity": entity, "reason_admin": {"en": reason}}


def _claims(jti: str, event: Event, subject: Mapping[str, Any], kind: str, members: Mapping[str, Any]) -> str:
    return _text(
        {
            "jti": jti,
            "iat": event.at // 1000,
            "txn": event.correlation_id or event.id,
            "sub_id": subject,
            "events": {CAEP + kind: members},
        }
    )


def _text(claims: Mapping[str, Any]) -> str:
    return msgspec.json.encode(claims).decode()


def _opaque(name: str | None) -> Mapping[str, str] | None:
    return None if name is None else {"format": "opaque", "id": name}


def _refusal(body: bytes) -> tuple[str, str]:
    """Read ``err`` and ``description``; both are the receiver's text. Empty: there is no error."""
    try:
        members = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    error = members.get("err") if isinstance(members, dict) else None
    if not isinstance(error, str) or not _ERROR.fullmatch(error):
        return "", ""
    description = members.get("description")
    return error, printable(description)[:_DESCRIBED] if isinstance(description, str) else ""
