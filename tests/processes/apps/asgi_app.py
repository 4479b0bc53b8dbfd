"""The same application for FastAPI, whose lifespan opens the sessions in each worker."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from reseal.fastapi import Reseal, Session, Settings

settings = Settings(
    api_domain=os.environ["API"],
    database_uri=os.environ["DATABASE"],
    public_path_prefix=os.environ.get("PREFIX", ""),
)
reseal = Reseal(settings)
app = FastAPI()
reseal.install(app)
SignedIn = Annotated[Session, Depends(reseal.session(check_database=True))]


@app.post("/login")
async def login(request: Request) -> dict[str, str]:
    session = await reseal.create_new_session(request, request.url.query)
    return {"session": session.get_handle()}


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {}


@app.get("/feed")
async def feed(session: SignedIn) -> dict[str, object]:
    return {"user": session.get_user_id(), "pid": os.getpid()}
