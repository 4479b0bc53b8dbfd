"""Start the service again and again and kill it, each time a little later, until it is killed after it has started.

python -m tests.server.crash_loop TIMES

The service is configured by the environment. Each start is a fork of this process, which has imported all of it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from reseal.server import process  # noqa: F401 - so that the forks have it
from reseal.server.cli import main

READY = b"Started Reseal on "


def crash(times: int) -> None:
    """Kill so many starts, spread over the time that an undisturbed one takes, and a little more."""
    began = time.monotonic()
    _killed(after=None, RESEAL_DATABASE_URI="memory:")
    usual = time.monotonic() - began
    for n in range(times):
        _killed(after=1.2 * usual * n / times)


def _killed(*, after: float | None, **variables: str) -> None:
    """Start it in a fork, and kill that after so many seconds, or once it answers."""
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.environ.update(variables)
        os.dup2(here, 1)
        os._exit(main(["serve"]))
    os.close(here)
    if after is None:
        told = os.read(there, len(READY))
        assert told == READY, "it does not start at all"
    else:
        time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(there)


if __name__ == "__main__":
    crash(int(sys.argv[1]))
