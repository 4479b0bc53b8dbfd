"""Gauges of the service: what its store knows, and the ages of the keys of its apps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reseal._async.audit import CONSUMER
from reseal._async.gauges import AsyncGauges
from reseal._async.ports import AsyncStore
from reseal.clock import Clock
from reseal.metrics.exposition import Samples
from reseal.metrics.health import age_of_keys
from reseal.server.config import ServiceSettings
from reseal.webhooks.delivering import name_of


class Signing(Protocol):
    """What has keys that sign."""

    def signing_since(self) -> Iterable[int | None]:
        """Return since when (ms) each key has been signing; ``None`` for those that nobody has used lately."""


class ServiceGauges:
    """The gauges of one process, asked for when somebody reads the metrics."""

    def __init__(self, settings: ServiceSettings, store: AsyncStore, clock: Clock, *signing: Signing) -> None:
        self._of_store = AsyncGauges(store, channels(settings), clock)
        self._clock = clock
        self._signing = signing

    async def samples(self) -> Samples:
        """Return the values; those of the store are at most a minute old."""
        times = (each for keys in self._signing for each in keys.signing_since())
        return await self._of_store.samples() | age_of_keys(times, self._clock.wall())


def channels(settings: ServiceSettings) -> list[str]:
    """Return the consumers of the outbox by their names, which are configured."""
    return [name_of(endpoint) for endpoint in settings.webhooks] + [CONSUMER] * settings.audit
