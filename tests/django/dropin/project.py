"""A Django project of today, of which nothing but the engine and the middleware of its sessions was changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import override_settings
from django.test.utils import setup_test_environment, teardown_test_environment
from django.urls import clear_url_caches, set_urlconf

from reseal.django.sessions import Reseal, overridden
from reseal.testing import ManualClock

SITE: Final = "https://www.example.com"
PASSWORD: Final = "a password of the tests"
NOTES: Final[list[str]] = []
"""What was written by the form of the site."""
TEMPLATES: Final = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "DIRS": [Path(__file__).with_name("templates")],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
SETTINGS: Final[dict[str, Any]] = {
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "reseal.django",
    ],
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        "reseal.django.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "RESEAL": {"api_domain": SITE},
    "ROOT_URLCONF": "tests.django.dropin.site",
    "SESSION_ENGINE": "reseal.django.engine",
    "STATIC_URL": "/static/",
    "TEMPLATES": TEMPLATES,
}


@contextmanager
def running(clock: ManualClock | None, **changes: object) -> Iterator[Reseal]:
    """Run the project, with empty tables."""
    with override_settings(**SETTINGS | changes), environment():
        _forget_routes()
        try:
            with overridden(clock=clock) as reseal:
                yield reseal
        finally:
            _forget_routes()


@contextmanager
def environment() -> Iterator[None]:
    """Do what Django's test runner does before the first test and after the last."""
    setup_test_environment()
    try:
        yield
    finally:
        teardown_test_environment()


@contextmanager
def users(*names: str, **of_each: bool) -> Iterator[list[Any]]:
    """Create users who can sign in with `PASSWORD`, and leave the table as it was: all tests share it."""
    model: Any = get_user_model()
    made = [model.objects.create_user(name, password=PASSWORD, **of_each) for name in names]
    try:
        yield made
    finally:
        model.objects.filter(username__in=names).delete()


def create_tables() -> str:
    """Create the tables of Django. They are in memory, and all threads of this process see them."""
    with override_settings(**SETTINGS):
        return str(connection.creation.create_test_db(verbosity=0, autoclobber=True))


def _forget_routes() -> None:
    clear_url_caches()
    set_urlconf(None)
