"""Start the site: ``python -m examples.django_site [--port 8000]``. It makes its database and its two users first."""

import argparse
import os
import sys

import django
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from examples import serving

PASSWORD = "reseal"


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="./run example django", description="The feed in Django, without JavaScript.")
    parser.add_argument("--port", help="default: the environment's PORT, or 8000")
    listener, port = serving.listen(parser, parser.parse_args().port)
    address = os.environ.setdefault("SITE", f"http://localhost:{port}")
    os.environ["DJANGO_SETTINGS_MODULE"] = "examples.django_site.settings"
    django.setup()
    try:
        call_command("migrate", run_syncdb=True, verbosity=0)
    except SystemCheckError as error:
        sys.exit(str(error))
    create_users()
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 - as all of Django, after its settings

    serving.serve_wsgi(listener, address, WSGIHandler())


def create_users() -> None:
    """Create alice, and an administrator, unless they are there."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - as above

    users = get_user_model().objects
    if not users.filter(username="alice").exists():
        users.create_user("alice", password=PASSWORD)
        users.create_superuser("admin", password=PASSWORD)


if __name__ == "__main__":
    main()
