"""The calls for Django as an application writes them. Read by type checkers, and never run."""

from typing import Any, assert_type

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from reseal import HasClaim
from reseal.django import Session, get_reseal
from reseal.django.protection import SessionRequest, session_required
from reseal.django.shortcuts import acreate_new_session, aget_session, create_new_session, get_session, sign_out


def login(request: HttpRequest) -> HttpResponse:
    session = create_new_session(request, "alice", {"staff": True}, {"cart": []})
    assert_type(session, Session)
    return HttpResponse(session.get_handle())


@session_required(login_url="/login", claims=[HasClaim("staff")], check_database=True)
def account(request: SessionRequest, page: int) -> HttpResponse:
    assert_type(request.reseal_session, Session)
    assert_type(request.reseal_session.get_session_data(), dict[str, Any])
    return HttpResponse(request.reseal_session.get_user_id())


@session_required
async def feed(request: SessionRequest) -> HttpResponse:
    assert_type(await request.reseal_session.aget_session_data(), dict[str, Any])
    assert_type(await aget_session(request), Session)
    assert_type(await acreate_new_session(request, "alice"), Session)
    return HttpResponse()


def leave(request: HttpRequest) -> HttpResponse:
    assert_type(get_session(request, check_database=True), Session)
    sign_out(request)
    return HttpResponse()


def end_all(user_id: str) -> int:
    return len(get_reseal().sessions.revoke_all_sessions_for_user(user_id))


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("login", login),
    path("account/<int:page>", account),
    path("feed", feed),
    path("leave", leave),
]
