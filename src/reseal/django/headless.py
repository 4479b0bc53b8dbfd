"""The app client of django-allauth's headless API, which would take a session key for a credential.

Its strategies answer a sign-in with ``session_key`` and open the session of whoever sends that back. Here the key is
the session's handle, which is no secret: scripts can read it, and it is in logs.
"""

from __future__ import annotations

from typing import Final

from django.apps import apps
from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from reseal.django import dropin

_STRATEGY: Final = "HEADLESS_TOKEN_STRATEGY"
PROBLEM: Final = (
    "HEADLESS_CLIENTS has 'app', whose X-Session-Token would be the session key: "
    "with Reseal that is the session's handle, which is no secret."
)
HINT: Final = (
    f'Set HEADLESS_CLIENTS = ("browser",), or {_STRATEGY} to a class of your own whose tokens are signed '
    "(docs/how-to/move-from-allauth-headless.md)."
)


def takes_handles() -> bool:
    """Return whether a request that shows no more than a handle would get the session.

    Raises ``ImportError`` if the strategy cannot be imported.
    """
    if not (dropin.is_on() and apps.is_installed("allauth.headless")):
        return False
    if "app" not in getattr(django_settings, "HEADLESS_CLIENTS", ("browser", "app")):
        return False
    name: str | None = getattr(django_settings, _STRATEGY, None)
    return name is None or import_string(name).lookup_session.__module__.startswith("allauth.")
