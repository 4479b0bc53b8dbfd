"""The benchmark of scale runs at a small size on each database, and its output is whole."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.scale import calls, paper, population, tables
from bench.scale.engines import started
from reseal.core.model import Scope

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ["SQLite", "PostgreSQL", "MariaDB", "Redis"]


def run(*options):
    command = [sys.executable, "-m", "bench.scale", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_call_is_measured_at_each_size(engine):
    done = run(engine, "--sizes", "1000", "2000", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    for call in calls.PREPARATIONS:
        [line] = [line for line in done.stdout.splitlines() if line.startswith(f"| {call} |")]
        assert line.count("|") == 8
        assert line.count(" × |") == 2
    [space] = [line for line in done.stdout.splitlines() if line.startswith(f"| {engine} | 2,000 |")]
    assert space.count(" MB") >= (2 if engine == "SQLite" else 3)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_row_that_was_filled_in_is_one_that_the_store_writes(engine):
    with started(engine) as database:
        store = await calls.opened(database, 1000)
        try:
            await store.fill()
            template = await population.template_of(store.engine)
            number = 7
            filled = (await store.engine.list_user(population.user_of(number)))[0]
            for name in set(filled.__struct_fields__) - population.OWN:
                assert getattr(filled, name) == getattr(template, name), name
            assert filled.expires_at - filled.rotated_at == template.expires_at - template.rotated_at
            assert len(filled.successor_sealed) == len(template.successor_sealed)
            tokens = await store.engine.refresh(store.population.token(number).text)
            assert (tokens.claims.sub, tokens.claims.gen) == (population.user_of(number), template.generation + 1)
            found, _now = await store.engine.store.get(Scope(), tokens.claims.sid)
            assert found.version == template.version + 1
            assert await store.engine.purge() == 0
            await store.turn("purge, a session")
        finally:
            await store.engine.close()


def test_most_users_have_a_few_sessions_and_some_have_many():
    sizes = Counter(Counter(population.user_of(number) for number in range(2 * population.BLOCK)).values())
    assert sum(size * users for size, users in sizes.items()) == 2000
    assert (sizes[100], sizes[25]) == (2, 16)
    assert all(sizes[few] > 100 for few in (1, 2, 3, 4))
    assert population.sessions_of_its_user(0) == 100
    assert population.sessions_of_its_user(1998) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("Oracle",), "ENGINE: Oracle is none of PostgreSQL, MariaDB, SQLite, Redis"),
        (("SQLite", "--sizes", "1500"), "--sizes: multiples of 1000"),
        (("SQLite", "--rounds", "1"), "--rounds: at least 2"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    done = run(*options)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_power_of_ten_is_written_as_one():
    assert [tables.size_name(size) for size in (1000, 10**7, 3000)] == ["10^3", "10^7", "3,000"]


MEASURED = {
    "sizes": [1000, 10**6],
    "filled": [
        {"disk": {"reseal_session": 700_000, "reseal_session_pkey": 100_000}, "disk_before": 0, "memory": [0, 1]},
        {
            "disk": {"reseal_session": 800 * 10**6, "reseal_session_pkey": 200 * 10**6},
            "disk_before": 0,
            "memory": [0, 1],
        },
    ],
    "calls": {
        name: [
            {"own": 100, "database": 50, "log": 900, "growth": 1.0, "growth_of_work": 1.0},
            {"own": 200, "database": 100, "log": 1000, "growth": growth, "growth_of_work": 1.2},
        ]
        for name, growth in (("create", 1.2), ("refresh", 1.6), ("first verify after a refresh", 1.0))
    },
}


def test_calls_that_grow_by_more_than_the_target_are_named():
    assert tables.verdict(MEASURED) == (
        "More than 1.5 × the time: refresh (1.60 ×). More than 1.5 × the processor time: none."
    )
    drawn = tables.growth_chart("PostgreSQL", MEASURED)
    assert all(text in drawn for text in ("PostgreSQL: calls among a million sessions", "among 1,000", "target: 1.5 ×"))


def test_a_core_carries_what_its_processor_time_allows():
    # 300 µs for a refresh; 600 µs with its verify, once an hour: 0.5 × 3600 s ÷ 600 µs
    assert "| PostgreSQL, a million | 200 + 100 µs | 1,667 | 3,000,000 | 1,000 bytes |" in tables.machine_table(
        {"PostgreSQL": MEASURED}
    )


def test_an_operator_reads_what_so_many_sessions_take():
    lines = tables.short_table({"PostgreSQL": MEASURED, "SQLite": MEASURED}).splitlines()
    assert lines[2] == "| a million | 1.0 GB of disk, 0.3 GB of memory | 1.0 GB of disk, 0.3 GB of memory |"
    assert lines[4] == "| 100 million | 100 GB of disk, 28 GB of memory | take a server |"


def test_a_thousand_million_sessions_are_computed_from_the_figures():
    assumed = paper.Assumed(refreshing=36e6, creates=5000, cores=4, memory_gb=128)
    needs = paper.needs("PostgreSQL", MEASURED, assumed)
    assert (needs.disk_gb, needs.memory_gb) == (1000, 280)  # 200 bytes of indexes, and a tenth of 800
    assert needs.writes == 25_000
    assert needs.cores == pytest.approx(25_000 * 100e-6 / 0.5)
    assert needs.own_cores == pytest.approx(25_000 * 200e-6 / 0.5)
    assert needs.log_mb == pytest.approx(25)
    assert (needs.shards, needs.machines) == (3, 6)  # 280 GB in 96 GB each
    assert needs.dollars == pytest.approx(6 * 500 + 2 * 1000 * 0.10)
