"""Follow one refresh through an application of FastAPI: which functions it calls, in which files.

python tools/walk.py          print each function and the figures
python tools/walk.py --check  fail if it moves between files more often than the limit

A browser's refresh with a valid cookie is answered from the store in memory. Each function of the package counts once,
where it is called first; a move is a function in another file than the one before. So many times does a reader who
follows the refresh open another file.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

import httpx
from fastapi import FastAPI, Request

import reseal
from reseal import AsyncEngine, AsyncMemoryStore
from reseal.fastapi import Reseal, Settings

SOURCE = Path(reseal.__file__).parent
INLINE = {"<genexpr>", "<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>"}
TARGET, LIMIT = 50, 85
API = "http://localhost:8000"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


@dataclass
class Walk:
    """The functions in the order of their first calls, each with the number of callers above it."""

    functions: dict[CodeType, int] = field(default_factory=dict)

    def see(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and is_ours(frame.f_code) and frame.f_code not in self.functions:
            self.functions[frame.f_code] = callers(frame)

    def show(self) -> None:
        for code, depth in self.functions.items():
            print(f"{'  ' * depth}{Path(code.co_filename).relative_to(SOURCE)}: {code.co_qualname}")

    @property
    def moves(self) -> int:
        return sum(before.co_filename != after.co_filename for before, after in pairwise(self.functions))

    @property
    def files(self) -> int:
        return len({code.co_filename for code in self.functions})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="print and fail only if there are more moves than the limit"
    )
    is_check = parser.parse_args().check
    walk = asyncio.run(refresh())
    figures = f"{walk.moves} moves between files for one refresh (target {TARGET}, limit {LIMIT})"
    if not is_check:
        walk.show()
        print(f"\n{len(walk.functions)} functions in {walk.files} files; {figures}")
    elif walk.moves > LIMIT:
        print(f"tools/walk.py: {figures}", file=sys.stderr)
    return int(is_check and walk.moves > LIMIT)


async def refresh() -> Walk:
    settings = Settings(api_domain=API)
    sessions = Reseal(settings, sessions=AsyncEngine(settings, AsyncMemoryStore()))
    app = FastAPI()
    sessions.install(app)

    @app.post("/login")
    async def login(request: Request) -> None:
        await sessions.create_new_session(request, "user")

    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=API) as client:
        (await client.post("/login", headers=SAME_ORIGIN)).raise_for_status()
        await refreshed(client)  # what is done once is done
        return await refreshed(client)


async def refreshed(client: httpx.AsyncClient) -> Walk:
    walk = Walk()
    request = client.build_request("POST", "/session/refresh", headers=SAME_ORIGIN)
    sys.setprofile(walk.see)
    try:
        response = await client.send(request)
    finally:
        sys.setprofile(None)
    response.raise_for_status()
    return walk


def is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(str(SOURCE)) and code.co_name not in INLINE


def callers(frame: FrameType) -> int:
    count = 0
    caller = frame.f_back
    while caller is not None:
        count += is_ours(caller.f_code)
        caller = caller.f_back
    return count


if __name__ == "__main__":
    sys.exit(main())
