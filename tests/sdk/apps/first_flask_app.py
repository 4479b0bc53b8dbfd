"""An app of Flask with supertokens-flask, the SDK before supertokens-python. It has no endpoints of its own."""

import json
import sys

import supertokens_flask as sdk
from flask import Flask, g, jsonify, make_response, request

order = json.loads(sys.argv[1])
app = Flask(__name__)
app.config["SUPERTOKENS_HOSTS"] = ";".join("http://{hostname}:{port}{path}".format(**host) for host in order["hosts"])
app.config["SUPERTOKENS_API_KEY"] = order["apiKey"]
sdk.SuperTokens(app)


def guarded(respond):
    """Let only who is signed in pass; as the request says, with a look at the anti-CSRF token or without."""

    def check():
        wanted = {"on": True, "off": False}.get(request.args.get("antiCsrf"))
        return sdk.supertokens_middleware(wanted)(respond)()

    check.__name__ = respond.__name__
    return check


def shown(session):
    return {"handle": session.get_handle(), "userId": session.get_user_id(), "payload": session.get_jwt_payload()}


@app.route("/create", methods=["POST"])
def create():
    asked = request.get_json()
    response = make_response()
    session = sdk.create_new_session(response, asked["userId"], asked["payload"], asked["data"])
    response.set_data(json.dumps(shown(session)))
    response.content_type = "application/json"
    return response


@app.route("/session/refresh", methods=["POST"])
@sdk.supertokens_middleware
def refresh():
    return jsonify({})


@app.route("/verify", methods=["GET", "POST"])
@guarded
def verify():
    return jsonify(shown(g.supertokens))


@app.route("/data")
@guarded
def get_data():
    return jsonify(g.supertokens.get_session_data())


@app.route("/data", methods=["PUT"])
@guarded
def put_data():
    g.supertokens.update_session_data(request.get_json())
    return jsonify({})


@app.route("/payload", methods=["PUT"])
@guarded
def put_payload():
    g.supertokens.update_jwt_payload(request.get_json())
    return jsonify({})


@app.route("/revoke", methods=["POST"])
@guarded
def revoke():
    g.supertokens.revoke_session()
    return jsonify({})


@app.route("/handles")
def list_handles():
    return jsonify(sdk.get_all_session_handles_for_user(request.args["userId"]))


@app.route("/sessions/<handle>")
def get_session(handle):
    return jsonify({"data": sdk.get_session_data(handle), "payload": sdk.get_jwt_payload(handle)})


@app.route("/sessions/<handle>/payload", methods=["PUT"])
def put_payload_of(handle):
    sdk.update_jwt_payload(handle, request.get_json())
    return jsonify({})


@app.route("/sessions/<handle>", methods=["DELETE"])
def revoke_session(handle):
    return jsonify(sdk.revoke_session(handle))


@app.route("/revoke-many", methods=["POST"])
def revoke_many():
    return jsonify(sdk.revoke_multiple_sessions(request.get_json()))


@app.route("/users/<user>", methods=["DELETE"])
def revoke_all(user):
    return jsonify(sdk.revoke_all_sessions_for_user(user))


app.run("127.0.0.1", order["port"])
