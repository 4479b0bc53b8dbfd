"""Names that only the service knows, met in a configuration of the embedded form.

The names are the service's data, read when an unknown name is met: no layer below it lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any


def advice_for(key: str, place: str) -> str | None:
    """Return the text that follows a known name of the service, or ``None`` if the name is unknown there too."""
    names = embedded_names()
    if key in names["service"] or key.startswith(tuple(names["service_prefixes"])):
        return f"concerns the service and has no meaning in the embedded form; remove it from {place}"
    if key in names["replaced"]:
        return f"in {place} is not used here: {names['replaced'][key]}"
    return None


@cache
def embedded_names() -> Mapping[str, Any]:
    """Return the service's data on names that the embedded form refuses."""
    # Imported here, because a start without such names would pay for them: a seventh of the import of the settings.
    import tomllib  # noqa: PLC0415
    from importlib.resources import files  # noqa: PLC0415

    text = files("reseal").joinpath("server", "cdi", "supertokens.toml").read_text("utf-8")
    embedded: Mapping[str, Any] = tomllib.loads(text)["embedded"]
    return embedded
