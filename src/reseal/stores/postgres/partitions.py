"""The forms of the table of sessions: one table, or hash partitions by the handle; and the DDL of another form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reseal.stores.sql_files import queries

QUERIES: Final = queries("postgres", {}, "partitions.sql")
OLDEST_SERVER: Final = 14
"""Older ones look into each partition for an update of several rows."""
MOST: Final = 128
"""Partitions. Each statement locks all of them."""
KEY: Final = ("app_id", "tenant_id", "handle")


class Form(NamedTuple):
    """What the query ``form`` tells of the table."""

    schema: str
    owner: str
    is_owned: bool
    may_create: bool
    server: int
    partitions: int
    options: str | None
    rows: int
    """As far as the server has counted them."""
    size: int
    """In bytes, with indexes."""

    @property
    def shown(self) -> str:
        return shown(self.partitions)


class Column(NamedTuple):
    name: str
    type: str
    not_null: bool
    collation: int


class Index(NamedTuple):
    name: str
    is_primary: bool
    is_unique: bool
    definition: str
    """From ``USING`` on."""


class Grant(NamedTuple):
    privilege: str
    grantee: str
    """Quoted, or PUBLIC."""


class Table(NamedTuple):
    """All that a copy of the table has to have too."""

    form: Form
    columns: Sequence[Column]
    indexes: Sequence[Index]
    grants: Sequence[Grant]


def shown(partitions: int) -> str:
    """Name a form for people."""
    return "one table" if partitions == 1 else f"{partitions} partitions"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def creation(table: Table, into: int) -> Iterator[str]:
    """Yield the statements that create an empty copy in another form; nothing uses it yet."""
    form, schema = table.form, quoted(table.form.schema)
    new = f"{schema}.reseal_session_new"
    options = f" WITH ({form.options})" if form.options else ""
    like = f"CREATE TABLE {new} (LIKE {schema}.reseal_session INCLUDING ALL EXCLUDING INDEXES)"
    tables = [new]
    if into == 1:
        yield like + options
    else:
        yield f"{like} PARTITION BY HASH (handle)"
        for n in range(into):
            tables.append(f"{schema}.reseal_session_{into}_{n}")
            bounds = f"FOR VALUES WITH (MODULUS {into}, REMAINDER {n})"
            yield f"CREATE TABLE {tables[-1]} PARTITION OF {new} {bounds}{options}"
    for index in table.indexes:
        yield _creation_of(index, new)
    for each in tables:
        yield f"ALTER TABLE {each} OWNER TO {quoted(form.owner)}"
        yield from (f"GRANT {grant.privilege} ON {each} TO {grant.grantee}" for grant in table.grants)
    yield _repeating(table, new)
    yield f"ALTER FUNCTION {schema}.reseal_repeat() OWNER TO {quoted(form.owner)}"


def trigger(table: Table) -> str:
    """Return the statement from which on what is written is written to the copy too."""
    schema = quoted(table.form.schema)
    return (
        f"CREATE TRIGGER reseal_repeat AFTER INSERT OR UPDATE OR DELETE ON {schema}.reseal_session "
        f"FOR EACH ROW EXECUTE FUNCTION {schema}.reseal_repeat()"
    )


def exchange(table: Table) -> Iterator[str]:
    """Yield the statements that put the copy in the place of the table, whose indexes have to make room as well."""
    schema = quoted(table.form.schema)
    yield QUERIES["drop_trigger"]
    yield QUERIES["drop_function"]
    for index in table.indexes:
        yield f"ALTER INDEX {schema}.{quoted(index.name)} RENAME TO {quoted(index.name + '_old')}"
    yield f"ALTER TABLE {schema}.reseal_session RENAME TO reseal_session_old"
    for index in table.indexes:
        yield f"ALTER INDEX {schema}.{quoted(index.name + '_new')} RENAME TO {quoted(index.name)}"
    yield f"ALTER TABLE {schema}.reseal_session_new RENAME TO reseal_session"


def _creation_of(index: Index, table: str) -> str:
    name = quoted(f"{index.name}_new")
    if index.is_primary:
        return f"ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY ({', '.join(KEY)})"
    unique = "UNIQUE " if index.is_unique else ""
    return f"CREATE {unique}INDEX {name} ON {table} {index.definition}"


def _repeating(table: Table, new: str) -> str:
    """Return the function of the trigger. It runs with the rights of whoever writes."""
    changed = [column.name for column in table.columns if column.name not in KEY]
    names = ", ".join(map(quoted, changed))
    values = ", ".join(f"excluded.{quoted(name)}" for name in changed)
    same = " AND ".join(f"s.{name} = OLD.{name}" for name in KEY)
    return f"""
CREATE FUNCTION {quoted(table.form.schema)}.reseal_repeat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM {new} AS s WHERE {same};
    ELSE
        INSERT INTO {new} SELECT NEW.* ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET ({names}) = ROW({values});
    END IF;
    RETURN NULL;
END
$$"""  # noqa: S608 - names from the catalog, quoted
