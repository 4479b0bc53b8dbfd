"use strict";
// An Express application over one published SDK. Every SDK gets the same routes; how each spells them is in eras.cjs.
//
// node app.cjs '{"packages": <folder>, "version", "era": 1…5, "port", "hosts": [{"hostname", "port", "path"}], "apiKey"?,
//               "refreshPath", "antiCsrf": "VIA_TOKEN" | "NONE", "dynamicKeys"?: <boolean>, "jwt"?: true}'
// ends when its standard input does.

const { createRequire } = require("node:module");
const path = require("node:path");
const eras = require("./eras.cjs");

const options = JSON.parse(process.argv[2]);
const installed = createRequire(path.join(options.packages, "package.json"));
const load = (name) => installed(name.replace(/^supertokens-node/, `node-${options.version}`));
const express = load("express");
const sdk = eras[options.era](load, options);
const app = express();

sdk.before.forEach((handler) => app.use(handler));
app.use(express.json());
if (sdk.refresh !== undefined) {
    app.post(options.refreshPath, sdk.refresh, (_request, response) => response.json({}));
}

app.post("/create", answer(async (request, response) => {
    const { userId, payload, data, tenantId } = request.body;
    return shown(await sdk.create(request, response, userId, payload, data, tenantId));
}));
app.all("/verify", guarded(), answer(async (request) => shown(request.session)));
app.get("/data", guarded(), answer(async (request) => sdk.read(request.session)));
app.put("/data", guarded(), answer(async (request) => sdk.write(request.session, request.body)));
app.put("/payload", guarded(), answer(async (request) => sdk.change(request.session, request.body)));
app.post("/revoke", guarded(), answer(async (request) => request.session.revokeSession()));

app.get("/handles", answer(async ({ query }) => sdk.handles(query.userId, query.tenantId)));
app.get("/sessions/:handle", answer(async (request) => sdk.info(request.params.handle)));
app.put("/sessions/:handle/payload", answer(async (request) => sdk.changeOf(request.params.handle, request.body)));
app.post("/revoke-many", answer(async (request) => sdk.revokeMany(request.body)));
app.delete("/sessions/:handle", answer(async (request) => sdk.revoke(request.params.handle)));
app.delete("/users/:userId", answer(async ({ params, query }) => sdk.revokeAll(params.userId, query.tenantId)));
app.put("/tenants/:tenantId", answer(async (request) => sdk.makeTenant(request.params.tenantId)));
app.post("/jwt", answer(async (request) => sdk.sign(request.body)));

sdk.after.forEach((handler) => app.use(handler));
app.use((error, _request, response, _next) => {
    const cause = error.payload ?? error.err ?? error;
    console.error(cause);
    response.status(500).json({ message: "error" });
});

app.listen(options.port, "127.0.0.1");
process.stdin.resume().on("end", () => process.exit());

function answer(handler) {
    return (request, response, next) =>
        handler(request, response).then((value) => response.json(value === undefined ? {} : value), next);
}

function guarded() {
    return (request, response, next) => {
        const { antiCsrf, checkDatabase } = request.query;
        const wanted = {};
        if (antiCsrf !== undefined) wanted.antiCsrfCheck = antiCsrf === "on";
        if (checkDatabase !== undefined) wanted.checkDatabase = checkDatabase === "on";
        sdk.guard(wanted)(request, response, next);
    };
}

function shown(session) {
    return {
        handle: session.getHandle?.() ?? session.sessionHandle,
        userId: session.getUserId(),
        payload: session.getAccessTokenPayload?.() ?? session.getJWTPayload(),
    };
}
