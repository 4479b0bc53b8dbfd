"""Work that goes on beside requests. Written by hand for async and sync: here it is a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

Going = Callable[[], bool]
"""Says whether the work is to go on."""


class Background:
    """One piece of work of this process, begun at its first use and again after a fork.

    The thread is a daemon: what it waits for must not keep a process that ends.
    """

    def __init__(self, name: str, work: Callable[[Going], None]) -> None:
        self._name = name
        self._work = work
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._stopped = threading.Event()

    def goes_on(self) -> bool:
        """Return whether the work goes on in this process."""
        return self._thread is not None and self._pid == os.getpid() and self._thread.is_alive()

    def ensure(self) -> None:
        """Begin the work unless it goes on."""
        if not self.goes_on():
            stopped = self._stopped = threading.Event()
            self._pid = os.getpid()
            thread = threading.Thread(target=self._work, args=(lambda: not stopped.is_set(),), name=self._name, daemon=True)
            self._thread = thread
            thread.start()

    def stop(self) -> None:
        """Have the work end at its next step; it is not waited for."""
        self._stopped.set()
        self._thread = None
