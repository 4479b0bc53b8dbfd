"""Events as log records of OpenTelemetry, whose names are the events'.

Without ``personal`` a record says nothing from which a user is recognised: a session is a keyed hash, whoever acted is
a kind of actor, and what a client or an operator wrote is left out.
"""

from __future__ import annotations

import hmac
import inspect
import os
from collections.abc import Callable
from typing import Final

from opentelemetry._logs import Logger, LoggerProvider, SeverityNumber, get_logger

from reseal.core.errors import ConfigurationError
from reseal.core.events import NO_DEVICE, Event, EventName
from reseal.log import LOUD

_REFERENCE: Final = 16
"""Bytes of the reference of a session."""
_SEVERITIES: Final = dict.fromkeys(LOUD, SeverityNumber.WARN) | {EventName.TOKEN_THEFT: SeverityNumber.ERROR}
_API_KEY: Final = "api_key:"


class EventLog:
    """Emits log records. ``key`` makes the references of sessions: the same in all processes that have it.

    ``pseudonym`` turns a user id into ``enduser.pseudo.id``. Raises ``ConfigurationError`` for an API without names of
    events. The logger is the provider's, or that of the provider that the process has set.
    """

    def __init__(
        self,
        key: bytes | None,
        *,
        personal: bool = False,
        pseudonym: Callable[[str], str] | None = None,
        provider: LoggerProvider | None = None,
    ) -> None:
        if "event_name" not in inspect.signature(Logger.emit).parameters:
            raise ConfigurationError(("OpenTelemetry: log records of events need opentelemetry-api 1.38 or newer",))
        self._key = hmac.digest(key or os.urandom(32), b"reseal session reference", "sha256")
        self._personal = personal
        self._pseudonym = pseudonym
        self._logger: Logger = get_logger("reseal", logger_provider=provider)

    def emit(self, event: Event) -> None:
        """Emit the record of an event; it belongs to the present span."""
        severity = _SEVERITIES.get(event.name, SeverityNumber.INFO)
        attributes = self._of_everyone(event)
        if self._personal:
            attributes |= _personal(event)
        self._logger.emit(
            timestamp=event.at * 1_000_000,
            severity_number=severity,
            severity_text=severity.name,
            body=event.name.value if event.reason is None else f"{event.name.value}: {_clean(event.reason)}",
            attributes={name: _clean(value) for name, value in attributes.items() if value},
            event_name=f"reseal.{event.name.value}",
        )

    def _of_everyone(self, event: Event) -> dict[str, str | None]:
        by = event.by or ""
        return {
            "reseal.app": event.scope.app_id,
            "reseal.tenant": event.scope.tenant_id,
            "reseal.reason": event.reason,
            "reseal.session.ref": self._reference(event) if event.session_handle else None,
            "reseal.by": by if by.startswith(_API_KEY) else by.partition(":")[0],
            "enduser.pseudo.id": self._pseudonym(event.user_id) if self._pseudonym and event.user_id else None,
        }

    def _reference(self, event: Event) -> str:
        named = f"{event.scope.app_id}\0{event.session_handle}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, named, "sha256")[:_REFERENCE].hex()


def _personal(event: Event) -> dict[str, str | None]:
    other = event.other_device or NO_DEVICE
    return {
        "enduser.id": event.user_id,
        "client.address": event.device.ip,
        "user_agent.original": event.device.user_agent,
        "reseal.other_client.address": other.ip,
        "reseal.other_user_agent.original": other.user_agent,
        "reseal.session.handle": event.session_handle,
        "reseal.correlation_id": event.correlation_id,
        "reseal.by": event.by,
        "reseal.note": event.note,
    }


def _clean(text: str) -> str:
    """Replace what UTF-8 cannot say: an exporter would drop the record, and those with it."""
    return text.encode("utf-8", "replace").decode()
