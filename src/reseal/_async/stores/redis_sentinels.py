"""Which server is the master, where Sentinel watches."""

from __future__ import annotations

from functools import partial
from typing import Any

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import ResponseError

from reseal._async.waiting import at_once


class AsyncSentinels(Sentinel):
    """The driver's sentinels, of which it would believe the first that answers.

    One that is cut off with the old master still names that. So all are asked, and who has seen the last fail-over is
    believed.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return host and port. Raises ``MasterNotFoundError``, or what a server says that is no sentinel."""
        states: list[dict[str, Any]] = []
        errors: list[Exception] = []
        await at_once([partial(self._ask, each, service_name, states, errors) for each in self.sentinels])
        last = max((state["config-epoch"] for state in states), default=0)
        is_well: Any = self.check_master_state
        for state in states:
            if state["config-epoch"] == last and is_well(state, service_name):
                return state["ip"], state["port"]
        raise next((each for each in errors if isinstance(each, ResponseError)), MasterNotFoundError("no master"))

    async def _ask(self, sentinel: Any, service: str, states: list[dict[str, Any]], errors: list[Exception]) -> None:
        try:
            masters = await sentinel.sentinel_masters()
        except Exception as error:  # noqa: BLE001 - the others know as well
            errors.append(error)
        else:
            states += [masters[service]] if service in masters else []
