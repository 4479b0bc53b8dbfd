"""How a problem shows a value: briefly, and never a secret, a password in an address or any text before an ``@``."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}):")
_SHOWN_MAX: Final = 80
_SHOWN_BITS: Final = 128
_SHOWN_ENTRIES: Final = 10


class InvalidValueError(Exception):
    """A value breaks its rule: ``why`` follows the key's name, ``advice`` says what to do.

    ``whole``: ``why`` is a sentence of its own and follows nothing.
    """

    def __init__(self, why: str, advice: str, *, whole: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice
        self.whole = whole

    def reason(self, key: str) -> str:
        """Return the fault of this key, without its value."""
        return self.why if self.whole else f"'{key}' {self.why}"


def hidden(value: object) -> str:
    """Describe a value that nobody else should read."""
    return "a value that is not shown" if value else "nothing"


def scheme_only(value: object) -> str:
    """Describe an address that may hold a password."""
    if not isinstance(value, str):
        return shown(value)
    scheme = _SCHEME.match(value)
    return f"the scheme {scheme[1]}:" if scheme else "no scheme"


def shown(value: object) -> str:
    """Describe any value in a few words, without credentials and without calling its ``__repr__``."""
    if type(value) is str:
        text = f"***{value[value.rindex('@') :]}" if "@" in value else value
        return repr(text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…")
    if type(value) is int and value.bit_length() > _SHOWN_BITS:
        return "a huge number"
    if isinstance(value, Enum):
        return shown(value.value)
    if value is None or type(value) in {bool, int, float}:
        return repr(value)
    if type(value) is tuple and all(type(entry) is str for entry in value):
        return ", ".join(map(shown, value[:_SHOWN_ENTRIES])) or "nothing"
    return f"a value of type {type(value).__name__}"
