"""How a reader of the kill list learns that another process has ended sessions."""

from __future__ import annotations

from typing import Protocol


class AsyncNews(Protocol):
    """Wakes one reader of the kill list. It belongs to the process and the task, or thread, that uses it.

    It is a hint: nothing is kept for a reader that was not waiting, so the reader reads on from its cursor, and now and
    then without a hint.
    """

    async def wait(self, timeout_s: float) -> bool:
        """Wait for that many seconds at most; returns whether to read now. Never fails.

        ``True``: there may be new entries, whether announced or not; so also if announcements were interrupted.
        """

    async def close(self) -> None:
        """Release the connection, if there is one."""
