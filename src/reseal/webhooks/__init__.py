"""Delivery of events from the outbox to endpoints, in the format of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reseal._async.engine import AsyncEngine
from reseal._async.metrics import innermost
from reseal.core.deliveries import Attempted, ignore
from reseal.core.errors import ConfigurationError
from reseal.core.logout_clients import LogoutEndpoint
from reseal.core.shared_signals import SharedSignalsEndpoint
from reseal.core.syslog import SyslogEndpoint
from reseal.core.webhooks import Endpoint, WebhookEndpoint
from reseal.webhooks.running import deliver_for_ever

if TYPE_CHECKING:
    from reseal._async.reseal import AsyncReseal

__all__ = [
    "LogoutEndpoint",
    "SharedSignalsEndpoint",
    "SyslogEndpoint",
    "WebhookEndpoint",
    "deliver_webhooks",
    "require_client",
]


async def deliver_webhooks(reseal: AsyncReseal, *, attempted: Attempted = ignore) -> None:
    """Deliver to the endpoints of an application's settings, until it is cancelled. The sessions have to be open.

    Any number of processes may do so: one at a time delivers to an endpoint. ``attempted`` is called after
    each attempt, for instance ``metrics.note_attempt``. Raises
    ``ConfigurationError`` if the sessions are those of a service, which delivers itself, or if httpx is missing.
    """
    require_client(reseal.settings.webhooks)
    engine = innermost(reseal.backend)
    if not isinstance(engine, AsyncEngine):
        raise ConfigurationError(("webhooks: these sessions are a service's: configure webhooks there",))

    async def access_lifetime(_: str) -> int:
        return reseal.settings.access_token_ms

    await deliver_for_ever(engine.store, reseal.settings.webhooks, access_lifetime, attempted=attempted)


def require_client(endpoints: Iterable[Endpoint]) -> None:
    """Raise ``ConfigurationError`` if an endpoint is sent to by HTTP, and httpx is missing."""
    if all(isinstance(each, SyslogEndpoint) for each in endpoints):
        return
    try:
        import httpx  # noqa: F401, PLC0415 - an optional package
    except ImportError:
        raise ConfigurationError(('webhooks: httpx is missing; install it: pip install "reseal[webhooks]"',)) from None
