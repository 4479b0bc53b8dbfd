"""The table of security requirements is whole, and every test that it names is there."""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "security.md"
RANGES = [(1, 46), (48, 70), (74, 86), (90, 100)]
COVERED = [f"S{n:02}" for first, last in RANGES for n in range(first, last + 1)]
EVERY = {f"S{n:02}" for n in range(1, 101)}
ATTACKS = "test_every_attack_of_the_table_is_refused"

PYTHON = re.compile(r"`((?:tests|src)/[\w/]+\.py)::([\w:]+)`")
NODE = re.compile(r"`(browser/test/[\w-]+\.test\.mjs)` `([^`]+)`")
SENTENCE = re.compile(r"\btest\((?:\"([^\"\n]+)\"|`([^`\n]+)`),")


def table():
    """Each line of the tables that begins with an id, as its cells."""
    for line in PAGE.read_text("utf-8").splitlines():
        if re.match(r"\| *S\d", line):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


ROWS = list(table())


def row_id(row):
    return row[0]


@cache
def python_tests(path):
    """The tests of a Python file, those of a class behind its name."""
    found = set()

    def walk(body, prefix):
        for node in body:
            match node:
                case ast.ClassDef(name=name, body=inner):
                    walk(inner, f"{prefix}{name}::")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                    found.add(prefix + name)

    walk(ast.parse((ROOT / path).read_text("utf-8")).body, "")
    return found


@cache
def node_tests(path):
    return {quoted or template for quoted, template in SENTENCE.findall((ROOT / path).read_text("utf-8"))}


def test_every_requirement_that_is_kept_has_one_row():
    assert sorted((row[0] for row in ROWS), key=lambda row_id: int(row_id[1:])) == COVERED


def test_every_other_requirement_is_said_to_be_missing():
    missing = re.findall(r"\bS\d+\b", PAGE.read_text("utf-8").partition("\n## Not here yet\n")[2])
    assert sorted(missing) == sorted(EVERY - set(COVERED))


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_a_row_has_a_promise_and_tests_and_nothing_unread(row):
    assert len(row) == 4
    _, promise, shown_by, _ = row
    assert promise
    named = shown_by.split("<br>")
    assert len(set(named)) == len(named)
    assert [text for text in named if not (PYTHON.fullmatch(text) or NODE.fullmatch(text))] == []


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_every_test_that_a_row_names_exists(row):
    python, node = PYTHON.findall(row[2]), NODE.findall(row[2])
    assert python or node
    absent = [f"{path}: no such file" for path, _ in python + node if not (ROOT / path).is_file()]
    assert absent == []
    absent += [f"{path}::{name}" for path, name in python if name not in python_tests(path)]
    absent += [f"{path}: {sentence}" for path, sentence in node if sentence not in node_tests(path)]
    assert absent == []


def test_a_row_that_relies_on_the_table_of_attacks_has_attacks_there():
    attacks = json.loads((ROOT / "tests/core/token_attacks.json").read_text("utf-8"))["attacks"]
    marked = {attack["row"] for attack in attacks}
    relying = {row[0] for row in ROWS if ATTACKS in row[2]}
    assert relying - marked == {"S80"}  # its attacks are those marked S19, S23 and S24
    assert marked - relying == {"S22"}  # shown by whole apps and tenants as well


def test_the_search_finds_tests_of_every_kind():
    suite = python_tests("src/reseal/testing/_async/store_suites/isolation.py")
    assert "AsyncIsolationSuite::test_apps_and_tenants_never_meet" in suite
    assert "test_no_single_flipped_bit_survives" in python_tests("tests/core/test_access_token.py")
    refresh = node_tests("browser/test/refresh.test.mjs")
    assert {"a valid session is never refreshed", "a client clock wrong by ${hours} hours changes nothing"} <= refresh
