"""An app of Django with supertokens-python, synchronous, served by Django's own server. One file is enough."""

import json
from collections import defaultdict

import calls
import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import JsonResponse
from django.urls import path as url
from supertokens_python.recipe.session import syncio as functions
from supertokens_python.recipe.session.framework.django.syncio import verify_session

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
does = calls.Calls(functions, "sync_")


def create(request):
    return JsonResponse(calls.shown(does.create(request, json.loads(request.body))))


def answer_to_a_session(answer):
    def respond(request):
        return answered(answer(request.supertokens, body_of(request)))

    def check(request):
        verified = verify_session(**calls.wanted(request.GET))
        return verified(respond)(request)

    return check


def answer_to_anybody(answer):
    return lambda request, **at: answered(answer({**request.GET.dict(), **at}, body_of(request)))


def body_of(request):
    return json.loads(request.body or "null")


def answered(value):
    found = calls.settled(value)
    return JsonResponse({} if found is None else found, safe=False)


def by_method(views):
    return lambda request, **at: views[request.method](request, **at)


views = defaultdict(dict, {"/create": {"POST": create}})
for method, path, answer in does.of_a_session():
    views[path][method] = answer_to_a_session(answer)
for method, path, answer in does.of_anybody():
    views[path][method] = answer_to_anybody(answer)
urlpatterns = [url(path[1:], by_method(methods)) for path, methods in views.items()]

if __name__ == "__main__":
    execute_from_command_line(["app", "runserver", "--noreload", f"127.0.0.1:{calls.order['port']}"])
