"""The folder of published packages never gives out half an installation."""

from __future__ import annotations

import sys

import pytest

from tests.sdk.cache import kept, run


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RESEAL_TEST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def install(home):
    (home / "package").write_text("whole")


def test_a_package_is_installed_once(folder):
    home = kept("pypi/some-1.0", "some==1.0", install)
    (home / "package").write_text("kept")
    assert kept("pypi/some-1.0", "some==1.0", install) == home == folder / "pypi" / "some-1.0"
    assert (home / "package").read_text() == "kept"


def test_a_package_is_installed_anew_when_something_else_is_wanted():
    home = kept("pypi/some-1.0", "some==1.0", install)
    (home / "package").write_text("old")
    assert (kept("pypi/some-1.0", "some==1.0\nother==2", install) / "package").read_text() == "whole"


def test_half_an_installation_is_not_taken_for_the_whole():
    def fail(home):
        (home / "package").write_text("half")
        run([sys.executable, "-c", "raise SystemExit('the line is cut')"], home)

    with pytest.raises(RuntimeError, match="the line is cut"):
        kept("pypi/some-1.0", "some==1.0", fail)
    assert (kept("pypi/some-1.0", "some==1.0", install) / "package").read_text() == "whole"
