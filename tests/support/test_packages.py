"""The folder of published packages never gives out half an installation."""

from __future__ import annotations

import sys

import pytest

from tests.support import packages
from tests.support.packages import kept, run


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_PACKAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "_faults", {})
    return tmp_path / "cache"


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "some.txt"
    file.write_text("some==1.0\n")
    return file


def install(home):
    (home / "package").write_text("whole")


def fail(home):
    (home / "package").write_text("half")
    run([sys.executable, "-c", "raise SystemExit('the line is cut')"], home)


def test_packages_are_installed_once(folder, lock):
    home = kept("pypi/some", [lock], install)
    (home / "package").write_text("kept")
    assert kept("pypi/some", [lock], install) == home
    assert home.parent == folder / "pypi"
    assert (home / "package").read_text() == "kept"


def test_what_another_lock_file_says_is_installed_beside(lock):
    before = kept("pypi/some", [lock], install)
    lock.write_text("some==2.0\n")
    after = kept("pypi/some", [lock], install)
    assert before != after
    assert {(home / "package").read_text() for home in (before, after)} == {"whole"}


def test_half_an_installation_is_not_taken_for_the_whole(lock, monkeypatch):
    with pytest.raises(pytest.fail.Exception, match="the line is cut"):
        kept("pypi/some", [lock], fail)
    monkeypatch.setattr(packages, "_faults", {})  # the next run
    assert (kept("pypi/some", [lock], install) / "package").read_text() == "whole"


def test_what_could_not_be_installed_is_told_to_all_tests_and_tried_once(folder, lock):
    tried = []
    for _ in range(3):
        with pytest.raises(pytest.fail.Exception, match="pypi/some could not be installed") as told:
            kept("pypi/some", [lock], lambda home: [tried.append(home), fail(home)])
        assert str(folder) in str(told.value)
    assert len(tried) == 1
