"""How the generations of supertokens-python spell the same things, for apps of all frameworks.

0.3 gives dictionaries, later ones objects; 0.13 renamed the data and merges payloads instead of replacing them; 0.15
brought tenants, 0.25 a user id of its own kind.
"""

import inspect
import json
import sys
from importlib.metadata import version

from supertokens_python import InputAppInfo, SupertokensConfig, init
from supertokens_python.async_to_sync_wrapper import sync
from supertokens_python.recipe import session
from supertokens_python.recipe.session import asyncio as asynchronous

VERSION = tuple(int(part) for part in version("supertokens-python").split(".")[:2])
MERGES = VERSION >= (0, 13)
HAS_TENANTS = VERSION >= (0, 15)
HAS_USER_IDS = VERSION >= (0, 25)

order = json.loads(sys.argv[1])


def start(framework):
    """Initialise the SDK as the order on the command line says."""
    options = {"anti_csrf": order["antiCsrf"]}
    if order.get("jwt"):
        options["jwt"] = session.JWTConfig(enable=True)
    if "dynamicKeys" in order:
        options["use_dynamic_access_token_signing_key"] = order["dynamicKeys"]
    addresses = ("http://{hostname}:{port}{path}".format(**host) for host in order["hosts"])
    init(
        app_info=InputAppInfo(app_name="app", api_domain="http://localhost", website_domain="http://localhost"),
        framework=framework,
        supertokens_config=SupertokensConfig(connection_uri=";".join(addresses), api_key=order["apiKey"]),
        recipe_list=[session.init(**options)],
        telemetry=False,
    )


def wanted(query):
    """Give the arguments of verifying that a request asks for."""
    names = {"antiCsrf": "anti_csrf_check", "checkDatabase": "check_database"}
    return {names[key]: query[key] == "on" for key in names if key in query}


def shown(container):
    return {
        "handle": container.get_handle(),
        "userId": container.get_user_id(),
        "payload": container.get_access_token_payload(),
    }


def settled(value):
    """Wait for what the synchronous functions of some versions do not wait for themselves."""
    return sync(value) if inspect.isawaitable(value) else value


class Calls:
    """What the routes of an app do. Gives values, or something to await where the functions of the SDK do.

    ``functions``: those of the recipe, synchronous or not; ``prefix``: of the synchronous methods of a session.
    """

    def __init__(self, functions, prefix=""):
        self._functions = functions
        self._prefix = prefix

    def create(self, request, asked):
        whose = _whose(asked["userId"], asked.get("tenantId", "public"))
        return self._do("create_new_session")(request, *whose, asked["payload"], asked["data"])

    def of_a_session(self):
        """List the routes for which one must be signed in: method, path, what to do with the session and the body."""
        data = f"session_data{'_from_database' if MERGES else ''}"
        new_data = f"update_session_data{'_in_database' if MERGES else ''}"
        return (
            ("GET", "/verify", lambda container, _: shown(container)),
            ("POST", "/verify", lambda container, _: shown(container)),
            ("GET", "/data", lambda container, _: self._of(container, f"get_{data}")()),
            ("PUT", "/data", lambda container, body: self._of(container, new_data)(body)),
            ("PUT", "/payload", lambda container, body: self._of(container, _PAYLOAD_WRITER)(body)),
            ("POST", "/revoke", lambda container, _: self._of(container, "revoke_session")()),
        )

    def of_anybody(self):
        """List the other routes: method, path, what to do with the values of path and query and with the body."""
        return (
            (
                "GET",
                "/handles",
                lambda at, _: self._do("get_all_session_handles_for_user")(at["userId"], **_tenant(at)),
            ),
            (
                "GET",
                "/sessions/<handle>",
                lambda at, _: _then(self._do("get_session_information")(**_handle(at)), _known),
            ),
            ("PUT", "/sessions/<handle>/payload", lambda at, body: self._do(_PAYLOAD_WRITER)(at["handle"], body)),
            ("DELETE", "/sessions/<handle>", lambda at, _: self._do("revoke_session")(at["handle"])),
            ("POST", "/revoke-many", lambda _, body: self._do("revoke_multiple_sessions")(body)),
            (
                "DELETE",
                "/users/<user>",
                lambda at, _: self._do("revoke_all_sessions_for_user")(at["user"], **_tenant(at)),
            ),
            ("PUT", "/tenants/<tenant>", lambda at, _: self._make_tenant(at["tenant"])),
            ("POST", "/jwt", lambda _, body: _then(self._do("create_jwt")(body, 100), _signed)),
        )

    def _do(self, name):
        found = getattr(self._functions, name, None)
        # 0.3 has some functions only for asynchronous callers, and some that are synchronous by name alone
        return getattr(asynchronous, name) if found is None or inspect.iscoroutinefunction(found) else found

    def _of(self, container, name):
        return getattr(container, self._prefix + name)

    def _make_tenant(self, name):
        from supertokens_python.recipe import multitenancy

        functions = __import__(f"{multitenancy.__name__}.{'syncio' if self._prefix else 'asyncio'}", fromlist=["*"])
        return _then(functions.create_or_update_tenant(name, None), lambda _: {"status": "OK"})


_PAYLOAD_WRITER = "merge_into_access_token_payload" if MERGES else "update_access_token_payload"


def _whose(user_id, tenant_id):
    if HAS_USER_IDS:
        from supertokens_python.types import RecipeUserId

        return tenant_id, RecipeUserId(user_id)
    return (tenant_id, user_id) if HAS_TENANTS else (user_id,)


def _tenant(at):
    return {"tenant_id": at["tenantId"]} if "tenantId" in at else {}


def _handle(at):
    return {"session_handle": at["handle"]}


def _then(value, show):
    if not inspect.isawaitable(value):
        return show(value)

    async def wait():
        return show(await value)

    return wait()


def _signed(result):
    return {"status": "OK", "jwt": result.jwt}


def _known(info):
    """Show what the service knows of a session."""
    known = info if isinstance(info, dict) else vars(info)
    names = {
        "userId": ("userId", "user_id"),
        "data": ("userDataInDatabase", "sessionData", "session_data", "session_data_in_database"),
        "payload": (
            "userDataInJWT",
            "accessTokenPayload",
            "access_token_payload",
            "custom_claims_in_access_token_payload",
        ),
        "expiry": ("expiry",),
        "timeCreated": ("timeCreated", "time_created"),
    }
    return {name: next(known[key] for key in keys if key in known) for name, keys in names.items()}
