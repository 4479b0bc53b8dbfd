"""A secret in memory that cannot be printed, pickled or leaked through comparison times by accident."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, Self

_MASK: Final = "Secret(***)"


def revealed(secret: Secret | None) -> bytes | None:
    """Return a secret's value, or ``None`` if there is no secret."""
    return None if secret is None else secret.reveal()


class Secret:
    """Hold a secret that only :meth:`reveal` returns.

    Copying returns the object itself, so that values holding a secret can be copied. Nothing is wiped from memory.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """Return the secret; text is encoded as UTF-8."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Secret)  # the same for all: a hash of the content would leak part of it

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: pass it by environment or file")
