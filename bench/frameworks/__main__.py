"""The cost of an authenticated request in each framework, over the same framework without sessions.

Beside ours: the framework's own sessions and the packages that people use for the same purpose. All are called in
process, as WSGI or ASGI, with ten request headers, and take turns in one run; CPU time is counted, since nothing waits
but a database's file.

    python bench/frameworks [--framework flask] [--rounds 200] [--calls 25]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from measure import difference, median, micro, print_machine, take_turns  # noqa: E402

ASGI = ("starlette", "fastapi", "litestar", "supertokens")
FRAMEWORKS = (*ASGI, "flask", "django")
ELSEWHERE = {"supertokens"}
"""Measured in an environment of its own: see supertokens.py."""
BARE = "bare"
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=FRAMEWORKS, help="only this one; all are measured one after the other")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--calls", type=int, default=25, help="requests a round")
    options = parser.parse_args()
    if options.framework is None:
        print_machine()
        for framework in FRAMEWORKS:  # a process for each: Django is configured once in a process
            rest = [f"--rounds={options.rounds}", f"--calls={options.calls}"]
            script = (
                [str(HERE / f"{framework}.py")] if framework in ELSEWHERE else [str(HERE), "--framework", framework]
            )
            subprocess.run([sys.executable, *script, *rest], check=True)
        return
    clients = import_module(f"{options.framework}_apps").clients()
    variants = {name: client.variant(options.calls) for name, client in clients.items()}
    run = asyncio.run if options.framework in ASGI else without_loop
    seconds = run(take_turns(variants, options.rounds, time.thread_time))
    print(f"{options.framework}\n  {BARE:<44}{micro(median(seconds[BARE]))}")
    for name in variants:
        if name != BARE:
            print(f"  {name:<44}{micro(difference(seconds[name], seconds[BARE]))} more")
    print(flush=True)


def without_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits: sync code behaves differently where an event loop runs."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # of the coroutine's type
    raise RuntimeError("a WSGI application has nothing to wait for")


if __name__ == "__main__":
    main()
