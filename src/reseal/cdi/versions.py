"""The versions of the interface and their negotiation (core interface, section 1)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reseal.cdi.problem import Problem


class Version(NamedTuple):
    """A version of the interface; compares component by component."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


SUPPORTED: Final = (
    Version(1, 0),
    *(Version(2, minor) for minor in range(22)),
    Version(3, 0),
    Version(3, 1),
    Version(4, 0),
    *(Version(5, minor) for minor in range(7)),
)
"""Every published version; no single core ever supported them all."""

UNDER_RECIPE: Final = Version(2, 4)
"""Since this version all session paths begin with ``/recipe``."""
_BY_TEXT: Final = {str(version): version for version in SUPPORTED}
_LONGEST_SHOWN: Final = 32
_SHAPE: Final = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)


class Bounds(NamedTuple):
    """The range of versions that the configuration allows."""

    lowest: Version = SUPPORTED[0]
    highest: Version = SUPPORTED[-1]

    def supported(self) -> list[str]:
        """List the versions as ``/apiversion`` shows them."""
        return [str(version) for version in SUPPORTED if self.lowest <= version <= self.highest]


def negotiate(header: str | None, bounds: Bounds, *, without_header: Version = SUPPORTED[-1]) -> Version:
    """Return the version of a request. Raises ``Problem``.

    ``without_header``: the default for callers that send none: CDI 1.0 on paths that later versions do not have.
    """
    if header is None:
        return _not_below(bounds, min(without_header, bounds.highest))
    version = _BY_TEXT.get(header)
    if version is None and _SHAPE.fullmatch(header) is None:
        raise Problem(400, "cdi-version header is invalid")
    if version is None or version > bounds.highest:
        raise Problem(400, f"cdi-version {header[:_LONGEST_SHOWN]} not supported")
    return _not_below(bounds, version)


def _not_below(bounds: Bounds, version: Version) -> Version:
    if version < bounds.lowest:
        raise Problem(400, f"cdi-version {version} is lower than the minimum allowed version {bounds.lowest}")
    return version


def token_version(version: Version) -> int:
    """Return the version of newly minted access tokens (section 3.3)."""
    return _TOKENS[version]


_STEPS: Final = ((Version(4, 0), 5), (Version(3, 0), 4), (Version(2, 21), 3), (Version(2, 0), 2), (Version(1, 0), 1))
_TOKENS: Final = {each: next(form for since, form in _STEPS if each >= since) for each in SUPPORTED}
