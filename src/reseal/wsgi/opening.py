"""When the sessions of an application are opened and closed."""

from __future__ import annotations

from reseal._sync.reseal import Reseal
from reseal.core.errors import ResealError
from reseal.forks import PerProcess, new_lock
from reseal.log import LOGGER


class Opening:
    """Opens the sessions before the first request that needs them, in whatever thread that comes."""

    def __init__(self, sessions: Reseal) -> None:
        self._sessions = sessions
        self._is_open = False  # a forked child finds the stores open: each resource is one of its own process
        self._lock = PerProcess(new_lock)

    def ensure(self) -> None:
        """Open the sessions unless they are open. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        if self._is_open:
            return
        with self._lock.here():
            if not self._is_open:
                self._sessions.open()
                self._is_open = True

    def refusal(self) -> ResealError | None:
        """Open the sessions for a request; return why that cannot be done."""
        try:
            self.ensure()
        except ResealError as error:
            LOGGER.error("the sessions cannot be opened: %s", error)
            return error
        return None

    def close(self) -> None:
        """Close the sessions; the next request opens them again."""
        self._is_open = False
        self._sessions.close()
