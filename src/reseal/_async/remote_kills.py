"""The kill list of a service: what follows a cursor, at once or as soon as a session ends."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from reseal._async.remote_calls import KeyRefused
from reseal._async.remote_hosts import AsyncFailover
from reseal.core.errors import StoreUnavailable
from reseal.core.kill_list import PAGE, KillCursor, KillPage
from reseal.core.model import Scope
from reseal.rpc import calls, kill_calls
from reseal.rpc.kill_calls import Feed

_OK: Final = 200
_NO_KEY: Final = 401
_NONE: Final = 404
_CUT: Final = 504


class NoKillList(StoreUnavailable):
    """The service has no kill list."""

    def __init__(self) -> None:
        super().__init__("the service has no kill list")


class WaitCut(StoreUnavailable):
    """A proxy did not wait as long as the service."""

    def __init__(self) -> None:
        super().__init__("a proxy cut a request that waited: set its read timeout to 30 seconds")


class Told(NamedTuple):
    """What the service answered."""

    page: KillPage
    waited_ms: int
    """When it read its store, in ms after the request arrived; negative: before that."""


class AsyncRemoteKills:
    """Reads the list from the service."""

    def __init__(self, hosts: AsyncFailover) -> None:
        self._hosts = hosts

    async def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:  # noqa: ARG002
        """Read what follows a cursor. The service decides how much comes at once."""
        return (await self.wait_for(scope, after, 0)).page

    async def wait_for(self, scope: Scope, after: KillCursor | None, wait_s: int) -> Told:
        """Read what follows a cursor; if that is nothing, wait for it.

        Raises ``StoreUnavailable``, of which ``NoKillList``, ``WaitCut`` and ``KeyRefused`` are three.
        """
        asked: dict[str, object] = {"app_id": scope.app_id, "tenant_id": scope.tenant_id}
        if after is not None:
            asked |= {"after": after.text(), "wait": wait_s}
        path = f"{calls.PREFIX}{kill_calls.NAME}?{urlencode(asked)}"
        answer = await self._hosts.send("GET", path, lambda _: b"", {}, repeatable=True, longer_s=wait_s)
        if answer.status_code == kill_calls.GONE and after is not None:
            return await self.wait_for(scope, None, 0)
        if answer.status_code == _NONE:
            raise NoKillList
        if answer.status_code == _CUT and wait_s:
            raise WaitCut
        if answer.status_code == _NO_KEY:
            raise KeyRefused("the service does not accept it")
        if answer.status_code != _OK:
            raise StoreUnavailable(f"the service answered kill_list with status {answer.status_code}")
        return _told(answer.content)


def _told(content: bytes) -> Told:
    try:
        feed = msgspec.json.decode(content, type=Feed)
        page = feed.page()
    except (msgspec.DecodeError, UnicodeDecodeError):
        page = None
    if page is None:
        raise StoreUnavailable("the service gave an answer to kill_list that cannot be read")
    return Told(page, feed.waited_ms)
