"""An app of Flask with supertokens-python, synchronous, served by Werkzeug."""

import calls
from flask import Flask, g, jsonify, request
from supertokens_python.framework.flask import Middleware
from supertokens_python.recipe.session.framework.flask import verify_session
from supertokens_python.recipe.session.syncio import (
    create_new_session,
    get_session_information,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
)

calls.start("flask")
app = Flask(__name__)
Middleware(app)


@app.route("/create", methods=["POST"])
def create():
    asked = request.get_json()
    container = create_new_session(request, *calls.whose(asked["userId"]), asked["payload"], asked["data"])
    return jsonify(calls.seen(container))


@app.route("/verify", methods=["GET", "POST"])
@verify_session()
def verify():
    return jsonify(calls.seen(g.supertokens))


@app.route("/verify-database")
@verify_session(**calls.extra_checks())
def verify_database():
    return jsonify(calls.seen(g.supertokens))


@app.route("/data")
@verify_session()
def get_data():
    return jsonify(calls.data_reader(g.supertokens, "sync_")())


@app.route("/data", methods=["PUT"])
@verify_session()
def put_data():
    calls.data_writer(g.supertokens, "sync_")(request.get_json())
    return jsonify({})


@app.route("/payload", methods=["PUT"])
@verify_session()
def put_payload():
    calls.payload_writer(g.supertokens, "sync_")(request.get_json())
    return jsonify(calls.seen(g.supertokens))


@app.route("/list")
@verify_session()
def list_sessions():
    return jsonify(calls.handles_of(g.supertokens.get_user_id()))


@app.route("/info")
@verify_session()
def info():
    return jsonify(calls.shown(get_session_information(g.supertokens.get_handle())))


@app.route("/revoke", methods=["POST"])
@verify_session()
def revoke():
    g.supertokens.sync_revoke_session()
    return jsonify({})


@app.route("/revoke-handles", methods=["POST"])
@verify_session()
def revoke_handles():
    return jsonify(revoke_multiple_sessions(request.get_json()))


@app.route("/revoke-all", methods=["POST"])
@verify_session()
def revoke_all():
    return jsonify(revoke_all_sessions_for_user(g.supertokens.get_user_id()))


app.run("127.0.0.1", calls.port)
