"""Which version a request speaks (core interface, section 1)."""

from __future__ import annotations

import pytest

from reseal.cdi.paths import ROUTES, without_header
from reseal.cdi.problem import Problem
from reseal.cdi.versions import SUPPORTED, Bounds, Version, negotiate, token_version
from tests.server.material import core

BOUNDS = Bounds(Version(2, 9), Version(5, 0))


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("5.7", "cdi-version 5.7 not supported"),
        ("6.0", "cdi-version 6.0 not supported"),
        ("2.22", "cdi-version 2.22 not supported"),
        ("05.0", "cdi-version 05.0 not supported"),
        ("5", "cdi-version 5 not supported"),
        ("5.0.0", "cdi-version 5.0.0 not supported"),
        ("9" * 5000, f"cdi-version {'9' * 32} not supported"),
        ("", "cdi-version header is invalid"),
        ("five", "cdi-version header is invalid"),
        ("5.0 ", "cdi-version header is invalid"),
        ("-5.0", "cdi-version header is invalid"),
        ("٥.٠", "cdi-version header is invalid"),
        ("5.0\n", "cdi-version header is invalid"),
        ("<b>", "cdi-version header is invalid"),
    ],
)
def test_a_version_that_there_is_not_is_refused(header, text):
    with pytest.raises(Problem) as refused:
        negotiate(header, Bounds())
    assert (refused.value.status, refused.value.text) == (400, text)


def test_every_published_version_is_spoken():
    texts = [
        "1.0",
        "2.0",
        "2.1",
        "2.2",
        "2.3",
        "2.4",
        "2.9",
        "2.10",
        "2.20",
        "2.21",
        "3.0",
        "3.1",
        "4.0",
        "5.0",
        "5.1",
        "5.2",
        "5.3",
        "5.4",
        "5.5",
        "5.6",
    ]
    assert [str(negotiate(text, Bounds())) for text in texts] == texts


def test_a_version_outside_the_configured_bounds_is_refused():
    with pytest.raises(Problem, match=r"^cdi-version 5\.1 not supported$"):
        negotiate("5.1", BOUNDS)
    with pytest.raises(Problem, match=r"^cdi-version 2\.8 is lower than the minimum allowed version 2\.9$"):
        negotiate("2.8", BOUNDS)
    assert negotiate("2.9", BOUNDS) == Version(2, 9)
    assert negotiate("2.10", BOUNDS) == Version(2, 10)


def test_a_caller_without_a_version_speaks_the_newest_allowed_one():
    assert negotiate(None, Bounds()) == SUPPORTED[-1]
    assert negotiate(None, BOUNDS) == Version(5, 0)


def test_a_caller_without_a_version_on_an_old_path_speaks_the_first_one():
    for path in ("/session", "/session/verify", "/handshake", "/jwt/data"):
        operation = next(iter(ROUTES[path].values()))
        assert negotiate(None, Bounds(), without_header=without_header(operation)) == Version(1, 0)
    assert without_header(ROUTES["/recipe/handshake"]["POST"]) == SUPPORTED[-1]


def test_saying_nothing_is_no_way_round_the_lower_bound():
    with pytest.raises(Problem, match=r"^cdi-version 1\.0 is lower than the minimum allowed version 2\.9$"):
        negotiate(None, BOUNDS, without_header=Version(1, 0))


@pytest.mark.parametrize(
    ("version", "form"),
    [("1.0", 1), ("2.0", 2), ("2.20", 2), ("2.21", 3), ("3.0", 4), ("3.1", 4), ("4.0", 5), ("5.0", 5), ("5.6", 5)],
)
def test_the_form_of_a_token_follows_from_the_version(version, form):
    assert token_version(negotiate(version, Bounds())) == form


async def test_the_service_names_the_versions_within_its_bounds():
    async with core(bounds=Bounds(Version(2, 20), Version(4, 0))) as it:
        assert await it.get("/apiversion", cdi=None) == {"versions": ["2.20", "2.21", "3.0", "3.1", "4.0"]}


async def test_naming_the_versions_takes_any_header_and_parameter():
    async with core() as it:
        for cdi in (None, "5.4", "7.0", "nonsense"):
            shown = await it.get("/apiversion", cdi=cdi, websiteDomain="https://a.example", apiDomain="x")
            assert list(shown) == ["versions"]
            assert len(shown["versions"]) == len(SUPPORTED)


async def test_one_caller_may_mix_versions():
    async with core() as it:
        for cdi, count in (("2.4", 7), ("2.21", 4), ("5.4", 4), ("1.0", 7)):
            assert len(await it.create(cdi=cdi)) == count
