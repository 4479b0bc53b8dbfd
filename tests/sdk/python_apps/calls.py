"""What differs between the generations of supertokens-python, for apps of all frameworks.

0.3 gives dictionaries, later ones objects; 0.13 renamed the data and merges payloads instead of replacing them; 0.15
brought tenants, 0.25 a user id of its own kind.
"""

import json
import sys
from importlib.metadata import version

from supertokens_python import InputAppInfo, SupertokensConfig, init
from supertokens_python.recipe import session

VERSION = tuple(int(part) for part in version("supertokens-python").split(".")[:2])
MERGES = VERSION >= (0, 13)
CHECKS_DATABASE = VERSION >= (0, 13)
HAS_TENANTS = VERSION >= (0, 15)
HAS_USER_IDS = VERSION >= (0, 25)

order = json.loads(sys.argv[1])
port = order["port"]


def start(framework):
    """Initialise the SDK as the order on the command line says."""
    origin = f"http://127.0.0.1:{port}"
    init(
        app_info=InputAppInfo(app_name="app", api_domain=origin, website_domain=origin),
        framework=framework,
        supertokens_config=SupertokensConfig(connection_uri=order["connection_uri"], api_key=order["api_key"]),
        recipe_list=[session.init(anti_csrf=order["anti_csrf"])],
        telemetry=False,
    )


def whose(user_id):
    """Give the arguments of creating a session that say whose it is."""
    if HAS_USER_IDS:
        from supertokens_python.types import RecipeUserId

        return "public", RecipeUserId(user_id)
    return ("public", user_id) if HAS_TENANTS else (user_id,)


def extra_checks():
    """Give the arguments of verifying that ask for a look at the database."""
    return {"check_database": True} if CHECKS_DATABASE else {}


def handles_of(user_id):
    """List a user's sessions, synchronously; 0.3 has a list only for asynchronous callers."""
    from supertokens_python.async_to_sync_wrapper import sync
    from supertokens_python.recipe.session.asyncio import get_all_session_handles_for_user

    return sync(get_all_session_handles_for_user(user_id))


def data_reader(container, prefix=""):
    return getattr(container, f"{prefix}get_session_data{'_from_database' if MERGES else ''}")


def data_writer(container, prefix=""):
    return getattr(container, f"{prefix}update_session_data{'_in_database' if MERGES else ''}")


def payload_writer(container, prefix=""):
    return getattr(container, prefix + ("merge_into_access_token_payload" if MERGES else "update_access_token_payload"))


def seen(container):
    """Show a session."""
    return {
        "handle": container.get_handle(),
        "userId": container.get_user_id(),
        "payload": container.get_access_token_payload(),
        "accessToken": container.get_access_token(),
    }


def shown(info):
    """Show what the service knows of a session."""
    known = info if isinstance(info, dict) else vars(info)
    names = {
        "handle": ("sessionHandle", "session_handle"),
        "userId": ("userId", "user_id"),
        "data": ("userDataInDatabase", "sessionData", "session_data", "session_data_in_database"),
        "payload": (
            "userDataInJWT",
            "accessTokenPayload",
            "access_token_payload",
            "custom_claims_in_access_token_payload",
        ),
        "expiry": ("expiry",),
        "created": ("timeCreated", "time_created"),
    }
    return {name: next(known[key] for key in keys if key in known) for name, keys in names.items()}
