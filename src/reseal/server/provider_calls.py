"""The native call about logouts that an identity provider tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reseal.cdi.paths import Right
from reseal.rpc.provider_calls import EndByProvider

if TYPE_CHECKING:
    from reseal._async.engine import AsyncEngine
    from reseal.clock import Clock
    from reseal.core.providers import ProviderEnd


async def _end(engine: AsyncEngine, call: EndByProvider, _: Clock) -> ProviderEnd:
    return await engine.end_by_provider(call.logout)


PROVIDER_CALLS: Final[dict[str, tuple[type[Any], Any, Right]]] = {"end_by_provider": (EndByProvider, _end, Right.WRITE)}
