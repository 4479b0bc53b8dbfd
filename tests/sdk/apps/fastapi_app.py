"""An app of FastAPI with supertokens-python, asynchronous, served by uvicorn."""

import inspect
import json

import calls
import uvicorn
from fastapi import Body, Depends, FastAPI, Request
from supertokens_python.framework import fastapi as glue
from supertokens_python.recipe.session import asyncio as functions
from supertokens_python.recipe.session.framework.fastapi import verify_session

calls.start("fastapi")
app = FastAPI()
# 0.3 has the class itself, later versions a function that makes it
app.add_middleware(glue.get_middleware() if hasattr(glue, "get_middleware") else glue.Middleware)
does = calls.Calls(functions)


async def verified(request: Request):
    return await verify_session(**calls.wanted(request.query_params))(request)


VERIFIED = Depends(verified)
BODY = Body(...)


@app.post("/create")
async def create(request: Request, asked: dict = BODY):
    return calls.shown(await does.create(request, asked))


def answer_to_a_session(answer):
    async def respond(request: Request, container=VERIFIED):
        return await answered(answer(container, await body_of(request)))

    return respond


def answer_to_anybody(answer):
    async def respond(request: Request):
        return await answered(answer({**request.query_params, **request.path_params}, await body_of(request)))

    return respond


async def body_of(request):
    return json.loads(await request.body() or "null")


async def answered(value):
    found = await value if inspect.isawaitable(value) else value
    return {} if found is None else found


for method, path, answer in does.of_a_session():
    app.add_api_route(path, answer_to_a_session(answer), methods=[method])
for method, path, answer in does.of_anybody():
    app.add_api_route(path.replace("<", "{").replace(">", "}"), answer_to_anybody(answer), methods=[method])

uvicorn.run(app, host="127.0.0.1", port=calls.order["port"], log_level="info")
