"""An app of Django with supertokens-python, synchronous, served by Django's own server. One file is enough."""

import json

import calls
import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import JsonResponse
from django.urls import path
from supertokens_python.recipe.session.framework.django.syncio import verify_session
from supertokens_python.recipe.session.syncio import (
    create_new_session,
    get_session_information,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
)

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DEBUG=True,
    INSTALLED_APPS=[],
    MIDDLEWARE=["supertokens_python.framework.django.django_middleware.middleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use in this app",
    USE_TZ=True,
)
django.setup()
calls.start("django")


def create(request):
    asked = json.loads(request.body)
    container = create_new_session(request, *calls.whose(asked["userId"]), asked["payload"], asked["data"])
    return JsonResponse(calls.seen(container))


@verify_session()
def verify(request):
    return JsonResponse(calls.seen(request.supertokens))


@verify_session(**calls.extra_checks())
def verify_database(request):
    return JsonResponse(calls.seen(request.supertokens))


@verify_session()
def data(request):
    if request.method == "GET":
        return JsonResponse(calls.data_reader(request.supertokens, "sync_")())
    calls.data_writer(request.supertokens, "sync_")(json.loads(request.body))
    return JsonResponse({})


@verify_session()
def payload(request):
    calls.payload_writer(request.supertokens, "sync_")(json.loads(request.body))
    return JsonResponse(calls.seen(request.supertokens))


@verify_session()
def list_sessions(request):
    return JsonResponse(calls.handles_of(request.supertokens.get_user_id()), safe=False)


@verify_session()
def info(request):
    return JsonResponse(calls.shown(get_session_information(request.supertokens.get_handle())))


@verify_session()
def revoke(request):
    request.supertokens.sync_revoke_session()
    return JsonResponse({})


@verify_session()
def revoke_handles(request):
    return JsonResponse(revoke_multiple_sessions(json.loads(request.body)), safe=False)


@verify_session()
def revoke_all(request):
    return JsonResponse(revoke_all_sessions_for_user(request.supertokens.get_user_id()), safe=False)


urlpatterns = [
    path("create", create),
    path("verify", verify),
    path("verify-database", verify_database),
    path("data", data),
    path("payload", payload),
    path("list", list_sessions),
    path("info", info),
    path("revoke", revoke),
    path("revoke-handles", revoke_handles),
    path("revoke-all", revoke_all),
]

if __name__ == "__main__":
    execute_from_command_line(["app", "runserver", "--noreload", f"127.0.0.1:{calls.port}"])
