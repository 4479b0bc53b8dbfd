"use strict";
// How the generations of the SDK spell the same things. Each era: (load, options) => what app.cjs asks for.

module.exports = { 1: functions, 2: middleware, 3: recipes, 4: frameworks, 5: tenants };

// 1.0: functions only; the application makes the routes and gives errors a meaning.
function functions(load, { hosts }) {
    const sdk = load("supertokens-node");
    sdk.init(hosts.map(({ hostname, port }) => ({ hostname, port })));
    const { UNAUTHORISED, TRY_REFRESH_TOKEN, TOKEN_THEFT_DETECTED } = sdk.Error;
    const refused = (error, _request, response, next) => {
        const say = (message) => response.status(401).json({ message });
        if (!sdk.Error.isErrorFromAuth(error)) return next(error);
        if (error.errType === UNAUTHORISED) return say("unauthorised");
        if (error.errType === TRY_REFRESH_TOKEN) return say("try refresh token");
        if (error.errType !== TOKEN_THEFT_DETECTED) return next(error);
        return sdk
            .revokeSessionUsingSessionHandle(error.err.sessionHandle)
            .then(() => say("token theft detected"), next);
    };
    const guard = ({ antiCsrfCheck }) => (request, response, next) =>
        sdk.getSession(request, response, antiCsrfCheck ?? request.method !== "GET").then((session) => {
            request.session = session;
            next();
        }, next);
    return {
        before: [],
        after: [refused],
        refresh: (request, response, next) => sdk.refreshSession(request, response).then(() => next(), next),
        guard,
        create: (_request, response, userId, payload, data) => sdk.createNewSession(response, userId, payload, data),
        read: (session) => session.getSessionData(),
        write: (session, data) => session.updateSessionData(data),
        handles: sdk.getAllSessionHandlesForUser,
        info: async (handle) => ({ data: await sdk.getSessionData(handle) }),
        revoke: sdk.revokeSessionUsingSessionHandle,
        revokeAll: sdk.revokeAllSessionsForUser,
    };
}

// 2.x: a middleware that verifies, or refreshes on the service's refresh path, and an error handler.
function middleware(load, { hosts, apiKey }) {
    const sdk = load("supertokens-node");
    const refreshing = sdk.init({ hosts: uris(hosts), apiKey });
    return {
        before: refreshing === undefined ? [] : [refreshing], // from 2.4 on
        after: [sdk.errorHandler()],
        refresh: sdk.middleware(),
        guard: ({ antiCsrfCheck }) => sdk.middleware(antiCsrfCheck),
        create: (_request, response, userId, payload, data) => sdk.createNewSession(response, userId, payload, data),
        read: (session) => session.getSessionData(),
        write: (session, data) => session.updateSessionData(data),
        change: (session, payload) => session.updateJWTPayload(payload),
        changeOf: sdk.updateJWTPayload,
        handles: sdk.getAllSessionHandlesForUser,
        info: async (handle) => ({
            data: await sdk.getSessionData(handle),
            payload: await sdk.getJWTPayload(handle),
        }),
        revoke: sdk.revokeSession,
        revokeMany: sdk.revokeMultipleSessions,
        revokeAll: sdk.revokeAllSessionsForUser,
    };
}

// 3 to 6: recipes; the SDK brings the refresh route.
function recipes(load, options) {
    const sdk = load("supertokens-node");
    const Session = load("supertokens-node/recipe/session");
    const major = majorOf(options);
    const { antiCsrf } = options;
    started(sdk, Session, options, major < 5 ? { enableAntiCsrf: antiCsrf === "VIA_TOKEN" } : { antiCsrf });
    return {
        ...common(Session),
        before: [sdk.middleware()],
        after: [sdk.errorHandler()],
        guard: (wanted) => Session.verifySession(major < 4 ? wanted.antiCsrfCheck : wanted),
        create: (_request, response, userId, payload, data) =>
            Session.createNewSession(response, userId, payload, data),
    };
}

// 7 to 14: other frameworks than Express; from 13 on the request says how tokens travel.
function frameworks(load, options) {
    const { Session, era } = framed(load, options);
    const major = majorOf(options);
    return {
        ...era,
        create: (request, response, userId, payload, data) =>
            major < 13
                ? Session.createNewSession(response, userId, payload, data)
                : Session.createNewSession(request, response, userId, payload, data),
    };
}

// 15 to 24: tenants; from 16 on a login method has a user id of its own.
function tenants(load, options) {
    const { sdk, Session, era } = framed(load, options);
    const Multitenancy = load("supertokens-node/recipe/multitenancy");
    const recipeUserId = sdk.convertToRecipeUserId ?? ((userId) => userId);
    const scope = (tenantId) => (majorOf(options) < 16 ? [tenantId] : [true, tenantId]);
    return {
        ...era,
        create: (request, response, userId, payload, data, tenantId = "public") =>
            Session.createNewSession(request, response, tenantId, recipeUserId(userId), payload, data),
        handles: (userId, tenantId) => Session.getAllSessionHandlesForUser(userId, ...scope(tenantId)),
        revokeAll: (userId, tenantId) => Session.revokeAllSessionsForUser(userId, ...scope(tenantId)),
        makeTenant: (tenantId) => Multitenancy.createOrUpdateTenant(tenantId, {}),
    };
}

function framed(load, options) {
    const sdk = load("supertokens-node");
    const Session = load("supertokens-node/recipe/session");
    const express = load("supertokens-node/framework/express");
    const { verifySession } = load("supertokens-node/recipe/session/framework/express");
    const { antiCsrf, jwt, dynamicKeys } = options;
    started(sdk, Session, options, {
        antiCsrf,
        ...(jwt ? { jwt: { enable: true } } : {}),
        ...(dynamicKeys === undefined ? {} : { useDynamicAccessTokenSigningKey: dynamicKeys }),
    });
    const era = {
        ...common(Session),
        before: [express.middleware()],
        after: [express.errorHandler()],
        guard: verifySession,
        sign: (claims) => Session.createJWT(claims, 100),
    };
    return { sdk, Session, era };
}

function started(sdk, Session, options, session) {
    const { hosts, apiKey } = options;
    sdk.init({
        supertokens: { connectionURI: uris(hosts), apiKey },
        appInfo: { appName: "Reseal", apiDomain: "http://localhost", websiteDomain: "http://localhost" },
        recipeList: [Session.init(session)],
        ...(majorOf(options) < 4 ? {} : { telemetry: false }),
    });
}

function common(Session) {
    return {
        read: (session) => (session.getSessionDataFromDatabase ?? session.getSessionData).call(session),
        write: (session, data) =>
            (session.updateSessionDataInDatabase ?? session.updateSessionData).call(session, data),
        change: (session, payload) => payloadChanger(session).call(session, payload),
        changeOf: (handle, payload) => payloadChanger(Session)(handle, payload),
        handles: (userId) => Session.getAllSessionHandlesForUser(userId),
        info: async (handle) => {
            if (Session.getSessionInformation === undefined) {
                return { data: await Session.getSessionData(handle), payload: await Session.getJWTPayload(handle) };
            }
            const found = await Session.getSessionInformation(handle);
            return found === undefined
                ? null
                : {
                      data: found.sessionDataInDatabase ?? found.sessionData,
                      payload: found.customClaimsInAccessTokenPayload ?? found.accessTokenPayload ?? found.jwtPayload,
                      userId: found.userId,
                      expiry: found.expiry,
                      timeCreated: found.timeCreated,
                  };
        },
        revoke: (handle) => Session.revokeSession(handle),
        revokeMany: (handles) => Session.revokeMultipleSessions(handles),
        revokeAll: (userId) => Session.revokeAllSessionsForUser(userId),
    };
}

function payloadChanger(owner) {
    return owner.mergeIntoAccessTokenPayload ?? owner.updateAccessTokenPayload ?? owner.updateJWTPayload;
}

function uris(hosts) {
    return hosts.map(({ hostname, port, path }) => `http://${hostname}:${port}${path}`).join(";");
}

function majorOf({ version }) {
    return Number(version.split(".")[0]);
}
