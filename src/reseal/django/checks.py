"""Django's system checks: what is wrong in the settings, with its key, and what is unsafe in production."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, get_resolver
from django.utils.module_loading import import_string

from reseal.core.errors import ConfigurationError
from reseal.django import conf, sessions, urls
from reseal.django.middleware import SessionMiddleware
from reseal.settings import Settings
from reseal.settings.origins import host_of

_OURS: Final = "reseal.django.middleware.SessionMiddleware"
_INSIDE: Final = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
)
"""Middleware that must come after ours: it asks for the session, or answers in a way that would lose headers."""
_INSECURE: Final = "django-insecure-"


@register("reseal")
def check_configuration(**_: object) -> list[CheckMessage]:
    """Check the dictionary ``RESEAL``: an error for each problem."""
    try:
        sessions.configured()  # reads the settings, and looks for the driver of the store
    except ConfigurationError as error:
        told = [each if each.startswith(conf.NAME) else f"{conf.NAME}: {each}" for each in error.problems]
        return [Error(each, id="reseal.E001") for each in told]
    return []


@register("reseal")
def check_middleware(**_: object) -> list[CheckMessage]:
    """Check that the middleware is there, once, and before those that need it."""
    names = list(django_settings.MIDDLEWARE)
    ours = [place for place, name in enumerate(names) if _is_a(name, SessionMiddleware)]
    if not ours:
        return [
            Error(
                "MIDDLEWARE lacks Reseal's middleware, without which no response carries the session's cookies.",
                hint=f'Add "{_OURS}", right after SecurityMiddleware.',
                id="reseal.E002",
            )
        ]
    messages: list[CheckMessage] = []
    if len(ours) > 1:
        found = ", ".join(names[place] for place in ours)
        messages.append(Error(f"MIDDLEWARE has Reseal's middleware more than once: {found}.", id="reseal.E003"))
    too_early = [name for name in names[: ours[0]] if name in _INSIDE]
    messages += [
        Error(f"MIDDLEWARE has {name} before {names[ours[0]]}.", hint="Exchange the two.", id="reseal.E004")
        for name in too_early
    ]
    return messages


@register(Tags.urls)
def check_urls(**_: object) -> list[CheckMessage]:
    """Check that the URLconf leads to the endpoint that refreshes."""
    try:
        path = sessions.configured().settings.refresh_api_path
    except ConfigurationError:
        return []  # said already
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    try:
        found = get_resolver().resolve(path)
    except Resolver404:
        what = "leads nowhere"
    else:
        if found.func.__module__ == urls.__name__:
            return []
        what = f"leads to {found._func_path}"  # noqa: SLF001 - the name that Django shows
    return [
        Error(
            f"{path}, where sessions are refreshed, {what} in ROOT_URLCONF.",
            hint='Put path("", include("reseal.django.urls")) first into urlpatterns, under no prefix. '
            'If a view of your own refreshes, put "reseal.E005" into SILENCED_SYSTEM_CHECKS.',
            id="reseal.E005",
        )
    ]


@register("reseal", deploy=True)
def check_deployment(**_: object) -> list[CheckMessage]:
    """Warn of what is unsafe in production (``check --deploy``)."""
    try:
        settings = conf.load().settings
    except ConfigurationError:
        return []
    return [Warning(text, hint=hint, id=f"reseal.W{number:03}") for number, text, hint in _unsafe(settings)]


def _unsafe(settings: Settings) -> Iterator[tuple[int, str, str]]:
    if settings.api_domain.startswith("http:"):
        yield 1, f"RESEAL: 'api_domain' is {settings.api_domain}: cookies travel unencrypted.", "Serve https."
    elif not settings.secure_cookies:
        yield 2, "RESEAL: 'cookie_secure' is False: browsers send the cookies over http as well.", "Remove the key."
    if settings.database_path is None and settings.server_uri is None:
        text = "RESEAL: the store is in memory: each process has its own, and every restart signs everybody out."
        yield 3, text, "Name a 'database' of DATABASES, or a 'database_uri'."
    if "secret_key" not in _given() and django_settings.SECRET_KEY.startswith(_INSECURE):
        text = "RESEAL: the secret is derived from a SECRET_KEY that was made for development."
        yield 4, text, "Give SECRET_KEY, or RESEAL's 'secret_key', a long random value from outside the code."
    if not _is_allowed(host_of(settings.api_domain)):
        text = f"RESEAL: the host of 'api_domain', {host_of(settings.api_domain)}, is not in ALLOWED_HOSTS."
        yield 5, text, "Add it, or correct 'api_domain': it is the origin that browsers see."


def _given() -> Any:
    return getattr(django_settings, conf.NAME, {})


def _is_allowed(host: str) -> bool:
    from django.http.request import validate_host  # noqa: PLC0415 - a part of Django that a check alone needs

    return validate_host(host, django_settings.ALLOWED_HOSTS)


def _is_a(name: str, kind: type) -> bool:
    try:
        found = import_string(name)
    except (ImportError, ImproperlyConfigured):
        return False  # Django itself says so
    return isinstance(found, type) and issubclass(found, kind)
