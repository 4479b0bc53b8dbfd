"""SuperTokens' names in configurations, from ``supertokens.toml`` beside this module."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, Final

_NAMES: Final[dict[str, Any]] = tomllib.loads(files(__package__).joinpath("supertokens.toml").read_text("utf-8"))

NO_EFFECT: Final[dict[str, str]] = {key: group["why"] for group in _NAMES["no_effect"] for key in group["keys"]}
"""Known keys without a meaning here, and why."""
NO_EFFECT_FOR_APPS: Final = frozenset(
    key for group in _NAMES["no_effect"] if group.get("for_apps") for key in group["keys"]
)
"""Those that the configuration of an app may have too."""
PARTS: Final[list[dict[str, str]]] = _NAMES["part"]
"""Keys that become part of another key: see :mod:`reseal.server.cdi.config_keys`."""
OTHER_NAMES: Final[dict[str, str]] = _NAMES["other_names"]
SECRET: Final = frozenset(_NAMES["secret"]["keys"])
"""Keys without effect whose values nobody else should read."""
IMAGE_NAMES: Final[dict[str, str]] = {
    **_NAMES["image"]["renamed"],
    **{key.upper(): key for key in _NAMES["image"]["keys"]},
    **{key.upper(): key for key in NO_EFFECT if key not in _NAMES["image"]["without_variable"]},
}
"""The variables of the docker image (core interface, section 6.4) and the keys that they stand for."""
IMAGE_FILES: Final[dict[str, str]] = _NAMES["image"]["files"]
"""Variables of the docker image that name a file, and the key whose value is in it."""
