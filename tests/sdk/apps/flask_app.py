"""An app of Flask with supertokens-python, synchronous, served by Werkzeug."""

import calls
from flask import Flask, g, jsonify, request
from supertokens_python.framework.flask import Middleware
from supertokens_python.recipe.session import syncio as functions
from supertokens_python.recipe.session.framework.flask import verify_session

calls.start("flask")
app = Flask(__name__)
Middleware(app)
does = calls.Calls(functions, "sync_")


@app.route("/create", methods=["POST"])
def create():
    return jsonify(calls.shown(does.create(request, request.get_json())))


def answer_to_a_session(answer):
    def respond():
        return answered(answer(g.supertokens, request.get_json(silent=True)))

    def check():
        verified = verify_session(**calls.wanted(request.args))
        return verified(respond)()

    return check


def answer_to_anybody(answer):
    def respond(**at):
        return answered(answer({**request.args.to_dict(), **at}, request.get_json(silent=True)))

    return respond


def answered(value):
    found = calls.settled(value)
    return jsonify({} if found is None else found)


for method, path, answer in does.of_a_session():
    app.add_url_rule(path, f"{method} {path}", answer_to_a_session(answer), methods=[method])
for method, path, answer in does.of_anybody():
    app.add_url_rule(path, f"{method} {path}", answer_to_anybody(answer), methods=[method])

app.run("127.0.0.1", calls.order["port"])
