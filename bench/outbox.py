"""The price of the event outbox for a refresh, with each setting, and for ``off`` against a commit before it.

python -m bench.outbox [--before FOLDER] [--rounds 60] [--callers 32] [--store sqlite] [--uri postgresql://…]

``--before`` names a checkout of another commit: it refreshes in the same rounds, in a process of its own, as every
variant does, and twice, which shows how much is chance. Without ``--uri`` a PostgreSQL server is started. The ratios
to the first variant are the claim.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.measure import median, micro, print_machine, ratio

HERE = Path(__file__).resolve().parents[1]
ONE_TURN = 320
"""Refreshes in one turn. Turns are short, so that a load that comes and goes meets all variants."""
MODES = ("off", "security", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--store", action="append", choices=("sqlite", "postgres"))
    parser.add_argument("--uri")
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder, _server(options.uri) as base:
        for callers in sorted({options.callers, 1}, reverse=True):
            for name in options.store or ("sqlite", "postgres"):
                _compare(name, Path(folder), base, options, callers)


def _compare(store: str, folder: Path, base: str, options: argparse.Namespace, callers: int) -> None:
    variants = {mode: (HERE, mode) for mode in MODES}
    if options.before:
        before = options.before.resolve(), ""
        variants = {"before": before, "the same": before, **variants}
    with ExitStack() as stack:
        workers = {}
        for name, (source, mode) in variants.items():
            uri = (
                f"sqlite:///{folder}/{name}-{callers}.db"
                if store == "sqlite"
                else _schema(base, f"{name}{callers}".replace(" ", ""))
            )
            workers[name] = stack.enter_context(_worker(source, uri, mode, callers))
        order, turns = list(workers), {name: [] for name in workers}
        for _ in range(options.rounds + 1):
            for name in order:
                turns[name].append(_turn(workers[name]))
            order.append(order.pop(0))
    seconds, cpu = ({name: [turn[n] for turn in its[1:]] for name, its in turns.items()} for n in (0, 1))
    first = next(iter(variants))
    print(f"{store}, {callers} callers: time of a refresh, rate, ratio; our own CPU, ratio")
    for name, each in seconds.items():
        print(
            f"  {name:10}{micro(median(each))} {1 / median(each):8.0f}/s {ratio(each, seconds[first]):6.3f} x", end=""
        )
        print(f" {micro(median(cpu[name]))} {ratio(cpu[name], cpu[first]):6.3f} x")


def _turn(worker: subprocess.Popen[str]) -> tuple[float, float]:
    assert worker.stdin
    assert worker.stdout
    print("go", file=worker.stdin, flush=True)
    seconds, cpu = map(float, worker.stdout.readline().split())
    return seconds, cpu


@contextmanager
def _worker(source: Path, uri: str, mode: str, callers: int) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": f"{source / 'src'}{os.pathsep}{HERE}"}
    command = [sys.executable, __file__, "--worker", uri, mode, str(callers)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as worker:
        yield worker
        assert worker.stdin
        worker.stdin.close()


async def _work(uri: str, mode: str, callers: int) -> None:
    """Refresh whenever a line comes, and answer with the seconds of one refresh."""
    from reseal import AsyncEngine, Settings
    from reseal._async.stores import make_store

    changes = {"event_outbox": mode} if mode else {}
    settings = Settings(api_domain="https://api.example.com", database_uri=uri, **changes)
    async with AsyncEngine(settings, make_store(settings), on_event=lambda _: None) as engine:
        tokens = [(await engine.create(f"user {n}")).refresh_token for n in range(callers)]

        async def refresh(n: int) -> None:
            for _ in range(ONE_TURN // callers):
                tokens[n] = (await engine.refresh(tokens[n])).refresh_token

        while await asyncio.to_thread(sys.stdin.readline):
            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*map(refresh, range(callers)))
            ended, cpu_ended = time.perf_counter(), time.process_time()
            print((ended - began) / ONE_TURN, (cpu_ended - cpu) / ONE_TURN, flush=True)


def _schema(base: str, name: str) -> str:
    import psycopg

    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
    return f"{base}{'&' if '?' in base else '?'}options=-csearch_path%3D{name}"


@contextmanager
def _server(uri: str | None) -> Iterator[str]:
    if uri:
        yield uri
        return
    from tests.support.postgres import cluster

    with cluster() as own:
        yield own.uri()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        asyncio.run(_work(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        main()
