"""Formats of messages. The delivery is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from reseal.core import webhook_signatures
from reseal.core.events import Event
from reseal.core.logout_clients import LogoutEndpoint
from reseal.core.shared_signals import SharedSignalsEndpoint
from reseal.core.syslog import SyslogEndpoint
from reseal.core.webhooks import Endpoint, WebhookEndpoint
from reseal.webhooks.answers import Answer
from reseal.webhooks.logout_tokens import LogoutTokens, Sessions
from reseal.webhooks.messages import Message, message_of, trial_message
from reseal.webhooks.security_events import SharedSignals
from reseal.webhooks.syslog import Syslog


class Form(Protocol):
    """What is sent to one endpoint, and what its answers mean."""

    async def messages(self, event: Event, access_ms: int) -> Sequence[Message]:
        """Write the messages about an event that the endpoint gets.

        ``access_ms``: the longest lifetime of an access token of its app.
        """

    def trial(self, message_id: str, at: int) -> Message:
        """Write a message that only shows whether the endpoint is reached."""

    def packed(self, message: Message, wall: int) -> tuple[bytes, Mapping[str, str]]:
        """Return the bytes and the headers of one attempt. ``wall``: milliseconds."""

    def judged(self, answer: Answer, message: Message) -> Answer:
        """Add to the answer to a message what it means in this format."""


class StandardWebhooks:
    """Standard Webhooks 1.0.0."""

    def __init__(self, endpoint: WebhookEndpoint) -> None:
        self._secrets = endpoint.secrets

    async def messages(self, event: Event, access_ms: int) -> Sequence[Message]:
        return (message_of(event, access_ms),)

    def trial(self, message_id: str, at: int) -> Message:
        return trial_message(message_id, at)

    def packed(self, message: Message, wall: int) -> tuple[bytes, Mapping[str, str]]:
        body = message.body.encode()
        return body, webhook_signatures.headers(message.id, wall // 1000, body, self._secrets)

    def judged(self, answer: Answer, message: Message) -> Answer:  # noqa: ARG002 - of another format
        return answer


_FORMS: Final[Mapping[type[Endpoint], Callable[[Any], Form]]] = {
    WebhookEndpoint: StandardWebhooks,
    SharedSignalsEndpoint: SharedSignals,
    SyslogEndpoint: Syslog,
}


def form_of(endpoint: Endpoint, sessions: Sessions | None = None) -> Form:
    """Return the form of the messages to an endpoint. Trials need no sessions."""
    if isinstance(endpoint, LogoutEndpoint):
        return LogoutTokens(endpoint, sessions)
    return _FORMS[type(endpoint)](endpoint)
