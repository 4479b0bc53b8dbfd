# Generated from src/reseal/_async/stores/redis_news.py by tools/unasync.py; edit that file instead.
"""Announcements of the kill list by ``PUBLISH`` and ``SUBSCRIBE``.

The script that ends a session announces it. In a cluster an announcement goes to all nodes, so that one connection
hears them all. Redis keeps none for a connection that is gone, so each new one begins with a read.
"""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import NoPermissionError, ResponseError

from reseal._sync.stores.polled_news import POLL, PolledNews
from reseal._sync.stores.redis_server import RedisServer, Node
from reseal.log import LOGGER

POLLS: Final = 10
"""Reads without an announcement before the next attempt to listen."""
PROBE: Final = 1.0
"""Seconds of silence after which the server is asked for a sign of life; after twice as many it counts as gone."""
_INSTEAD: Final = f"other processes' ended sessions are looked for every {POLL} seconds"
_LOST: Final = f"kill_list: Redis announces nothing at present: {_INSTEAD}"
_FORBIDDEN: Final = (
    f"kill_list: the user of database_uri may not listen: {_INSTEAD}; grant it +subscribe, +publish and the channel &%s"
)
_UNABLE: Final = f"kill_list: the server, or a proxy before it, does not take SUBSCRIBE: {_INSTEAD}"


class RedisNews:
    """The announcements of one store to one reader."""

    def __init__(self, server: RedisServer, channel: str) -> None:
        self._server = server
        self._channel = channel
        self._node: Node | None = None
        self._listener: Any = None
        self._instead = PolledNews()
        self._polls = 0
        """Reads to go before the next attempt to listen."""
        self._is_asked = False
        """Whether the server was asked for a sign of life and has given none yet."""
        self._told = ""

    def wait(self, timeout_s: float) -> bool:
        """Wait for an announcement; where there can be none, for the next read at an interval."""
        if self._listener is None and self._polls == 0 and self._listen():
            return True  # what was announced before is not repeated
        if self._listener is None:
            is_time = self._instead.wait(timeout_s)
            self._polls = max(0, self._polls - is_time)
            return is_time
        try:
            return self._hear(timeout_s)
        except Exception:  # noqa: BLE001 - a driver in trouble raises more than its own errors
            self.close()
            return True

    def close(self) -> None:
        """Close the connection."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _listen(self) -> bool:
        """Listen from now on; returns whether that is possible."""
        why = self._subscribe()
        if why:
            self.close()
        if why not in {"", self._told}:
            LOGGER.warning("%s", why)
        self._told, self._polls, self._is_asked = why, POLLS if why else 0, False
        return not why

    def _subscribe(self) -> str:
        """Open the connection; returns what stands against it, if anything does."""
        try:
            self._node = self._server.node_of(self._channel)
            self._listener = self._server.listener(self._node)
            self._listener.subscribe(self._channel)
            confirmed = self._listener.get_message(timeout=self._server.timeout_s)
        except NoPermissionError:
            return _FORBIDDEN % self._channel
        except ResponseError:
            return _UNABLE
        except Exception:  # noqa: BLE001 - a driver in trouble raises more than its own errors
            return _LOST
        return "" if confirmed else _LOST

    def _hear(self, timeout_s: float) -> bool:
        """Wait for a message. Raises an error if there is no sign of life, or another node has the channel now."""
        message = self._listener.get_message(timeout=min(timeout_s, PROBE))
        if message is not None:
            self._is_asked = False
            return bool(message["type"] == "message")
        if timeout_s >= PROBE:
            if self._is_asked or self._server.node_of(self._channel) != self._node:
                raise TimeoutError
            self._listener.ping()
            self._is_asked = True
        return False
