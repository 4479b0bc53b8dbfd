"""Write the OpenAPI description of the service from its route tables. ``--check`` only compares.

python tools/openapi.py [--check]

Shapes are those of versions 5.0 to 5.4, which published SDKs speak, and those of the native calls, which are taken
from the types that the service decodes and encodes; ``tests/server/test_openapi.py`` compares them with what it really
answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from reseal._async.not_before import Ended
from reseal.cdi.paths import PROBES, ROUTES, Access, Operation
from reseal.cdi.versions import Version
from reseal.core.cases import Case
from reseal.core.errors import Refusal
from reseal.core.model import SessionRecord
from reseal.core.policy_preview import Previewed
from reseal.core.providers import ProviderEnd
from reseal.rpc import calls, kill_calls
from reseal.server.kill_feed import OPERATION, PATH
from reseal.server.rpc import CALLS

TARGET = Path(__file__).resolve().parent.parent / "src/reseal/server/openapi.json"
CURRENT = Version(5, 4)
OLDEST_ALIKE = Version(5, 0)
Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer"}
MS: Schema = {"type": "integer", "description": "milliseconds since the epoch"}
ANY: Schema = {"type": "object"}
TEXTS: Schema = {"type": "array", "items": TEXT}
USER: Schema = {"type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[^\\u0000]*$"}
USER_ASKED: Schema = {"type": "string"}


def only(required: dict[str, Schema], **optional: Schema) -> Schema:
    """Describe a reply: these members and no others."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def body(required: dict[str, Schema], **optional: Schema) -> Schema:
    """Describe a request: further members are ignored."""
    return {"type": "object", "properties": required | optional} | ({"required": list(required)} if required else {})


def ok(**members: Schema) -> Schema:
    return only({"status": {"const": "OK"}, **members})


def status(text: str) -> Schema:
    return only({"status": {"const": text}})


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(*shapes: Schema) -> Schema:
    return {"oneOf": list(shapes)}


TENANT = only(
    {"tenantId": TEXT, "thirdParty": only({"providers": {"type": "array", "maxItems": 0}}), "coreConfig": ANY},
    firstFactors=TEXTS,
    requiredSecondaryFactors=TEXTS,
)
ENABLED = only({"enabled": FLAG})
OLD_TENANT = only(
    {
        "tenantId": TEXT,
        "emailPassword": ENABLED,
        "thirdParty": only({"enabled": FLAG, "providers": {"type": "array", "maxItems": 0}}),
        "passwordless": ENABLED,
        "coreConfig": ANY,
    },
    firstFactors=TEXTS,
    requiredSecondaryFactors=TEXTS,
)
COMPONENTS: dict[str, Schema] = {
    "Session": only({"handle": TEXT, "userId": TEXT, "recipeUserId": TEXT, "userDataInJWT": ANY, "tenantId": TEXT}),
    "Token": only({"token": TEXT, "expiry": MS, "createdTime": MS}),
    "Unauthorised": only({"status": {"const": "UNAUTHORISED"}, "message": TEXT}),
    "TryRefreshToken": only({"status": {"const": "TRY_REFRESH_TOKEN"}, "message": TEXT}),
    "TokenTheftDetected": only(
        {
            "status": {"const": "TOKEN_THEFT_DETECTED"},
            "session": only({"handle": TEXT, "userId": TEXT, "recipeUserId": TEXT}),
        }
    ),
    "Jwk": one_of(
        only({"kty": {"const": "RSA"}, **dict.fromkeys(("kid", "n", "e", "alg", "use"), TEXT)}),
        only({"kty": {"const": "EC"}, **dict.fromkeys(("kid", "crv", "x", "y", "alg", "use"), TEXT)}),
    ),
    "Tenant": TENANT,
    "OldTenant": OLD_TENANT,
}
DONE = one_of(ok(), ref("Unauthorised"))
FACTORS: dict[str, Schema] = {
    name: {"type": ["array", "null"], "items": TEXT} for name in ("firstFactors", "requiredSecondaryFactors")
}
FLAGS: dict[str, Schema] = {f"{name}Enabled": FLAG for name in ("emailPassword", "thirdParty", "passwordless")}
NAME: Schema = {"type": "string"}
CREATED = ok(createdNew=FLAG)
REMOVED = ok(didExist=FLAG)
KEYS: Schema = {"type": "array", "items": ref("Jwk")}
ISSUED = only(
    {
        "status": {"const": "OK"},
        "session": ref("Session"),
        "accessToken": ref("Token"),
        "refreshToken": ref("Token"),
    },
    antiCsrfToken=TEXT,
)
VERIFIED = only({"status": {"const": "OK"}, "session": ref("Session")}, accessToken=ref("Token"))

REPLIES: dict[str, Schema] = {
    "jwks": only({"keys": KEYS}),
    "apiversion": only({"versions": TEXTS}),
    "config": one_of(ok(path=TEXT), status("NOT_ALLOWED")),
    "mode": one_of(ok(mode=TEXT), status("NOT_ALLOWED")),
    "openapi": ANY,
    "telemetry": only({"exists": FLAG}, telemetryId=TEXT),
    "request_stats": ok(
        atMinute=COUNT,
        averageRequestsPerSecond={"type": "array", "items": {"type": "number"}},
        peakRequestsPerSecond={"type": "array", "items": {"type": "number"}},
    ),
    "features": ok(features=TEXTS, usageStats=ANY),
    "put_license": ok(),
    "get_license": status("NO_LICENSE_KEY_FOUND_ERROR"),
    "delete_license": ok(),
    "create": ISSUED,
    "verify": one_of(VERIFIED, ref("Unauthorised"), ref("TryRefreshToken")),
    "refresh": one_of(ISSUED, ref("Unauthorised"), ref("TokenTheftDetected")),
    "regenerate": one_of(VERIFIED, ref("Unauthorised")),
    "remove": ok(sessionHandlesRevoked=TEXTS),
    "list_user": ok(sessionHandles=TEXTS),
    "session_info": one_of(
        ok(
            sessionHandle=TEXT,
            userId=TEXT,
            recipeUserId=TEXT,
            tenantId=TEXT,
            userDataInDatabase=ANY,
            userDataInJWT=ANY,
            expiry=MS,
            timeCreated=MS,
        ),
        ref("Unauthorised"),
    ),
    "get_session_data": one_of(ok(userDataInDatabase=ANY), ref("Unauthorised")),
    "put_session_data": DONE,
    "get_jwt_data": one_of(ok(userDataInJWT=ANY), ref("Unauthorised")),
    "put_jwt_data": DONE,
    "sign_jwt": one_of(ok(jwt=TEXT), status("UNSUPPORTED_ALGORITHM_ERROR")),
    "recipe_jwks": only({"keys": KEYS, "status": {"const": "OK"}}),
    "get_user": status("UNKNOWN_USER_ID_ERROR"),
    "put_app": CREATED,
    "put_app_v2": CREATED,
    "remove_app": REMOVED,
    "list_apps": ok(
        apps={"type": "array", "items": only({"appId": TEXT, "tenants": {"type": "array", "items": ref("OldTenant")}})}
    ),
    "list_apps_v2": ok(
        apps={"type": "array", "items": only({"appId": TEXT, "tenants": {"type": "array", "items": ref("Tenant")}})}
    ),
    "put_tenant": CREATED,
    "put_tenant_v2": CREATED,
    "get_tenant": one_of(
        only(
            {"status": {"const": "OK"}, **{name: OLD_TENANT["properties"][name] for name in OLD_TENANT["required"]}},
            firstFactors=TEXTS,
            requiredSecondaryFactors=TEXTS,
        ),
        status("TENANT_NOT_FOUND_ERROR"),
    ),
    "get_tenant_v2": one_of(
        only(
            {"status": {"const": "OK"}, **{name: TENANT["properties"][name] for name in TENANT["required"]}},
            firstFactors=TEXTS,
            requiredSecondaryFactors=TEXTS,
        ),
        status("TENANT_NOT_FOUND_ERROR"),
    ),
    "remove_tenant": REMOVED,
    "list_tenants": ok(tenants={"type": "array", "items": ref("OldTenant")}),
    "list_tenants_v2": ok(tenants={"type": "array", "items": ref("Tenant")}),
}
"""The JSON that is answered with 200, by operation."""

BODIES: dict[str, Schema] = {
    "put_license": body({}, licenseKey=TEXT),
    "create": body(
        {"userId": USER, "enableAntiCsrf": FLAG, "userDataInJWT": ANY, "userDataInDatabase": ANY},
        useDynamicSigningKey=FLAG,
    ),
    "verify": body(
        {"accessToken": TEXT, "doAntiCsrfCheck": FLAG, "enableAntiCsrf": FLAG, "checkDatabase": FLAG},
        antiCsrfToken=TEXT,
    ),
    "refresh": body({"refreshToken": TEXT, "enableAntiCsrf": FLAG, "useDynamicSigningKey": FLAG}, antiCsrfToken=TEXT),
    "regenerate": body({"accessToken": TEXT}, userDataInJWT=ANY),
    "remove": one_of(
        body({"userId": USER_ASKED}, revokeAcrossAllTenants=FLAG, revokeSessionsForLinkedAccounts=FLAG),
        body({"sessionHandles": TEXTS}),
    ),
    "put_session_data": body({"sessionHandle": TEXT, "userDataInDatabase": ANY}),
    "put_jwt_data": body({"sessionHandle": TEXT, "userDataInJWT": ANY}),
    "sign_jwt": body(
        {
            "algorithm": TEXT,
            "jwksDomain": TEXT,
            "payload": ANY,
            "validity": {"type": "integer", "minimum": 0, "description": "seconds"},
        },
        useStaticSigningKey=FLAG,
    ),
    "put_app": body({}, appId=NAME, coreConfig=ANY, **FLAGS, **FACTORS),
    "put_app_v2": body({}, appId=NAME, coreConfig=ANY, **FACTORS),
    "remove_app": body({"appId": NAME}),
    "put_tenant": body({}, tenantId=NAME, coreConfig=ANY, **FLAGS, **FACTORS),
    "put_tenant_v2": body({}, tenantId=NAME, coreConfig=ANY, **FACTORS),
    "remove_tenant": body({"tenantId": NAME}),
}

QUERIES: dict[str, dict[str, bool]] = {
    "apiversion": {"apiDomain": False, "websiteDomain": False},
    "config": {"pid": True},
    "mode": {"pid": True},
    "list_user": {"userId": True, "fetchAcrossAllTenants": False, "fetchSessionsForAllLinkedAccounts": False},
    "session_info": {"sessionHandle": True},
    "get_session_data": {"sessionHandle": True},
    "get_jwt_data": {"sessionHandle": True},
    "get_user": {"userId": True},
}
"""Parameters, and whether they are required."""

TEXT_REPLIES = {
    "hello": ("Alive", "text/html"),
    "healthz": ("The process answers", "text/html"),
    "readyz": ("The store answers, and the process is not about to leave", "text/html"),
    "metrics": ("Numbers for Prometheus", "text/plain"),
}
"""Replies with 200 that are not JSON: their meaning and type."""

NATIVE_REPLIES: dict[str, Any] = {
    "create": calls.Tokens,
    "refresh": calls.Tokens,
    "check": SessionRecord,
    "reissue": calls.Tokens,
    "bind": calls.Tokens,
    "nonce_key": str,
    "elevate": calls.Tokens,
    "end_by_provider": ProviderEnd,
    "remember_client": int,
    "get": SessionRecord,
    "why_ended": dict[str, Refusal],
    "issue_ticket": str,
    "redeem_ticket": calls.Tokens,
    "list_user": list[SessionRecord],
    "list_ended": list[SessionRecord],
    "rename": SessionRecord,
    "update": SessionRecord,
    "revoke": list[str],
    "revoke_user": list[str],
    "end_before": Ended,
    "preview_policies": Previewed,
    "rotate_keys": str,
    "list_cases": list[Case],
    "read_case": Case | None,
    "close_case": Case | None,
    "erase_cases": int,
    "jwks": dict[str, list[dict[str, str]]],
}
"""The result types of native calls."""

FEED_PARAMETERS: list[tuple[str, Schema, str]] = [
    ("app_id", TEXT, "The app; without it `public`"),
    ("tenant_id", TEXT, "The tenant; without it `public`"),
    ("after", TEXT, "The cursor of the answer before; without it the answer is a snapshot"),
    ("wait", COUNT, f"How many seconds to wait for an entry, {kill_calls.WAIT:.0f} at most; without it 0"),
]
"""The parameters of the feed of the kill list."""

PROBLEMS = {
    400: "Malformed input, an unsupported version, an unknown app or tenant",
    401: "No key, or none of the live ones",
    403: "Not through this app or tenant, not from this address, or not with this API key",
    408: "The body did not arrive in time",
    413: "The body is larger than 1 MiB",
    429: "Too many failures from this address; the answer says when to try again",
    500: "Something failed here",
    503: "The session store did not answer; nothing is lost, try again",
}
WITHOUT_STORE = {"healthz", "metrics"}
"""Operations that do not use the store."""
KEYED: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]
"""Either of the two is enough."""


def document() -> dict[str, Any]:
    """Describe every current operation."""
    shapes, components = _rpc_shapes()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reseal core service",
            "version": str(CURRENT),
            "description": (
                "Sessions for backend SDKs. Every path but probes and native calls may begin with `/appid-<app>` and "
                "`/<tenant>`. Outcomes of sessions are answered with 200 and a `status`; problems are plain text. "
                "Native calls, under `/reseal/v1`, are those of Reseal's own clients: 422 carries an error of the tree "
                "in `reseal.core.errors`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {path: shown for path, operations in ROUTES.items() if (shown := _path(operations))}
        | {f"{calls.PREFIX}{name}": {"post": _native(name, *shape)} for name, shape in shapes.items()}
        | {PATH: {"get": _feed()}},
        "components": {
            "schemas": COMPONENTS | components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "api-key"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "the same key"},
            },
        },
    }


def _path(operations: dict[str, Operation]) -> dict[str, Any]:
    current = {method: operation for method, operation in operations.items() if _is_current(operation)}
    return {method.lower(): _operation(method, operation) for method, operation in current.items()}


def _is_current(operation: Operation) -> bool:
    return operation.since <= CURRENT <= operation.until


def _operation(method: str, operation: Operation) -> dict[str, Any]:
    name = operation.name
    shown: dict[str, Any] = {
        "operationId": None if name == "hello" else f"{name}_head" if method == "HEAD" else name,
        "parameters": _parameters(operation),
        "responses": {"200": _done(name)} | {str(code): _problem(code) for code in _codes(operation)},
        "security": KEYED if operation.access is Access.KEYED else [],
    }
    if method == "HEAD":
        shown["responses"] = {code: {"description": each["description"]} for code, each in shown["responses"].items()}
    if name in BODIES and method != "GET":
        shown["requestBody"] = {"required": True, "content": {"application/json": {"schema": BODIES[name]}}}
    return {key: value for key, value in shown.items() if value is not None}


def _native(name: str, asked: Schema, answered: Schema) -> dict[str, Any]:
    return {
        "operationId": f"rpc_{name}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": _reply(answered),
            str(calls.REFUSED): _reply(ref("NativeFailure")) | {"description": "The error that the call ended with"},
        }
        | {str(code): _problem(code) for code in PROBLEMS},
        "security": KEYED,
    }


def _feed() -> dict[str, Any]:
    """Describe the feed of the kill list."""
    return {
        "operationId": OPERATION,
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": meaning}
            for name, schema, meaning in FEED_PARAMETERS
        ],
        "responses": {
            "200": _reply(ref("NativeFeed")),
            "304": {"description": "The snapshot is still the one that If-None-Match names"},
            str(kill_calls.GONE): {"description": "The cursor is another store's: ask without it"},
        }
        | {str(code): _problem(code) for code in PROBLEMS if code not in {408, 413}},
        "security": KEYED,
    }


def _rpc_shapes() -> tuple[dict[str, tuple[Schema, Schema]], dict[str, Schema]]:
    """Derive request and reply of each native call from their types, with the components that they refer to."""
    types = [each for name, call in CALLS.items() for each in (call.decoder.type, NATIVE_REPLIES[name])]
    schemas, components = msgspec.json.schema_components(
        [*types, kill_calls.Feed, calls.Failure],
        schema_hook=_any_json,
        ref_template="#/components/schemas/Native{name}",
    )
    shapes = {name: (schemas[2 * n], schemas[2 * n + 1]) for n, name in enumerate(CALLS)}
    return shapes, {f"Native{name}": schema for name, schema in components.items()}


def _any_json(kind: type) -> Schema:
    if kind is object:
        return {"description": "any JSON"}
    raise NotImplementedError(kind)


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    asked = [
        {"name": name, "in": "query", "required": required, "schema": TEXT}
        for name, required in QUERIES.get(operation.name, {}).items()
    ]
    if not operation.versioned:
        return asked
    oldest = max(OLDEST_ALIKE, operation.since)
    versions = [str(Version(5, minor)) for minor in range(oldest.minor, CURRENT.minor + 1)]
    return [*asked, {"name": "cdi-version", "in": "header", "required": True, "schema": {"enum": versions}}]


def _codes(operation: Operation) -> list[int]:
    absent = set() if operation.access is Access.KEYED else {401}
    absent |= {400, 408, 413, 429} if operation.name in PROBES else set()
    absent |= {503} if operation.name in WITHOUT_STORE else set()
    return [code for code in PROBLEMS if code not in absent]


def _done(name: str) -> dict[str, Any]:
    if name not in TEXT_REPLIES:
        return _reply(REPLIES[name])
    description, content_type = TEXT_REPLIES[name]
    return {"description": description, "content": {content_type: {"schema": TEXT}}}


def _reply(schema: Schema) -> dict[str, Any]:
    return {"description": "The outcome", "content": {"application/json": {"schema": schema}}}


def _problem(code: int) -> dict[str, Any]:
    return {"description": PROBLEMS[code], "content": {"text/html": {"schema": TEXT}}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if not parser.parse_args().check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        print(f"{TARGET.name} is not what the route table says; run tools/openapi.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
