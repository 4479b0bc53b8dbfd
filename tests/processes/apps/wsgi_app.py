"""A WSGI application without a framework, as docs/how-to/sync-code.md has it: the sessions are opened at import."""

import json
import os

from reseal import Remote, RequestFacts, Reseal, ResealError, SessionHeaders, Settings
from reseal.web.answers import answer

settings = Settings(
    api_domain=os.environ["API"],
    database_uri=os.environ.get("DATABASE", "memory:"),
    public_path_prefix=os.environ.get("PREFIX", ""),
)
service = os.environ.get("SERVICE")
reseal = Reseal(settings, sessions=Remote(settings, service, api_key=os.environ["KEY"]) if service else None)
reseal.open()


def facts(environ):
    headers = [
        (key.removeprefix("HTTP_").replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    return RequestFacts.of(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        headers,
        environ.get("REMOTE_ADDR"),
        root_path=environ["SCRIPT_NAME"],
    )


def route(request, response, environ):
    match request.method, request.path:
        case "POST", "/login":
            return {"session": reseal.create_new_session(request, response, environ["QUERY_STRING"]).get_handle()}
        case "POST", settings.refresh_api_path:
            return reseal.answer_refresh(request, response)
        case "POST", settings.signout_api_path:
            reseal.sign_out(request, response)
            return {"status": "OK"}
        case _, "/readyz":
            return {}
        case _:
            session = reseal.get_session(request, response, check_database=True)
            return {"user": session.get_user_id(), "pid": os.getpid()}


def app(environ, start_response):
    request, outbox = facts(environ), SessionHeaders()
    headers = [("Content-Type", "application/json")]
    status = 200
    try:
        body = route(request, outbox, environ)
    except ResealError as error:
        told = answer(error, settings)
        status, body = told.status, told.body
        headers += told.headers
    start_response(f"{status} ", [*headers, *outbox.items()])
    return [json.dumps(body).encode()]
