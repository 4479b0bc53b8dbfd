"""An app of Flask with supertokens-flask, the SDK before supertokens-python. It has no endpoints of its own."""

import json
import sys

from flask import Flask, g, jsonify, make_response, request
from supertokens_flask import (
    SuperTokens,
    create_new_session,
    get_all_session_handles_for_user,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
    supertokens_middleware,
)

order = json.loads(sys.argv[1])
app = Flask(__name__)
app.config["SUPERTOKENS_HOSTS"] = order["connection_uri"]
app.config["SUPERTOKENS_API_KEY"] = order["api_key"]
SuperTokens(app)


def seen(session):
    return {
        "handle": session.get_handle(),
        "userId": session.get_user_id(),
        "payload": session.get_jwt_payload(),
        "accessToken": session.get_access_token(),
    }


@app.route("/create", methods=["POST"])
def create():
    asked = request.get_json()
    response = make_response()
    session = create_new_session(response, asked["userId"], asked["payload"], asked["data"])
    response.set_data(json.dumps(seen(session)))
    response.content_type = "application/json"
    return response


@app.route("/session/refresh", methods=["POST"])
@supertokens_middleware
def refresh():
    return jsonify({})


@app.route("/verify", methods=["GET", "POST"])
@supertokens_middleware
def verify():
    return jsonify(seen(g.supertokens))


@app.route("/data")
@supertokens_middleware
def get_data():
    return jsonify(g.supertokens.get_session_data())


@app.route("/data", methods=["PUT"])
@supertokens_middleware
def put_data():
    g.supertokens.update_session_data(request.get_json())
    return jsonify({})


@app.route("/payload", methods=["PUT"])
@supertokens_middleware
def put_payload():
    g.supertokens.update_jwt_payload(request.get_json())
    return jsonify(seen(g.supertokens))


@app.route("/list")
@supertokens_middleware
def list_sessions():
    return jsonify(get_all_session_handles_for_user(g.supertokens.get_user_id()))


@app.route("/revoke", methods=["POST"])
@supertokens_middleware
def revoke():
    g.supertokens.revoke_session()
    return jsonify({})


@app.route("/revoke-handles", methods=["POST"])
@supertokens_middleware
def revoke_handles():
    return jsonify(revoke_multiple_sessions(request.get_json()))


@app.route("/revoke-all", methods=["POST"])
@supertokens_middleware
def revoke_all():
    return jsonify(revoke_all_sessions_for_user(g.supertokens.get_user_id()))


app.run("127.0.0.1", order["port"])
