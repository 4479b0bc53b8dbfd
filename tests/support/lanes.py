"""What one run of the tests takes, and how two workers share it.

Usually it takes samples: of a matrix marked ``sampled`` the oldest value, the newest of each series and one more, which
the seed of the run chooses (it is printed; ``-p randomly_seed=N`` chooses the same again); and nothing that is marked
``whole``. With ``--whole`` it takes everything. CONTRIBUTING.md says which commands these are.

Where ``SERVICE_HTTP=uvicorn`` lets uvicorn speak HTTP for the service, nothing is taken that is marked ``own_http``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

SYNC_TESTS = "tests/_sync/"
"""The generated copy of tests/_async. What it does with a database server, its original has shown."""
DATABASE_SERVERS = frozenset(
    {
        "postgres",
        "own_postgres",
        "mariadb",
        "own_mariadb",
        "redis_server",
        "own_redis",
        "redis_nodes",
        "shared_cluster",
        "watched_redis",
    }
)
LONGEST_FIRST = ("tests/sdk/", "tests/browser/", "tests/server/", "tests/_async/", "tests/sessions/")
"""So that the workers end together: what is left for the end is short."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="take every value of the sampled matrices, and what is long")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sampled(argument, *series): of these values, usually some (tests/support/lanes.py)"
    )
    config.addinivalue_line("markers", "whole: only with --whole (tests/support/lanes.py)")
    config.addinivalue_line("markers", "own_http: limits and refusals of our own HTTP connections")


def pytest_report_header(config: pytest.Config) -> str:
    return "taken: everything" if config.getoption("whole") else "taken: samples of the long matrices (all: --whole)"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [] if config.getoption("whole") else _left_out(items, _seed(config))
    if os.environ.get("SERVICE_HTTP") == "uvicorn":
        left_out += [item for item in items if item.get_closest_marker("own_http")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_shared(item)))


class LongestFirst:
    """Registered as a plugin of its own, because it comes last: after the order was made a random one."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: next(
            (rank for rank, folder in enumerate(LONGEST_FIRST) if item.nodeid.startswith(folder)), len(LONGEST_FIRST)
        ))  # fmt: skip


def sample(series: Iterable[Sequence[Any]], seed: int) -> list[Any]:
    """Take the oldest value of all, the newest of each series, and one of the others."""
    ordered = [list(each) for each in series]
    taken = [ordered[0][0], *(each[-1] for each in ordered)]
    others = [value for each in ordered for value in each if value not in taken]
    return [*taken, *others[seed % len(others) :][:1]] if others else taken


def _left_out(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    values: dict[tuple[str, str], list[Any]] = {}
    for item in items:
        for argument, _ in _matrices(item):
            values.setdefault((_function(item), argument), []).append(_params(item)[argument])

    def is_taken(item: pytest.Item) -> bool:
        if item.get_closest_marker("whole") or _is_sync_test_of_a_server(item):
            return False
        return all(
            _params(item)[argument] in _of_function(values[_function(item), argument], series, seed)
            for argument, series in _matrices(item)
        )

    return [item for item in items if not is_taken(item)]


def _of_function(values: list[Any], series: Sequence[Sequence[Any]], seed: int) -> list[Any]:
    """What a test takes of the sample; if that can do nothing of what it is about, the newest that can."""
    if not series:
        return sample([values], seed)
    taken = sample(series, seed)
    return taken if any(value in taken for value in values) else _newest(values, series)


def _newest(values: list[Any], series: Sequence[Sequence[Any]]) -> list[Any]:
    return [value for each in series for value in each if value in values][-1:]


def _matrices(item: pytest.Item) -> list[tuple[str, tuple[Sequence[Any], ...]]]:
    marks = (mark.args for mark in item.iter_markers("sampled"))
    return [(argument, tuple(series)) for argument, *series in marks if argument in _params(item)]


def _params(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def _is_sync_test_of_a_server(item: pytest.Item) -> bool:
    return item.nodeid.startswith(SYNC_TESTS) and not DATABASE_SERVERS.isdisjoint(getattr(item, "fixturenames", ()))


def _function(item: pytest.Item) -> str:
    return item.nodeid.split("[")[0]


def _shared(item: pytest.Item) -> str:
    """Name what a worker starts once for several tests: a file's servers, or those of one value of a matrix."""
    file = item.nodeid.split("::")[0]
    series = [argument for argument, series in _matrices(item) if series]
    return ":".join([file, *(str(_params(item)[argument]) for argument in series)])


def _seed(config: pytest.Config) -> int:
    seed = getattr(config.option, "randomly_seed", 0)
    return seed if isinstance(seed, int) else 0
