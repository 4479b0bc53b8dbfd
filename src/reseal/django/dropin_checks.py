"""System checks of Django's sessions over Reseal: what would not work, and which settings have no effect any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from reseal.django import dropin

_DJANGOS: Final = "django.contrib.sessions.middleware.SessionMiddleware"
_OURS: Final = "reseal.django.middleware.SessionMiddleware"
_INSTEAD: Final = {
    "SESSION_COOKIE_AGE": "'refresh_token_validity'",
    "SESSION_COOKIE_DOMAIN": "'cookie_domain'",
    "SESSION_COOKIE_NAME": "'cookie_suffix'",
    "SESSION_COOKIE_PATH": "'access_token_path'",
    "SESSION_COOKIE_SAMESITE": "'cookie_same_site'",
}
"""Settings of Django that have no effect, and the keys of ``RESEAL`` for the same."""


@register("reseal")
def check_engine(**_: object) -> list[CheckMessage]:
    """Check what belongs to the engine, where Django's sessions are kept by it."""
    if not dropin.is_on():
        return []
    return [*_errors(), *_without_effect()]


def _errors() -> Iterator[CheckMessage]:
    if _DJANGOS in django_settings.MIDDLEWARE:
        yield Error(
            f"MIDDLEWARE has {_DJANGOS}, whose cookie would be a session key: for Reseal no credential.",
            hint=f'Put "{_OURS}" in its place.',
            id="reseal.E010",
        )
    if not _writes_json(django_settings.SESSION_SERIALIZER):
        yield Error(
            f"SESSION_SERIALIZER: {django_settings.SESSION_SERIALIZER} does not write JSON objects, as Reseal keeps.",
            hint="Remove the setting, or name a serializer whose dumps() returns a JSON object.",
            id="reseal.E011",
        )


def _writes_json(name: str) -> bool:
    sample = {"a": [1, "b"]}
    try:
        serializer = import_string(name)()
        written = json.loads(serializer.dumps(sample))
        return isinstance(written, dict) and serializer.loads(json.dumps(written).encode("latin-1")) == sample
    except (ImportError, ImproperlyConfigured, AttributeError, TypeError, ValueError):
        return False


def _without_effect() -> Iterator[CheckMessage]:
    for name, instead in _INSTEAD.items():
        if getattr(django_settings, name) != getattr(global_settings, name):
            yield Warning(
                f"{name} has no effect on the sessions of Reseal.",
                hint=f"Set {instead} in RESEAL, and remove {name}.",
                id="reseal.W010",
            )
