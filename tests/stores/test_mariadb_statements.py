"""What the store in MariaDB sends: the queries of the other servers, with values that cannot end a literal."""

from __future__ import annotations

import re

import pytest

from reseal._async.stores.mariadb_transactions import TRANSACTIONS
from reseal.stores import postgres, rows
from reseal.stores.mariadb import CLOCKED_QUERIES, QUERIES
from reseal.stores.mariadb.statements import Table, literal, statement
from reseal.stores.sql_files import schema_steps, statements_of

OF_POSTGRESQL = {
    *(
        "begin_upgrade",
        "begin_indexes",
        "identify",
        "keep_vacuum_off",
        "lacking_indexes",
        "lacking_rights",
        "limit_lock",
    ),
    *("abandon_partitioning", "listen_kill_list", "partitions_lacking_index"),
}
"""What only PostgreSQL is asked."""


def test_every_query_of_the_other_server_has_its_like_here():
    assert set(postgres.QUERIES) - OF_POSTGRESQL - set(QUERIES) - set(TRANSACTIONS) == set()


def test_a_name_stands_for_one_query_or_one_transaction():
    assert set(QUERIES) & set(TRANSACTIONS) == set()
    assert set(QUERIES) == set(CLOCKED_QUERIES)


def test_every_column_of_a_session_is_in_the_schema():
    [created] = re.findall(
        r"CREATE TABLE IF NOT EXISTS reseal_session \((.*?)\n\)", schema_steps("mariadb")[0], re.DOTALL
    )
    later = " ".join(schema_steps("mariadb")[1:])
    assert [each for each in rows.COLUMNS if f" {each} " not in created + later] == []


def test_every_statement_of_a_step_can_be_run_again():
    for step in schema_steps("mariadb"):
        for each in statements_of(step):
            assert re.search(
                r"^(CREATE TABLE IF NOT EXISTS|INSERT IGNORE|ALTER TABLE .* IF NOT EXISTS)", each, re.MULTILINE
            )


@pytest.mark.parametrize("text", ["", "a", "'; DROP TABLE reseal_session; --", "\\'", "ж\u2028\U0001f469", "%(name)s"])
def test_text_is_written_as_digits(text):
    assert literal(text) == f"x'{text.encode().hex()}'"
    assert statement("SELECT %(name)s", {"name": text}) == f"SELECT x'{text.encode().hex()}'"


@pytest.mark.parametrize("text", ["\0", "a\0", "\ud800"], ids=ascii)
def test_text_that_no_server_holds_is_refused(text):
    with pytest.raises(UnicodeError):
        literal(text)


@pytest.mark.parametrize(("value", "written"), [
    (None, "NULL"), (0, "0"), (-7, "-7"), (2**63 - 1, "9223372036854775807"), (True, "1"), (False, "0"),
    (b"\0\xff", "x'00ff'"), ([], "NULL"), ([1, 2], "1, 2"), ((1, None), "(1, NULL)"), ([(1, 2), (3, 4)], "(1, 2), (3, 4)"),
    (Table([{"a": 1, "b": None}, {"a": 2, "b": 3}]), "SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, 3"),
])  # fmt: skip
def test_other_values_are_written_as_they_are(value, written):
    assert literal(value) == written


@pytest.mark.parametrize("value", [1.5, {"a": 1}, object()])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(TypeError):
        literal(value)
