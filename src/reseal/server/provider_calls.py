"""The native calls about identity providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reseal.cdi.paths import Right
from reseal.rpc.provider_calls import EndByProvider, RememberClient

if TYPE_CHECKING:
    from reseal._async.engine import AsyncEngine
    from reseal.clock import Clock
    from reseal.core.providers import ProviderEnd


async def _end(engine: AsyncEngine, call: EndByProvider, _: Clock) -> ProviderEnd:
    return await engine.end_by_provider(call.logout)


async def _remember(engine: AsyncEngine, call: RememberClient, _: Clock) -> int:
    return await engine.remember_client(call.handle, call.client)


PROVIDER_CALLS: Final[dict[str, tuple[type[Any], Any, Right]]] = {
    "end_by_provider": (EndByProvider, _end, Right.WRITE),
    "remember_client": (RememberClient, _remember, Right.WRITE),
}
