"""Django's sessions, kept as sessions of Reseal: ``SESSION_ENGINE = "reseal.django.engine"``.

``request.session`` is the data of one session of Reseal, and its ``session_key`` is the handle of that session, signed:
see :mod:`reseal.django.session_keys`. Browsers have tokens instead, which Reseal's middleware reads and sends.

A session of Reseal belongs to one user from its beginning to its end; that of a visitor who is not signed in belongs to
:data:`reseal.core.ids.ANONYMOUS`. Whenever the user in the data changes, a new session takes the place of the
old one: a session key, or a token, from before a sign-in opens nothing afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from msgspec.structs import replace

from reseal._sync.engine import Engine
from reseal._sync.ports import Sessions
from reseal.core import payload
from reseal.core.access_token import Claims
from reseal.core.errors import Conflict, InvalidInput, TryRefreshToken, Unauthorised
from reseal.core.events import NOBODY, Caller
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, SessionRecord
from reseal.core.tokens import TokenPair
from reseal.django.browser_close import SESSION_COOKIES
from reseal.django.session_keys import handle_of, key_of
from reseal.django.sessions import configured, get_reseal
from reseal.django.waiting import anywhere, in_thread

NAME: Final = "reseal.django.engine"
"""The value of ``SESSION_ENGINE``."""
_EXPIRY: Final = "_session_expiry"
_ENDS: Final = "_session_ends_at"
"""The member of the stored data that says when a session with an expiry of its own ends, in ms since the epoch."""


class SessionStore(SessionBase):
    """The data of one session, as Django's other engines offer it.

    Raises ``StoreUnavailable`` where the store did not answer: that is no empty session.
    """

    modified: bool

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(handle_of(session_key))  # within, the key is the handle
        self.caller: Caller = NOBODY
        """Who is on the other side, for the list of devices."""
        self.tokens: TokenPair | None = None
        """Tokens that the browser has to get."""
        self.over: Unauthorised | None = None
        """Why the session that the request showed is over."""
        self._claims: Claims | None = None
        self._refusal: TryRefreshToken | Unauthorised | None = None
        self._owner: str | None = None
        self._base: dict[str, Any] | None = None
        self._public: dict[str, Any] = {}
        self._version: int | None = None
        self._is_new = self._is_detached = False
        self._replaced: list[str] = []

    def hold(self, claims: Claims) -> None:
        """Take the session of a verified access token."""
        self._claims, self._session_key = claims, claims.sid

    def refuse(self, error: TryRefreshToken | Unauthorised) -> None:
        """Raise this error for whoever asks for the session: it has to be refreshed, or its key proved, first."""
        self._refusal = error

    def detach(self) -> None:
        """Be an empty session that is never saved: the endpoints of Reseal answer for themselves.

        What other middleware reads or writes there must neither fail for an expired token nor begin a session.
        """
        self._is_detached, self._session_key = True, None

    @property
    def is_writable(self) -> bool:
        """Whether the middleware saves it: not if it has to be refreshed before it is used."""
        return self._refusal is None and not self._is_detached

    # -- the interface of Django's engines --------------------------------------------------------------------------

    @property
    def session_key(self) -> str | None:
        """The signed handle of the session: whoever has it can open the session by this class."""
        handle = self.handle
        return None if handle is None else key_of(handle)

    @property
    def handle(self) -> str | None:
        """The handle of the session. A session that has none yet, since it has just been replaced, begins here."""
        if self._refusal is not None:
            raise self._refusal
        if self._is_new:
            self._begin()
        return self._session_key

    def is_empty(self) -> bool:
        return not self._is_new and self._refusal is None and super().is_empty()

    def get_session_cookie_age(self) -> int:
        """Return how long a session lives without a refresh, in seconds: that is set in ``RESEAL``."""
        return configured().settings.idle_ms // 1000

    def exists(self, session_key: str | None) -> bool:
        handle = handle_of(session_key)
        return handle is not None and _is_live(handle)

    def create(self) -> None:
        """Begin a session, with the data that is there."""
        self._leave()
        self._begin()
        self.modified = True

    def cycle_key(self) -> None:
        """Let a new session with the same data take the place of this one.

        It begins when it is saved or its key is read, so that it can belong to the user who signs in meanwhile.
        """
        self._get_session()
        self._cycle()

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - the interface
        """Write the data. Of two requests that change it at once, each keeps what the other has not changed.

        Raises ``CreateError`` if there is such a session and ``must_create`` is set, ``UpdateError`` if it is over.
        """
        data = self._get_session(no_load=must_create)
        if must_create and self._session_key is not None and _is_live(self._session_key):
            raise CreateError
        if must_create or self._session_key is None or self._user(data) != self._known_owner():
            self._leave()
            self._begin()
        else:
            self._update(self._plain(data))
        if self._replaced:
            _backend().revoke(self._replaced, EndReason.REPLACED)
            self._replaced = []

    def delete(self, session_key: str | None = None) -> None:
        """End a session: that of this key, else this one and those whose place it has taken."""
        named = [handle_of(session_key)] if session_key else [*self._replaced, self._session_key]
        if ended := [handle for handle in named if handle is not None]:
            _backend().revoke(ended, EndReason.SIGNED_OUT)
        if session_key is None:
            self._refusal = self.tokens = None
            self._is_new, self._replaced = False, []

    def load(self) -> dict[str, Any]:
        """Read the data; without a live session there is none, and the session has no key from then on."""
        if self._refusal is not None:
            raise self._refusal
        record = self._read()
        data = None if record is None else self._loaded(record)
        if data is None:
            self._session_key = self._claims = self._owner = None
            return {}
        return data

    def flush(self) -> None:
        """End the session and forget its data."""
        super().flush()
        self._claims = self._owner = self._base = self._version = None

    @classmethod
    def clear_expired(cls) -> None:
        """Remove from the store what ended more than a day ago. A service that keeps the sessions does so itself."""
        sessions = anywhere(_backend())
        if isinstance(sessions, Engine):
            sessions.purge()

    # -- the same in async code -------------------------------------------------------------------------------------

    async def aexists(self, session_key: str | None) -> bool:
        return await in_thread(self.exists)(session_key)

    async def acreate(self) -> None:
        await in_thread(self.create)()

    async def acycle_key(self) -> None:
        await self._aget_session()
        self._cycle()

    async def asave(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - the interface
        await in_thread(self.save)(must_create)

    async def adelete(self, session_key: str | None = None) -> None:
        await in_thread(self.delete)(session_key)

    async def aload(self) -> dict[str, Any]:
        return await in_thread(self.load)()

    async def aflush(self) -> None:
        await in_thread(self.flush)()

    @classmethod
    async def aclear_expired(cls) -> None:
        await in_thread(cls.clear_expired)()

    # -- parts ------------------------------------------------------------------------------------------------------

    def _get_session(self, no_load: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as in the base class
        self.accessed = True
        if not hasattr(self, "_session_cache"):
            is_there = self._session_key is not None or self._refusal is not None
            self._session_cache = self.load() if is_there and not no_load else {}
        return self._session_cache

    async def _aget_session(self, no_load: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as above
        if self._session_key is None or no_load or hasattr(self, "_session_cache"):
            return self._get_session(no_load)
        return await in_thread(self._get_session)()

    _session = property(_get_session)

    def _leave(self) -> None:
        """Give up the present key for a new one."""
        if self._session_key is not None:
            self._replaced.append(self._session_key)
        self._session_key = self._claims = self._owner = self._base = self._version = None

    def _cycle(self) -> None:
        self._leave()
        self._is_new = self.modified = True

    def _begin(self) -> None:
        data = self._get_session(no_load=True)
        plain, user = self._plain(data), self._user(data)
        self._public = self._wanted_payload({})
        tokens = _backend().create(user, self._public, plain, caller=self.caller)
        self.tokens, self._is_new = tokens, False
        self.hold(tokens.claims)
        self._owner, self._base = user, plain

    def _reissue(self, claims: Claims, record: SessionRecord) -> None:
        """Have the browser get an access token with the payload of the record, beside a new refresh token if any."""
        begun, fresh = self.tokens, _backend().reissue(claims, record)
        self.tokens = fresh if begun is None else replace(fresh, refresh_token=begun.refresh_token)

    def _wanted_payload(self, public: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload of the tokens: it says for each refresh to come how long their cookies live."""
        kept = {key: value for key, value in public.items() if key != SESSION_COOKIES}
        return kept | {SESSION_COOKIES: True} if self.get_expire_at_browser_close() else kept

    def _update(self, plain: dict[str, Any]) -> None:
        key, claims, public = str(self._session_key), self._claims, self._wanted_payload(self._public)
        changed = None if public == self._public or claims is None else public
        try:
            record = _backend().update(
                key, session_data=plain, jwt_payload=changed, seen=claims, expected_version=self._version
            )
            if changed is not None and claims is not None:
                self._reissue(claims, record)
                self._public = changed
        except Conflict:
            plain = self._merged(plain)
            self._session_cache = self._unpacked(plain)
            self._base, self._version = plain, None
        except Unauthorised:
            raise UpdateError from None
        else:
            self._base, self._version = plain, record.version

    def _merged(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Write our changes over the data that another request has written since, and return the result."""
        before = self._base or {}
        changed = {key: value for key, value in plain.items() if key not in before or before[key] != value}
        removed = before.keys() - plain.keys()

        def change(theirs: dict[str, Any]) -> Mapping[str, object]:
            return {key: value for key, value in theirs.items() if key not in removed} | changed

        try:
            return dict(get_reseal().sessions.change_session_data(str(self._session_key), change))
        except Unauthorised:
            raise UpdateError from None

    def _read(self) -> SessionRecord | None:
        if self._session_key is None:
            return None
        try:
            return _backend().check(self._claims) if self._claims else _backend().get(self._session_key)
        except Unauthorised as error:
            self.over = error
            return None

    def _loaded(self, record: SessionRecord) -> dict[str, Any] | None:
        plain = payload.decode(record.session_data)
        ends = plain.get(_ENDS)
        is_over = ends is not None and ends <= configured().now()
        if is_over or plain.get(USER_KEY, record.user_id) != record.user_id:
            _backend().revoke((record.handle,), EndReason.REVOKED)
            return None
        self._owner, self._base, self._version = self._user(plain), plain, record.version
        self._public = payload.decode(record.jwt_payload)
        claims = self._claims
        if claims is not None and (claims.unconfirmed or bytes(claims.payload) != record.jwt_payload):
            self._reissue(claims, record)
        return self._unpacked(plain)

    def _known_owner(self) -> str:
        """Return the user in the stored data, which ``clear`` does not read."""
        if self._owner is None:
            record = self._read()
            if record is None:
                raise UpdateError
            self._owner = self._user(payload.decode(record.session_data))
        return self._owner

    def _user(self, data: Mapping[str, Any]) -> str:
        user = data.get(USER_KEY)
        return ANONYMOUS if user is None else str(user)

    def _plain(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the data as a JSON object, with the end that ``set_expiry`` has set."""
        plain = json.loads(self.serializer().dumps(data))
        if not isinstance(plain, dict):
            raise InvalidInput("SESSION_SERIALIZER", "must write a JSON object")
        if plain.get(_EXPIRY):
            plain[_ENDS] = int(self.get_expiry_date(expiry=plain[_EXPIRY]).timestamp() * 1000)
        return plain

    def _unpacked(self, plain: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in plain.items() if key != _ENDS}
        data: dict[str, Any] = self.serializer().loads(json.dumps(kept).encode("latin-1"))
        return data


def _is_live(handle: str) -> bool:
    return handle not in _backend().why_ended((handle,))


def _backend() -> Sessions:
    return get_reseal().sessions.backend
