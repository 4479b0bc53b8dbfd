"""The lists of faults and reports name tests that are there."""

import re

import pytest

from tests.docs.pages import DOCS, ROOT

NAMED = re.compile(r"`([\w/.-]+\.py)(?:::([\w.\[\]/-]+))?`")
LISTS = ("proofs.md", "reports.md")


def named(page):
    return sorted(set(NAMED.findall((DOCS / page).read_text("utf-8"))))


@pytest.mark.parametrize("page", LISTS)
def test_every_test_that_a_list_names_is_there(page):
    tests = named(page)
    assert tests
    missing = []
    for path, name in tests:
        file = ROOT / path
        function = name.partition("[")[0].rpartition("::")[2]
        if not file.is_file() or (function and f"def {function}(" not in file.read_text("utf-8")):
            missing.append(f"{path}::{name}")
    assert missing == []
