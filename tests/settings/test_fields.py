"""The table of settings and its views agree: the embedded form, the service, an app, and the profile of a caller."""

import dataclasses
import typing

import pytest

from reseal.core.model import Rollback, TheftResponse
from reseal.rpc.calls import Profile
from reseal.server.appconfig import APP_KEYS
from reseal.server.config import ServiceSettings, words
from reseal.server.fields import ServiceFields
from reseal.settings import Settings
from reseal.settings.fields import EmbeddedFields, SharedFields, Where, names_where, rows

FORMS = {EmbeddedFields: Settings, ServiceFields: ServiceSettings}
ROWS = [(form, row) for form in FORMS for row in rows(form).values()]


def row_id(value):
    return getattr(value, "name", getattr(value, "__name__", ""))


@pytest.mark.parametrize("form", FORMS)
def test_the_keys_of_a_form_are_its_rows(form):
    keys = [each for each in dataclasses.fields(FORMS[form]) if each.init]
    assert {(key.name, str(key.type), key.default) for key in keys} == {
        (row.name, row.kind, row.default) for row in rows(form).values()
    }


@pytest.mark.parametrize(("form", "row"), ROWS, ids=row_id)
def test_a_row_has_its_meaning_and_a_default_that_is_valid(form, row):
    assert row.doc.endswith(".")
    if row.default is not dataclasses.MISSING:
        assert row.rule(row.default) == row.default


@pytest.mark.parametrize("name", rows(SharedFields))
def test_a_shared_key_has_the_same_type_unit_and_places_in_both_forms(name):
    embedded, service = rows(EmbeddedFields)[name], rows(ServiceFields)[name]
    for fact in ("kind", "unit", "chapter", "where", "other_names"):
        assert getattr(embedded, fact) == getattr(service, fact)


def test_other_names_are_nobody_s_keys():
    for form in FORMS:
        others = [other for row in rows(form).values() for other in row.other_names]
        assert len(others) == len(set(others))
        assert not set(others) & rows(form).keys()
    assert not words().aliases.keys() & words().kinds.keys()


def test_the_profile_of_a_caller_is_made_of_the_keys_that_travel():
    travelling = names_where(EmbeddedFields, Where.PROFILE)
    assert sorted(Profile.__struct_fields__) == sorted(travelling)
    types = typing.get_type_hints(EmbeddedFields)
    as_text = {TheftResponse | None: str | None, Rollback: str}
    assert typing.get_type_hints(Profile) == {name: as_text.get(types[name], types[name]) for name in travelling}


def test_an_app_sets_for_itself_the_keys_that_count_there():
    assert set(APP_KEYS) == {row.name for row in rows(ServiceFields).values() if Where.APP in row.where}
    assert {"access_token_validity", "session_absolute_timeout", "theft_response", "api_keys"} <= set(APP_KEYS)
    assert "host" not in APP_KEYS
