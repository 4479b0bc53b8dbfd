"""The result of one check."""

from __future__ import annotations

from typing import NamedTuple

from reseal.core.errors import ConfigurationError, ResealError


class Finding(NamedTuple):
    """One result."""

    subject: str
    fine: bool
    text: str
    warning: bool = False
    """Whether the operator should know about it, although the service works."""


def failed(subject: str, error: ResealError) -> list[Finding]:
    """Return a finding for every problem of an error."""
    texts = error.problems if isinstance(error, ConfigurationError) else (str(error),)
    return [Finding(subject, fine=False, text=text) for text in texts]


def warned(subject: str, text: str) -> Finding:
    return Finding(subject, fine=True, text=text, warning=True)


def of_schema(found: int | None, wanted: int) -> Finding:
    """Compare the schema of a store with the one that this version needs; ``None``: no schema yet."""
    if found is None:
        return Finding("schema", fine=False, text=f"no tables yet, this version needs {wanted}: run reseal migrate")
    if found < wanted:
        pending = "1 step is" if wanted - found == 1 else f"{wanted - found} steps are"
        text = f"is at {found}, this version needs {wanted} ({pending} pending): run reseal migrate"
    elif found > wanted:
        text = f"is at {found}, newer than the {wanted} known here: upgrade Reseal"
    else:
        text = f"is at {found}, nothing pending"
    return Finding("schema", fine=found == wanted, text=text)
