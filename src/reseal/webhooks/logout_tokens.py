"""Messages as logout tokens (OpenID Connect Back-Channel Logout 1.0), one for each client that has the ended session.

A token is valid for two minutes, so it is made anew for each attempt; its ``jti`` stays. A client that does not answer
is asked three times within a minute. Then this token is given up, which says nothing of the next session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec

from reseal.core import security_event_keys
from reseal.core.events import Event, EventName
from reseal.core.keys import b64url
from reseal.core.logout_clients import LogoutEndpoint
from reseal.core.logout_tokens import EVENT, LONGEST_LIFE
from reseal.core.model import Found, Scope
from reseal.devices import about
from reseal.webhooks.answers import Answer
from reseal.webhooks.messages import Message, order_of
from reseal.webhooks.security_events import ENDING

PAUSES: Final = (5_000, 30_000)
"""Milliseconds after each failed attempt but the last."""
_REFUSED: Final = 400


class Sessions(Protocol):
    """The part of a store that says which clients have a session."""

    async def get(self, scope: Scope, handle: str) -> Found: ...


class LogoutTokens:
    """The tokens for one client. Raises ``ValueError`` for keys that did not pass the settings."""

    def __init__(self, endpoint: LogoutEndpoint, sessions: Sessions | None) -> None:
        self._endpoint = endpoint
        self._sessions = sessions
        self._key = security_event_keys.read(endpoint.signing_keys[0])
        header = {"alg": self._key.algorithm, "kid": endpoint.key_id or self._key.kid, "typ": "logout+jwt"}
        self._header = b64url(msgspec.json.encode(header))

    async def messages(self, event: Event, access_ms: int) -> Sequence[Message]:  # noqa: ARG002 - of another format
        if (
            self._sessions is None
            or event.session_handle is None
            or (event.name is EventName.TOKEN_THEFT and event.response not in ENDING)
        ):
            return ()
        record = (await self._sessions.get(event.scope, event.session_handle)).record
        clients = () if record is None else about.read(record.about).clients
        told = [each for each in clients if each.client_id == self._endpoint.client_id]
        claims = [{"sub": each.sub, "sid": each.sid} for each in told]
        own: dict[str, Any] = {"at": event.at, "traceparent": event.traceparent, "session": order_of(event)}
        return [Message(id=str(event.id), body=_text(each), **own) for each in claims]

    def trial(self, message_id: str, at: int) -> Message:
        """Write a token about a session that no client has: it may be refused or accepted, and ends nothing."""
        return Message(id=message_id, body=_text({"sid": message_id}), at=at)

    def packed(self, message: Message, wall: int) -> tuple[bytes, Mapping[str, str]]:
        its, now = {"iss": self._endpoint.issuer, "aud": self._endpoint.client_id}, wall // 1000
        times = {"iat": now, "exp": now + LONGEST_LIFE, "jti": message.id, "events": {EVENT: {}}}
        signing = f"{self._header}.{b64url(msgspec.json.encode({**its, **times, **msgspec.json.decode(message.body)}))}"
        token = f"{signing}.{b64url(self._key.sign(signing.encode()))}"
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        return urlencode({"logout_token": token}).encode(), headers

    def judged(self, answer: Answer, message: Message) -> Answer:
        if answer.is_success:
            return answer
        if answer.status == _REFUSED or message.attempts >= len(PAUSES):
            return answer._replace(is_final=True)
        return answer._replace(again_after=PAUSES[message.attempts])


def _text(claims: Mapping[str, str | None]) -> str:
    return msgspec.json.encode({name: value for name, value in claims.items() if value is not None}).decode()
