"""The calls for Flask as an application writes them. Read by type checkers, and never run."""

from typing import Any, assert_type

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

from reseal import HasClaim, Session, Settings
from reseal.flask import Reseal, current_session, next_page, session_required

app = Flask(__name__)
sessions = Reseal(app, settings=Settings(api_domain="https://api.example.com"), login_view="login")


@app.post("/login")
def login() -> Response:
    session = sessions.create_new_session(request.form["user"], {"role": "reader"}, {"cart": []})
    assert_type(session, Session)
    return redirect(next_page())


@app.get("/account")
@session_required
def account() -> str:
    assert_type(current_session.get_session_data(), dict[str, Any])
    return assert_type(current_session.get_user_id(), str)


@app.get("/admin/<int:page>")
@session_required(claims=[HasClaim("admin")], check_database=True)
def admin(page: int) -> str:
    return str(page)


@app.get("/feed")
@session_required(optional=True)
async def feed() -> list[str]:
    return [current_session.get_user_id()] if current_session else []


assert_type(admin(1), str)
assert_type(sessions.get_session(check_database=True), Session)
assert_type(sessions.sessions.revoke_all_sessions_for_user("alice"), tuple[str, ...])
