"""The same application for Django, with its own login and users: ``app`` for WSGI, ``asgi`` for ASGI.

``python django_app.py`` makes the users first.
"""

import os
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=os.environ["KEY"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="django_app",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "reseal.django"],
    MIDDLEWARE=[
        "reseal.django.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="reseal.django.engine",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["USERS"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    RESEAL={"api_domain": os.environ["API"], "database_uri": os.environ["DATABASE"]},
)
django.setup()

from django.contrib.auth import get_user_model, login  # noqa: E402 - needs the settings
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

NAMES = ["alice", *(f"user-{n}" for n in range(24))]


def sign_in(request):
    login(request, get_user_model().objects.get(username=request.META["QUERY_STRING"]))
    return JsonResponse({"session": request.session.session_key})


def feed(request):
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({"user": request.user.get_username(), "pid": os.getpid()})


urlpatterns = [path("login", sign_in), path("feed", feed), path("", include("reseal.django.urls"))]
app = WSGIHandler()
asgi = ASGIHandler()

if __name__ == "__main__":
    sys.modules["django_app"] = sys.modules["__main__"]
    call_command("migrate", verbosity=0)
    for name in NAMES:
        get_user_model().objects.create_user(name)
