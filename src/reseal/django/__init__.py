"""Sessions for Django: an entry in ``INSTALLED_APPS``, one in ``MIDDLEWARE``, and the dictionary ``RESEAL``.

::

    INSTALLED_APPS = [..., "reseal.django"]
    MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "reseal.django.middleware.SessionMiddleware", ...]
    RESEAL = {"api_domain": "https://www.example.com"}

and in the URLconf ``path("", include("reseal.django.urls"))``.
"""

from __future__ import annotations

try:
    import django as _django  # noqa: F401 - whether it is installed
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs django: pip install "reseal[django]" ({_error})') from None

from reseal.django.sessions import Reseal, Session, get_reseal

__all__ = ["Reseal", "Session", "get_reseal"]
