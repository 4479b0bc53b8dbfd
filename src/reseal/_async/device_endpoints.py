"""The answers of the ready-made routes for lists of devices, and for the banner of a user who acts as another one.

Each of the list asks the store whether the session is live: whoever was signed out must not sign out the others.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Final, TypeVar

import msgspec

from reseal._async.reseal import AsyncReseal
from reseal._async.session import AsyncSession
from reseal.core.errors import InvalidInput, TryRefreshToken
from reseal.devices import SessionInfo
from reseal.web import places, responses
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import RefreshFirst, SignedIn
from reseal.web.responses import WebResponse

T = TypeVar("T")
HANDLE: Final = "{handle}"
"""Stands in a path for the handle of a session."""
_ENDED_NOTE: Final = "signed out from another device"
_MINUTE: Final = 60_000
_OK: Final = {"status": "OK"}


def endpoints_of_devices(reseal: AsyncReseal, endpoint: Callable[..., T]) -> list[T]:
    """Make the endpoints; their paths are those within the application."""
    path, answers = reseal.settings.sessions_api_path, AsyncDeviceAnswers(reseal)
    return [
        endpoint("list_sessions", "GET", path, answers.list_sessions),
        endpoint("sessions_element", "GET", f"{path}/element.js", answers.element),
        endpoint("impersonation", "GET", f"{path}/impersonation", answers.impersonation),
        endpoint("stop_impersonating", "POST", f"{path}/impersonation/stop", answers.stop_impersonating),
        endpoint("end_other_sessions", "POST", f"{path}/end-others", answers.end_others),
        endpoint("end_session", "DELETE", f"{path}/{HANDLE}", answers.end_session),
        endpoint("name_session", "PUT", f"{path}/{HANDLE}", answers.name_session, reads_body=True),
    ]


class _Name(msgspec.Struct):
    name: str


_body: Final = msgspec.json.Decoder(_Name)


class AsyncDeviceAnswers:
    """What answers about the devices of the user who asks."""

    def __init__(self, reseal: AsyncReseal) -> None:
        self._reseal = reseal

    async def list_sessions(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """List the user's sessions, and behind the live ones those that ended lately."""
        session = await self._reseal.get_session(request, response, check_database=True)
        within = int(self._reseal.settings.ended_sessions_listed * _MINUTE)
        found = await session.list_sessions(ended_within=within)
        return responses.of_json({"sessions": [_as_json(each) for each in found]})

    async def end_session(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """End the session that the path names; if it is the one that asks, the browser forgets it."""
        session, handle = await self._changing(request, response), _handle(request)
        if handle == session.get_handle():
            await session.revoke_session()
            return responses.of_json(_OK)
        return _found(is_there=await session.end_other(handle, note=_ENDED_NOTE))

    async def name_session(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Name the device of the session that the path names: a JSON body with the member ``name``."""
        session = await self._changing(request, response)
        try:
            name = _body.decode(request.body).name
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidInput("body", 'must be a JSON object with the member "name", a text') from None
        return _found(is_there=await session.rename_session(_handle(request), name))

    async def end_others(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """End all sessions of the user but the one that asks."""
        session = await self._changing(request, response)
        ended = await session.revoke_other_sessions(note=_ENDED_NOTE)
        return responses.of_json({**_OK, "ended": len(ended)})

    async def element(self, request: RequestFacts, _response: SessionHeaders) -> WebResponse:
        """Send the script of the elements ``<reseal-sessions>`` and ``<reseal-impersonation>``."""
        settings = self._reseal.settings
        prefix = places.prefix(request, settings)
        paths = {"list": prefix + settings.sessions_api_path, "refresh": prefix + settings.refresh_api_path}
        script = files("reseal").joinpath("devices", "element.js").read_bytes()
        return WebResponse(
            200,
            (("content-type", "text/javascript; charset=utf-8"), ("cache-control", "max-age=3600")),
            script.replace(b'{ list: "/sessions", refresh: "/session/refresh" }', msgspec.json.encode(paths)),
        )

    async def impersonation(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Say who acts as the user of this page, and for how many ms; ``null`` for nobody. Without I/O."""
        found = await self._reseal.peek(request, response)
        if isinstance(found, RefreshFirst):
            raise TryRefreshToken("whose page this is, is not known")
        if not isinstance(found, SignedIn) or (actor := found.session.get_actor()) is None:
            return responses.of_json({"actor": None})
        left = found.session.get_expiry() - self._reseal.now()
        return responses.of_json({"actor": actor, "user_id": found.session.get_user_id(), "ends_in": left})

    async def stop_impersonating(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """End the impersonation of this page, which then refreshes."""
        await self._reseal.stop_impersonating(request, response)
        return responses.of_json(_OK)

    async def _changing(self, request: RequestFacts, response: SessionHeaders) -> AsyncSession:
        return await self._reseal.get_session(request, response, check_database=True)


def _handle(request: RequestFacts) -> str:
    return request.path.rpartition("/")[2]


def _found(*, is_there: bool) -> WebResponse:
    return responses.of_json(_OK) if is_there else responses.of_json({"message": "no such session"}, 404)


def _as_json(info: SessionInfo) -> dict[str, object]:
    """Return an entry of the list. Members that are absent are left out."""
    members: dict[str, object] = msgspec.to_builtins(info)
    return {name: value for name, value in members.items() if value is not None}
