"""The native calls about theft cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from reseal.cdi.paths import Right
from reseal.rpc import case_calls

if TYPE_CHECKING:
    from reseal._async.engine import AsyncEngine
    from reseal.clock import Clock
    from reseal.core.cases import Case


async def _list(engine: AsyncEngine, call: case_calls.ListCases, _: Clock) -> Iterable[Case]:
    return await engine.list_cases(call.which, call.after, call.limit)


async def _read(engine: AsyncEngine, call: case_calls.ReadCase, _: Clock) -> Case | None:
    return await engine.read_case(call.case_id)


async def _close(engine: AsyncEngine, call: case_calls.CloseCase, _: Clock) -> Case | None:
    return await engine.close_case(call.case_id, call.note, call.by, release=call.release)


async def _erase(engine: AsyncEngine, call: case_calls.EraseCases, _: Clock) -> int:
    return await engine.erase_cases(call.user_id)


CASE_CALLS: Final[dict[str, tuple[type[Any], Any, Right]]] = {
    "list_cases": (case_calls.ListCases, _list, Right.READ),
    "read_case": (case_calls.ReadCase, _read, Right.READ),
    "close_case": (case_calls.CloseCase, _close, Right.WRITE),
    "erase_cases": (case_calls.EraseCases, _erase, Right.WRITE),
}
