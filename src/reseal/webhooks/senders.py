"""Which way the messages to an endpoint go."""

from __future__ import annotations

from reseal.core.syslog import SyslogEndpoint
from reseal.core.webhooks import Endpoint
from reseal.webhooks.delivering import Sender
from reseal.webhooks.syslog_sending import SyslogSender


def sender_of(endpoint: Endpoint) -> Sender:
    """Return what sends to an endpoint."""
    if isinstance(endpoint, SyslogEndpoint):
        return SyslogSender(endpoint)
    from reseal.webhooks.sending import HttpSender  # noqa: PLC0415 - needs an optional package

    return HttpSender(endpoint)
