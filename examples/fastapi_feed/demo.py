"""The theatre of the example: a thief to order, and a window on what the server sees.

NOTHING HERE BELONGS IN AN APPLICATION. A server must never keep a refresh token, lose an answer on purpose, or
show its security events to the page.
"""

import hashlib
import itertools
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, StringConstraints

from reseal.clock import Clock
from reseal.core import rotation
from reseal.core.errors import ProofDemanded, TokenTheftDetected, Unauthorised
from reseal.core.events import Caller, Event, EventName
from reseal.core.model import Device, SessionRecord
from reseal.core.refresh_token import RefreshToken
from reseal.core.tokens import TokenPair
from reseal.fastapi import Reseal, Session, Settings

from .device import Device as KeyHolder

THIEF: Final = Device(ip="203.0.113.66", user_agent="the thief's browser")
"""203.0.113.0/24 is reserved for documentation (RFC 5737)."""
DEMO_USERS: Final = ("Amara", "Jonas", "Mei")
EVENTS_KEPT: Final = 2000
SESSIONS_KEPT: Final = 1000
ABOUT_A_SESSION: Final = frozenset(
    {
        EventName.SESSION_CREATED,
        EventName.SESSION_REFRESHED,
        EventName.SESSION_REPLAYED,
        EventName.SESSION_IN_STEP,
        EventName.SESSION_REVOKED,
        EventName.TOKEN_THEFT,
        EventName.REFRESH_REFUSED,
        EventName.SESSION_BOUND,
        EventName.BINDING_REFUSED,
    }
)
ALSO_OF_OTHER_SESSIONS: Final = frozenset(
    {
        EventName.SESSION_CREATED,
        EventName.SESSION_REVOKED,
        EventName.TOKEN_THEFT,
        EventName.SESSION_BOUND,
        EventName.BINDING_REFUSED,
    }
)


class Named(BaseModel):
    """A session by its handle: all that the thief's part of the page needs to say."""

    session: Annotated[str, StringConstraints(min_length=1, max_length=128)]


@dataclass(slots=True)
class Loot:
    """What the thief holds of a session."""

    token: str
    generation: int

    @classmethod
    def of(cls, token: str) -> Self:
        """Take a copied token. Its text is ``version.handle.generation.secret.MAC``."""
        return cls(token, int(token.split(".")[2]))


@dataclass(slots=True)
class Line:
    """What the stage knows of a session: whose it is and how often it was refreshed."""

    user_id: str
    generation: int
    since: int


class Stage:
    """Watches the sessions of the application, and plays the thief when the button is pressed."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._now = clock.wall
        self._events: deque[tuple[str, dict[str, Any]]] = deque(maxlen=EVENTS_KEPT)
        self._numbers = itertools.count(1)
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self._loot: OrderedDict[str, Loot] = OrderedDict()
        self._thiefs = KeyHolder()

    # -- the window -------------------------------------------------------------------------------------------------

    def note(self, event: Event) -> None:
        """Remember a security event for the page."""
        handle = event.session_handle
        if handle is None or event.name not in ABOUT_A_SESSION:
            return
        if event.name is EventName.SESSION_CREATED and event.user_id is not None:
            _keep(self._lines, handle, Line(event.user_id, 0, event.at))
        line = self._lines.get(handle)
        if line is not None and event.name is EventName.SESSION_REFRESHED:
            line.generation += 1
        shown = {
            "id": next(self._numbers),
            "at": event.at,
            "name": event.name.value,
            "session": handle,
            "user": event.user_id,
            "reason": event.reason,
            "generation": line and line.generation,
            "by_thief": event.device == THIEF,
            "device": _device(event.device),
            "other_device": event.other_device and _device(event.other_device),
        }
        self._events.append((handle, shown))

    async def look(self, reseal: Reseal, handle: str, after: int) -> dict[str, Any]:
        """Report what happened to a session since event ``after``, and how thief and owner stand."""
        try:
            record = await reseal.sessions.backend.get(handle)
        except Unauthorised:
            record = None
        if record is not None and handle not in self._lines:  # the demo was restarted, the session lives on
            _keep(self._lines, handle, Line(record.user_id, record.generation, record.created_at))
        line, loot = self._lines.get(handle), self._loot.get(handle)
        return {
            "now": self._now(),
            "events": [shown for owner, shown in self._events if shown["id"] > after and self._concerns(shown, handle)],
            "last": self._events[-1][1]["id"] if self._events else 0,
            "live": record is not None,
            "generation": record.generation if record else line and line.generation,
            "confirmed": record is not None and record.confirmed_at is not None,
            "thief": loot and {"generation": loot.generation, "forecast": self._forecast(record, loot)},
        }

    def _concerns(self, shown: dict[str, Any], handle: str) -> bool:
        if shown["session"] == handle:
            return True
        line, other = self._lines.get(handle), self._lines.get(shown["session"])
        if line is None or other is None or line.user_id != other.user_id:
            return False
        return shown["at"] >= line.since and shown["name"] in ALSO_OF_OTHER_SESSIONS

    def _forecast(self, record: SessionRecord | None, loot: Loot) -> str:
        """Foretell what the thief will get, by the very function that the engine asks."""
        if record is None:
            return "ended"
        token_hash = hashlib.sha256(loot.token.encode()).digest()
        token = RefreshToken(record.handle, loot.generation, loot.token, token_hash)
        match rotation.decide(record, token, self._now(), self._settings.policy):
            case rotation.Rotate():
                return "first"
            case rotation.Replay() if self._now() - record.rotated_at < self._settings.policy.race_window:
                return "race"
            case rotation.Replay():
                return "unconfirmed"
            case rotation.Reuse():
                return "caught"
        return "ended"

    # -- the thief --------------------------------------------------------------------------------------------------

    async def strike(self, reseal: Reseal, handle: str) -> dict[str, Any]:
        """Have the thief refresh with what he holds and, if that goes well, read the profile with the result."""
        loot = self._loot.get(handle)
        if loot is None:
            raise HTTPException(409, "The thief holds no copy of this session's cookies.")
        before = self._lines[handle].generation if handle in self._lines else None
        try:
            # From another browser this would arrive at the refresh path; the engine is what answers there.
            pair = await self._refresh_as_thief(reseal, loot.token)
        except TokenTheftDetected as error:
            return {"outcome": "caught", "user": error.user_id, "reason": error.subtype}
        except Unauthorised as error:
            return {"outcome": "refused", "reason": error.reason.value}
        loot.token, loot.generation = pair.refresh_token or loot.token, pair.claims.gen  # he keeps the newest, too
        await reseal.sessions.backend.check(pair.claims)
        return {"outcome": "replayed" if before == loot.generation else "rotated", "generation": loot.generation}

    async def _refresh_as_thief(self, reseal: Reseal, token: str) -> TokenPair:
        """Refresh from the thief's browser. Asked for a proof of the device, he can only make one with his own key."""
        backend, thief = reseal.sessions.backend, Caller(THIEF)
        try:
            return await backend.refresh(token, caller=thief)
        except ProofDemanded as error:
            return await backend.refresh(token, proof=self._thiefs.proof(error.challenge), caller=thief)

    async def copy_bound(self, reseal: Reseal, user_id: str, caller: Caller) -> dict[str, Any]:
        """Copy the cookies of a session that is bound to a device, try them, and have the owner go on.

        Browsers bind sessions over https only, so the theatre plays the owner's, too.
        """
        if self._settings.device_binding == "off":
            raise HTTPException(409, "Sessions are bound to devices only with device_binding: offer.")
        backend, owner = reseal.sessions.backend, KeyHolder()
        begun = await backend.create(user_id, caller=caller)
        bound = await backend.bind(begun.refresh_token, owner.proof(begun.challenge, brings_key=True), caller=caller)
        _keep(self._loot, begun.claims.sid, Loot.of(begun.refresh_token))
        theft = await self.strike(reseal, begun.claims.sid)
        pair = await backend.refresh(begun.refresh_token, proof=owner.proof(bound.challenge), caller=caller)
        return {
            "session": begun.claims.sid,
            "thief": theft,
            "owner": {"outcome": "rotated", "generation": pair.claims.gen},
        }

    def _demand_own_page(self, request: Request) -> None:
        if request.headers.get("origin") not in self._settings.origins:
            raise HTTPException(403, "Only the demo's own page may do this.")

    def install(self, app: FastAPI, reseal: Reseal) -> None:
        """Add the routes of the theatre."""
        settings, refresh_path = self._settings, self._settings.refresh_api_path
        signed_in, own_page = reseal.session(), self._demand_own_page

        def refresh_cookie(request: Request) -> str:
            # Browsers send this cookie to paths below the refresh path, and nowhere else.
            token = request.cookies.get(settings.refresh_cookie_name)
            if token is None:
                raise HTTPException(409, "This browser sent no refresh token.")
            return token

        @app.get("/demo/settings")
        async def the_settings() -> dict[str, Any]:
            return {
                "users": DEMO_USERS,
                "session_expired_status": settings.session_expired_status_code,
                "refresh_path": refresh_path,
                "sign_out_path": settings.signout_api_path,
                "access_token_validity": settings.access_token_validity,
                "race_window": settings.policy.race_window / 1000,
            }

        @app.get("/demo/events")
        async def events(session: str, after: int = 0) -> dict[str, Any]:
            # By handle alone, because the end of a session is what one most wants to read about.
            return await self.look(reseal, session, after)

        @app.post(f"{refresh_path}/demo/copy", dependencies=[Depends(own_page)])
        async def copy(request: Request, session: Annotated[Session, Depends(signed_in)]) -> dict[str, Any]:
            loot = Loot.of(refresh_cookie(request))
            _keep(self._loot, session.get_handle(), loot)
            return {"generation": loot.generation}

        @app.post(f"{refresh_path}/demo/lose", dependencies=[Depends(own_page), Depends(signed_in)])
        async def lose(request: Request) -> dict[str, Any]:
            pair = await reseal.sessions.backend.refresh(refresh_cookie(request), caller=_caller(request))
            return {"lost": pair.claims.gen}  # and the tokens go nowhere, as when a connection breaks

        @app.post("/demo/bound", dependencies=[Depends(own_page)])
        async def bound(request: Request, session: Annotated[Session, Depends(signed_in)]) -> dict[str, Any]:
            return await self.copy_bound(reseal, session.get_user_id(), _caller(request))

        @app.post("/demo/thief", dependencies=[Depends(own_page)])
        async def thief(named: Named) -> dict[str, Any]:
            return await self.strike(reseal, named.session)


def _caller(request: Request) -> Caller:
    return Caller(Device(request.client and request.client.host, request.headers.get("user-agent")))


def _device(device: Device) -> dict[str, str | None]:
    return {"ip": device.ip, "user_agent": device.user_agent}


def _keep(memory: OrderedDict[str, Any], key: str, value: object) -> None:
    memory[key] = value
    if len(memory) > SESSIONS_KEPT:
        memory.popitem(last=False)
