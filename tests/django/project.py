"""The Django project of the tests. Django is configured once a process: whoever needs it calls :func:`configure`."""

from __future__ import annotations

from functools import cache

import django
from django.conf import settings
from django.db import connection

API = "https://api.example.com"


def configure() -> None:
    """Configure Django unless it is."""
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY="a secret of the tests that nobody would guess",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "reseal.django"],
        MIDDLEWARE=[
            "reseal.django.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        ROOT_URLCONF="tests.django.site",
        RESEAL={"api_domain": API},
        USE_TZ=True,
    )
    django.setup()


@cache
def create_tables() -> object:
    """Create the tables of Django, in memory, once a process.

    Returns a connection, which the cache keeps: with its last connection, that of a thread for instance, the database
    in memory would be gone.
    """
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    return connection.connection
