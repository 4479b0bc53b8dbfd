"""The operations of sessions: read the fields in the order of the interface, call the driver, show the result."""

from __future__ import annotations

from typing import Final

from reseal.cdi import keys, replies
from reseal.cdi.access_tokens import ProtectedClaim
from reseal.cdi.body import Body
from reseal.cdi.model import BranchRotatedOut, Issued, Verified
from reseal.cdi.paths import DEFAULT
from reseal.cdi.problem import ONLY_PUBLIC, Problem
from reseal.cdi.replies import V2_6, V2_21, V3_0, V4_0, KeyFacts
from reseal.cdi.versions import Version, token_version
from reseal.core import elevation, payload
from reseal.core.errors import Refusal, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.core.handles import tenant_of
from reseal.core.key_ring import KeyRing
from reseal.server.operations.call import Call, Reply
from reseal.server.permits import CURRENT

V2_3: Final = Version(2, 3)
V5_0: Final = Version(5, 0)
V5_6: Final = Version(5, 6)


async def create(call: Call) -> Reply:
    body, version, app = Body(call.body), call.version, call.driver.app
    user_id = body.text("userId")
    anti_csrf = body.flag("enableAntiCsrf") if version >= V2_6 else app.enable_anti_csrf
    jwt_payload, session_data = body.object("userDataInJWT"), body.object("userDataInDatabase")
    access_ms = _access_ms(body, version)
    dynamic = body.flag_or("useDynamicSigningKey", default=True) if version >= V2_21 else app.dynamic_keys
    issued = await call.driver.create(
        call.tenant_id,
        user_id,
        jwt_payload,
        session_data,
        version=token_version(version),
        anti_csrf=anti_csrf,
        static_key=not dynamic,
        access_ms=access_ms,
        caller=call.caller,
    )
    shown = _issued(call, issued)
    return shown if version >= V2_21 else shown | await _keys(call)


async def verify(call: Call) -> Reply:
    version, app = call.version, call.driver.app
    if version >= V5_6 and call.tenant_id != DEFAULT:
        raise Problem(403, ONLY_PUBLIC)
    body = Body(call.body)
    access_token, anti_csrf = body.text("accessToken"), body.text_or_none("antiCsrfToken")
    check = body.flag("doAntiCsrfCheck")
    enabled = body.flag("enableAntiCsrf") if version >= V2_6 else app.enable_anti_csrf
    check_database = body.flag("checkDatabase") if version >= V2_21 else app.blacklisting
    try:
        verified = await call.driver.verify(
            access_token,
            anti_csrf=anti_csrf,
            check_anti_csrf=check and enabled,
            check_database=check_database,
            stateless=version >= V5_6,
        )
    except TryRefreshToken as error:
        listed = await _keys(call) if replies.V2_4 <= version < V2_21 else {}
        return replies.refused("TRY_REFRESH_TOKEN", error.reason) | listed
    except BranchRotatedOut:
        return replies.refused("UNAUTHORISED", replies.ROTATED_OUT)
    except Unauthorised:
        gone = replies.BLACKLISTED if check_database else replies.PROMOTION_GONE
        return replies.refused("UNAUTHORISED", gone)
    reply = _verified(call, verified)
    if version < V2_21:
        reply |= await _keys(call)
    if version >= V5_6 and check_database:
        reply["payloadUpdateAvailable"] = verified.payload_update_available
    return reply


async def refresh(call: Call) -> Reply:
    body, version, app = Body(call.body), call.version, call.driver.app
    refresh_token, anti_csrf = body.text("refreshToken"), body.text_or_none("antiCsrfToken")
    enabled = body.flag("enableAntiCsrf") if version >= V2_6 else app.enable_anti_csrf
    access_ms = _access_ms(body, version)
    use_dynamic = _use_dynamic(body, version)
    try:
        issued = await call.driver.refresh(
            refresh_token,
            version=token_version(version),
            anti_csrf=anti_csrf,
            check_anti_csrf=enabled and version >= V2_3,
            with_anti_csrf=enabled,
            use_dynamic_key=use_dynamic,
            graceful=version >= V5_6,
            access_ms=access_ms,
            caller=call.caller,
        )
    except TokenTheftDetected as error:
        return _reused(call, error)
    except ProtectedClaim as error:
        return replies.refused("UNAUTHORISED", str(error))
    except Unauthorised as error:
        return replies.refused("UNAUTHORISED", _why_not_refreshed(error.reason, refresh_token))
    return _issued(call, issued)


async def regenerate(call: Call) -> Reply:
    if call.version < replies.V2_0:
        raise Problem(400, "CDI version not supported")
    body = Body(call.body)
    access_token, jwt_payload = body.text("accessToken"), body.object_or_none("userDataInJWT")
    try:
        verified = await call.driver.regenerate(access_token, jwt_payload, protected_for=token_version(call.version))
    except Unauthorised:
        return replies.refused("UNAUTHORISED", replies.SESSION_GONE)
    return _verified(call, verified)


async def delete(call: Call) -> Reply:
    """Revoke in the way of CDI 1.0."""
    if call.version >= replies.V2_0:
        raise Problem(400, "/session DELETE is only available in CDI 1.0. Please call /session/remove POST instead")
    body = Body(call.body)
    user_id, handle = body.text_or_none("userId"), body.text_or_none("sessionHandle")
    handles = body.texts_or_none("sessionHandles")
    if [user_id, handle, handles].count(None) != 2:  # noqa: PLR2004 - exactly one of three is given
        raise Problem(400, "Invalid JSON input - use one of userId, sessionHandle, or sessionHandles array")
    if user_id is not None:
        return replies.revoked(call.version, await call.driver.records.remove_user((DEFAULT,), user_id))
    named = handles if handles is not None else [handle or ""]
    return replies.revoked(call.version, await call.driver.records.remove(named))


async def remove(call: Call) -> Reply:
    if call.version < replies.V2_0:
        raise Problem(400, "/session/remove POST is only available in >= CDI 2.0. Please call /session DELETE instead")
    body = Body(call.body)
    user_id, handles = body.text_or_none("userId"), body.texts_or_none("sessionHandles")
    if (user_id is None) is (handles is None):
        raise Problem(400, "Invalid JSON input - use one of userId or sessionHandles array")
    across = _only_with_user(body, "revokeAcrossAllTenants", V3_0, call, user_id)
    _only_with_user(body, "revokeSessionsForLinkedAccounts", V4_0, call, user_id)
    if user_id is None:
        return replies.revoked(call.version, await call.driver.records.remove(handles or ()))
    tenants = _tenants(call, across_all=across)
    return replies.revoked(call.version, await call.driver.records.remove_user(tenants, user_id))


async def list_user(call: Call) -> Reply:
    user_id = call.query.text("userId")
    across = call.query.flag_or("fetchAcrossAllTenants", default=True) if call.version >= V3_0 else True
    handles = await call.driver.records.list_user(_tenants(call, across_all=across), user_id)
    return {"status": replies.OK, "sessionHandles": handles}


async def session_info(call: Call) -> Reply:
    try:
        record = await call.driver.records.get(call.query.text("sessionHandle"))
    except Unauthorised:
        return replies.refused("UNAUTHORISED", replies.SESSION_GONE)
    shown: Reply = {"status": replies.OK, "sessionHandle": record.handle, "userId": record.user_id}
    if call.version >= V4_0:
        shown["recipeUserId"] = record.user_id
    if call.version >= V3_0:
        shown["tenantId"] = tenant_of(record.handle)
    return shown | {
        "userDataInDatabase": payload.decode(record.session_data),
        "userDataInJWT": payload.decode(elevation.without(record.jwt_payload)),
        "expiry": record.expires_at,
        "timeCreated": record.created_at,
    }


async def get_session_data(call: Call) -> Reply:
    return await _read(call, "userDataInDatabase")


async def get_jwt_data(call: Call) -> Reply:
    _not_in_the_first(call)
    return await _read(call, "userDataInJWT")


async def put_session_data(call: Call) -> Reply:
    body = Body(call.body)
    handle, session_data = body.text("sessionHandle"), body.object("userDataInDatabase")
    try:
        await call.driver.records.set_session_data(handle, session_data)
    except Unauthorised:
        return replies.refused("UNAUTHORISED", replies.SESSION_GONE)
    return {"status": replies.OK}


async def put_jwt_data(call: Call) -> Reply:
    _not_in_the_first(call)
    body = Body(call.body)
    handle, jwt_payload = body.text("sessionHandle"), body.object("userDataInJWT")
    try:
        await call.driver.records.set_jwt_payload(handle, jwt_payload, protected_for=token_version(call.version))
    except Unauthorised:
        return replies.refused("UNAUTHORISED", replies.SESSION_GONE)
    return {"status": replies.OK}


async def handshake(call: Call) -> Reply:
    app, ring = call.driver.app, await call.driver.ring()
    return replies.handshake(
        call.version,
        _key_facts(ring, call.service.now(), dynamic=app.dynamic_keys),
        call.service.cookies,
        enable_anti_csrf=app.enable_anti_csrf,
        blacklisting=app.blacklisting,
        access_ms=app.access_token_ms,
        refresh_ms=app.refresh_token_ms,
    )


async def sign_jwt(call: Call) -> Reply:
    body = Body(call.body)
    algorithm, issuer, claims = body.text("algorithm"), body.text("jwksDomain"), body.object("payload")
    validity = body.whole("validity")
    static = body.flag_or("useStaticSigningKey", default=True) if call.version >= V2_21 else True
    if validity < 0:
        raise Problem(400, "validity must be greater than or equal to 0")
    if validity == 0:
        raise Problem(400, "validity must be at least 1 second: the token would have ended before anybody read it")
    if algorithm != "RS256":
        return {"status": "UNSUPPORTED_ALGORITHM_ERROR"}
    return {"status": replies.OK, "jwt": await call.driver.sign_jwt(claims, issuer, validity, dynamic=not static)}


async def recipe_jwks(call: Call) -> Reply:
    ring = await call.driver.ring()
    return {"keys": keys.jwks(ring, call.service.now()), "status": replies.OK}


async def get_user(call: Call) -> Reply:
    """Say that no user is known: SDKs ask before they create a session, and then take the id that they have."""
    call.query.text("userId")
    return {"status": "UNKNOWN_USER_ID_ERROR"}


def _why_not_refreshed(reason: Refusal, refresh_token: str) -> str:
    if reason is Refusal.MALFORMED:
        return replies.not_a_refresh_token(refresh_token)
    return replies.ANTI_CSRF_WRONG if reason is Refusal.ANTI_CSRF else replies.REFRESH_GONE


def _reused(call: Call, error: TokenTheftDetected) -> Reply:
    if call.version < V5_6:
        return replies.theft(error.session_handle, error.user_id)
    subtype = "RECENT_PREV" if error.subtype == "previous" else "STALE_LINEAGE"
    if subtype == "RECENT_PREV" and not call.driver.app.reuse_is_theft:
        return replies.refused("UNAUTHORISED", replies.REUSED)
    return replies.theft(error.session_handle, error.user_id) | {"recentTokenReuseSubtype": subtype}


async def _read(call: Call, name: str) -> Reply:
    try:
        record = await call.driver.records.get(call.query.text("sessionHandle"))
    except Unauthorised:
        return replies.refused("UNAUTHORISED", replies.SESSION_GONE)
    stored = record.session_data if name == "userDataInDatabase" else elevation.without(record.jwt_payload)
    return {"status": replies.OK, name: payload.decode(stored)}


def _issued(call: Call, issued: Issued) -> Reply:
    version, cookies, session = call.version, call.service.cookies, issued.session
    refresh_facts = issued.refresh
    shown: Reply = {
        "status": replies.OK,
        "session": replies.session(version, session),
        "accessToken": replies.token(version, issued.access, cookies, cookies.access_path),
        "refreshToken": replies.token(version, refresh_facts, cookies, cookies.refresh_path),
    }
    if version < V2_21:
        shown["idRefreshToken"] = replies.id_refresh_token(
            version, call.service.random(16), refresh_facts.expiry, refresh_facts.created, cookies
        )
    if issued.anti_csrf is not None:
        shown["antiCsrfToken"] = issued.anti_csrf
    return shown


def _verified(call: Call, verified: Verified) -> Reply:
    version, cookies = call.version, call.service.cookies
    shown: Reply = {"status": replies.OK, "session": replies.session(version, verified.session)}
    if verified.access is not None:
        shown["accessToken"] = replies.token(version, verified.access, cookies, cookies.access_path)
    return shown


async def _keys(call: Call) -> Reply:
    """Show the signing keys, which interfaces below 2.21 do."""
    dynamic = call.driver.app.dynamic_keys
    return replies.keys(call.version, _key_facts(await call.driver.ring(), call.service.now(), dynamic=dynamic))


def _key_facts(ring: KeyRing, now: int, *, dynamic: bool) -> KeyFacts:
    return KeyFacts(
        public_key=keys.spki(keys.signing_rsa(ring, now, dynamic=dynamic)),
        expires_at=keys.signing_key_expiry(ring, now, dynamic=dynamic),
        entries=tuple(
            (entry.public_key, entry.expires_at, entry.created_at)
            for entry in keys.public_key_list(ring, now, dynamic=dynamic)
        ),
    )


def _access_ms(body: Body, version: Version) -> int | None:
    if version < V5_6:
        return None
    asked = body.whole_or_none("accessTokenValidity")
    if asked is not None and asked <= 0:
        raise Problem(400, "Field name 'accessTokenValidity' is invalid in JSON input")
    return asked


def _use_dynamic(body: Body, version: Version) -> bool | None:
    if version >= V5_0:
        return body.flag("useDynamicSigningKey")
    return body.flag_or_none("useDynamicSigningKey") if version >= V3_0 else None


def _only_with_user(body: Body, name: str, since: Version, call: Call, user_id: str | None) -> bool:
    if call.version < since:
        return True
    given = body.flag_or_none(name)
    if given is not None and user_id is None:
        raise Problem(400, f"Invalid JSON input - {name} can only be set if userId is set")
    return True if given is None else given


def _tenants(call: Call, *, across_all: bool) -> tuple[str, ...]:
    if call.version < V3_0:
        return (DEFAULT,)
    if across_all and call.tenant_id != DEFAULT and call.version >= V5_0:
        raise Problem(403, ONLY_PUBLIC)
    return CURRENT.get().tenants_of(call.tenants) if across_all else (call.tenant_id,)


def _not_in_the_first(call: Call) -> None:
    if call.version < replies.V2_0:
        raise Problem(400, "CDI version not supported")
