"""Native calls: arguments in, and out comes the outcome or the error that the service names.

An answer that is not known is ``StoreUnavailable``, whatever the network did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from reseal._async.remote_hosts import AsyncFailover
from reseal.core.dpop import shown_again
from reseal.core.errors import InvalidInput, StoreUnavailable
from reseal.correlation import HEADER, current_id, harmless
from reseal.rpc import calls

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_OK: Final = 200
_NO_KEY: Final = 401
_TOO_LARGE: Final = 413


class KeyRefused(StoreUnavailable):
    """The service does not accept the API key; nobody was signed out."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"API key: {problem}")


class AsyncCalls:
    """The calls of one configuration."""

    def __init__(self, profile: calls.Profile, hosts: AsyncFailover, random: Callable[[int], bytes]) -> None:
        self._profile = profile
        self._hosts = hosts
        self._random = random
        self.inject: Callable[[dict[str, str]], object] | None = None
        """Adds headers to each call, such as those of a trace."""

    async def call(
        self, name: str, outcome: type[T], *, repeatable: bool, correlation_id: str | None = None, **arguments: object
    ) -> T:
        """Carry out a call. ``correlation_id`` goes along, or else that of the present ``correlated`` block."""
        followed = harmless(correlation_id) or current_id()
        number = self._random(8).hex()
        headers = {calls.CALL: number} | ({} if followed is None else {HEADER: followed})
        if self.inject is not None:
            self.inject(headers)

        def body(sent: int) -> bytes:
            return msgspec.json.encode({"profile": self._profile, **(shown_again(arguments) if sent else arguments)})

        answer = await self._hosts.send("POST", f"{calls.PREFIX}{name}", body, headers, repeatable=repeatable)
        if answer.status_code in (_OK, calls.REFUSED) and answer.headers.get(calls.CALL) != number:
            raise StoreUnavailable(f"the service gave an answer to {name} that is not one to this call")
        return _read(name, answer, outcome)


def _read(name: str, answer: httpx.Response, outcome: type[T]) -> T:
    try:
        if answer.status_code == _OK:
            return msgspec.json.decode(answer.content, type=outcome)
        if answer.status_code == calls.REFUSED:
            error = calls.error_of(msgspec.json.decode(answer.content, type=calls.Failure))
            if error is not None:
                raise error
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StoreUnavailable(f"the service gave an answer to {name} that cannot be read") from None
    if answer.status_code == _NO_KEY:
        raise KeyRefused("the service does not accept it")
    if answer.status_code == _TOO_LARGE:
        raise InvalidInput("session_data", "is larger than the service accepts")
    raise StoreUnavailable(f"the service answered {name} with status {answer.status_code}{_followed(answer)}")


def _followed(answer: httpx.Response) -> str:
    """Name the id under which the service's log has details."""
    correlation_id = harmless(answer.headers.get(HEADER))
    return "" if correlation_id is None else f" ({HEADER} {correlation_id})"
