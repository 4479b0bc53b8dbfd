"""Statements with their values in them. Knows no driver.

The drivers would do the same, each in its own way and with quotes, whose meaning depends on the connection's settings.
Here bytes and text are written as hexadecimal digits: whatever they contain, they cannot end the literal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from reseal.stores.rows import Values

_PARAMETER: Final = re.compile(r"%\((\w+)\)s")


class Table(list[Values]):
    """Rows that a statement reads as a table, in the order of the keys that it locks. There is at least one."""


def statement(query: str, values: Mapping[str, Any]) -> str:
    """Put values in the place of ``%(name)s``. Raises ``UnicodeError`` for text that no column can hold."""
    parts = list(_parts(query))
    parts[1::2] = [literal(values[name]) for name in parts[1::2]]
    return "".join(parts)


def literal(value: object) -> str:
    """Write a value. A list becomes its elements, a tuple has parentheses around them."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str | bytes):
        return f"x'{(_storable(value) if isinstance(value, str) else value).hex()}'"
    if isinstance(value, Table):
        return _table(value)
    elements = ", ".join(map(literal, _elements(value)))
    return f"({elements})" if isinstance(value, tuple) else elements or "NULL"


@cache
def _parts(query: str) -> tuple[str, ...]:
    """Split a query into texts and the names between them."""
    return tuple(_PARAMETER.split(query))


def _storable(text: str) -> bytes:
    """Encode text; what the stores on other servers cannot hold, this one does not hold either."""
    if "\0" in text:
        raise UnicodeEncodeError("utf-8", text, text.index("\0"), text.index("\0") + 1, "NUL is in no text")
    return text.encode()


def _elements(value: object) -> list[object] | tuple[object, ...]:
    if isinstance(value, list | tuple):
        return value
    raise TypeError(f"a {type(value).__name__} is no value of a statement")


def _table(table: Table) -> str:
    first = ", ".join(f"{literal(value)} AS {name}" for name, value in table[0].items())
    others = (", ".join(literal(row[name]) for name in table[0]) for row in table[1:])
    return " UNION ALL ".join(f"SELECT {row}" for row in (first, *others))
