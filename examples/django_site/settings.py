"""Settings of the site. What concerns sessions: one application, one middleware, one engine, one dictionary."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent
SITE = os.environ.get("SITE", "http://localhost:8000")

SECRET_KEY = os.environ.get("SECRET_KEY", "of this demo only: it is public")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "examples.django_site.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "reseal.django",
    "examples.django_site.apps.Site",
]
MIDDLEWARE = [
    "reseal.django.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
SESSION_ENGINE = "reseal.django.engine"
RESEAL = {
    "api_domain": SITE,
    "access_token_validity": 5,  # seconds; an hour would be usual, but too long to watch
}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", "django-site.db"),
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [FOLDER / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "feed"
USE_TZ = True
TIME_ZONE = "UTC"
