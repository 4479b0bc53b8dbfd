"""Ids and handles as callers give them, and what a handle says about its tenant."""

from __future__ import annotations

from enum import StrEnum

import pytest

from reseal import InvalidInput
from reseal.core import handles, ids


class User(StrEnum):
    ALICE = "alice"


def test_text_that_is_an_instance_of_a_subclass_becomes_plain_text():
    assert type(ids.user_id(User.ALICE)) is str
    assert ids.user_id(User.ALICE) == "alice"


@pytest.mark.parametrize(
    ("given", "advice"), [(1, "str(user.pk)"), (None, "text that was looked up"), (b"alice", "user_id.decode()")]
)
def test_what_is_no_text_is_refused_with_advice(given, advice):
    with pytest.raises(InvalidInput) as error:
        ids.user_id(given)
    assert advice in str(error.value)


def test_a_handle_may_be_absent_where_that_means_something():
    assert ids.handle_or_none(None, "keep") is None
    assert ids.handle_or_none("h", "keep") == "h"


@pytest.mark.parametrize("given", ["h", b"h", 1])
def test_one_handle_is_not_several(given):
    with pytest.raises(InvalidInput, match="several handles"):
        ids.handles(given)


def test_several_handles_are_each_plain_text():
    assert ids.handles(iter(["a", User.ALICE])) == ("a", "alice")
    with pytest.raises(InvalidInput):
        ids.handles(["a", 1])


@pytest.mark.parametrize(("tenant", "suffix"), [("public", ""), ("blue", "_blue")])
def test_a_handle_names_its_tenant(tenant, suffix):
    assert handles.suffix_of(tenant) == suffix
    assert handles.tenant_of(f"abc{suffix}") == tenant


@pytest.mark.parametrize(("text", "verdict"), [("aZ09-_", True), ("", False), ("a.b", False), ("x" * 129, False)])
def test_the_form_of_a_handle_is_checked(text, verdict):
    assert handles.is_handle(text) is verdict
