"""An app of FastAPI with supertokens-python, asynchronous, served by uvicorn."""

import calls
import uvicorn
from fastapi import Body, Depends, FastAPI, Request
from supertokens_python.framework import fastapi as glue
from supertokens_python.recipe.session.asyncio import (
    create_new_session,
    get_all_session_handles_for_user,
    get_session_information,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
)
from supertokens_python.recipe.session.framework.fastapi import verify_session

calls.start("fastapi")
app = FastAPI()
# 0.3 has the class itself, later versions a function that makes it
app.add_middleware(glue.get_middleware() if hasattr(glue, "get_middleware") else glue.Middleware)
VERIFIED = Depends(verify_session())
VERIFIED_IN_DATABASE = Depends(verify_session(**calls.extra_checks()))
BODY = Body(...)


@app.post("/create")
async def create(request: Request, asked: dict = BODY):
    container = await create_new_session(request, *calls.whose(asked["userId"]), asked["payload"], asked["data"])
    return calls.seen(container)


@app.api_route("/verify", methods=["GET", "POST"])
async def verify(container=VERIFIED):
    return calls.seen(container)


@app.get("/verify-database")
async def verify_database(container=VERIFIED_IN_DATABASE):
    return calls.seen(container)


@app.get("/data")
async def get_data(container=VERIFIED):
    return await calls.data_reader(container)()


@app.put("/data")
async def put_data(container=VERIFIED, asked: dict = BODY):
    await calls.data_writer(container)(asked)
    return {}


@app.put("/payload")
async def put_payload(container=VERIFIED, asked: dict = BODY):
    await calls.payload_writer(container)(asked)
    return calls.seen(container)


@app.get("/list")
async def list_sessions(container=VERIFIED):
    return await get_all_session_handles_for_user(container.get_user_id())


@app.get("/info")
async def info(container=VERIFIED):
    return calls.shown(await get_session_information(container.get_handle()))


@app.post("/revoke")
async def revoke(container=VERIFIED):
    await container.revoke_session()
    return {}


@app.post("/revoke-handles")
async def revoke_handles(container=VERIFIED, asked: list = BODY):
    return await revoke_multiple_sessions(asked)


@app.post("/revoke-all")
async def revoke_all(container=VERIFIED):
    return await revoke_all_sessions_for_user(container.get_user_id())


uvicorn.run(app, host="127.0.0.1", port=calls.port, log_level="info")
