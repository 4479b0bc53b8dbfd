"""A week of a few users, their tabs, their bad networks and thieves; it keeps its own account of what it did."""

from __future__ import annotations

import random
from collections import Counter

from reseal._async.ports import AsyncSessions
from reseal.core.errors import TokenTheftDetected, Unauthorised
from reseal.core.events import Caller
from reseal.core.model import Device, EndReason
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock
from reseal.testing.material import DAY, MINUTE

USERS = 12
IDLE = 2 * DAY
SETTINGS = {"refresh_token_validity": IDLE // MINUTE}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
THIEF = Caller(Device("203.0.113.9", "curl/8.5"), "thief")


class Week:
    """Plays against ``sessions``. ``account`` counts by the names and labels that the metrics should have."""

    def __init__(self, sessions: AsyncSessions, clock: ManualClock, seed: int) -> None:
        self._sessions = sessions
        self._clock = clock
        self._random = random.Random(seed)
        self.account: Counter[tuple[str, ...]] = Counter()
        self._refreshed: dict[str, tuple[int, int]] = {}
        """The generation of each session that nobody has ended, and when it began."""
        self.secrets: set[str] = set()
        """Users, addresses, agents, handles and tokens: none of them belongs into a metric."""

    async def play(self) -> None:
        moves = [self._visit, self._tabs, self._retry, self._steal_old, self._steal_previous, self._reuse, self._leave]
        for day in range(7):
            for user in range(USERS):
                # every move at least once, and then in an order of chance
                move = moves[user % len(moves)] if day == 0 else self._random.choice(moves)
                await move(f"user-{user}")
                self._clock.advance(15 * MINUTE)
            await self._forge()
            await self._return_late(f"late-{day}")
        self._clock.advance(5 * MINUTE)

    @property
    def live_sessions(self) -> int:
        """How many sessions have neither ended nor expired."""
        return sum(at + IDLE > self._clock.wall() for _, at in self._refreshed.values())

    async def _visit(self, user: str) -> None:
        """Sign in and refresh a few times."""
        pair = await self._sign_in(user)
        for _ in range(self._random.randint(1, 4)):
            pair = await self._refresh(user, pair)

    async def _tabs(self, user: str) -> None:
        """Have several tabs refresh at once."""
        pair = await self._refresh(user, await self._sign_in(user))
        tabs = self._random.randint(2, 6)
        for tab in range(tabs):
            await self._present(user, pair)
            self._count("refresh", *(("replayed", "race") if tab else ("ok", "")))

    async def _retry(self, user: str) -> None:
        """Lose an answer, and ask again when the connection is back: without an attempt key, then with one."""
        pair = await self._sign_in(user)
        for key in (None, f"attempt of {user}"):
            await self._present(user, pair, key)
            self._count("refresh", "ok", "")
            self._clock.advance(10 * MINUTE)
            pair = await self._present(user, pair, key)
            self._count("refresh", "replayed", "lost_response")
            pair = await self._refresh(user, pair)

    async def _steal_old(self, user: str) -> None:
        """A thief brings a token from further back; the owner signs in again, at once or much later."""
        stolen = pair = await self._sign_in(user)
        for _ in range(2):
            pair = await self._refresh(user, pair)
        await self._be_caught(stolen, "older", THIEF)
        await self._be_refused(user, pair, "theft")
        soon = self._random.random() < 0.5
        self._clock.advance((5 if soon else 20) * MINUTE)
        await self._sign_in(user)
        self._count("spurious", "ended_in_window", by=soon)

    async def _steal_previous(self, user: str) -> None:
        """A thief brings the token before the current one, after that was seen in use; nobody comes back."""
        stolen = await self._sign_in(user)
        pair = await self._refresh(user, stolen)
        await self._sessions.check(pair.claims)
        self._clock.advance(5 * MINUTE)
        await self._be_caught(stolen, "previous", THIEF)

    async def _reuse(self, user: str) -> None:
        """A browser restores an old cookie, and its user signs in again on the spot."""
        old = pair = await self._sign_in(user)
        for _ in range(3):
            pair = await self._refresh(user, pair)
        await self._be_caught(old, "older", _device(user))
        self._clock.advance(MINUTE)
        await self._sign_in(user)
        self._count("spurious", "theft_same_device")

    async def _leave(self, user: str) -> None:
        """Sign out, and find a tab that still has the token; then sign in again, as anybody would."""
        pair = await self._sign_in(user)
        await self._sessions.revoke((pair.claims.sid,), EndReason.SIGNED_OUT)
        self._count("ended", "signed_out")
        del self._refreshed[pair.claims.sid]
        await self._be_refused(user, pair, "signed_out")
        await self._sign_in(user)

    async def _return_late(self, user: str) -> None:
        """Come back after the session has expired."""
        pair = await self._sign_in(user)
        self._clock.advance(IDLE)
        await self._be_refused(user, pair, "expired")
        await self._sign_in(user)

    async def _forge(self) -> None:
        """A stranger tries something that is not a token."""
        try:
            await self._sessions.refresh("not-a-token", caller=THIEF)
        except Unauthorised:
            self._count("refused", "malformed")

    async def _sign_in(self, user: str) -> TokenPair:
        pair = await self._sessions.create(user, caller=_device(user))
        self._count("created")
        self._note(user, pair)
        return pair

    async def _refresh(self, user: str, pair: TokenPair) -> TokenPair:
        self._clock.advance(2 * MINUTE)
        pair = await self._present(user, pair)
        self._count("refresh", "ok", "")
        return pair

    async def _present(self, user: str, pair: TokenPair, key: str | None = None) -> TokenPair:
        assert pair.refresh_token
        fresh = await self._sessions.refresh(pair.refresh_token, attempt_key=key, caller=_device(user))
        self._note(user, fresh)
        return fresh

    async def _be_caught(self, pair: TokenPair, subtype: str, caller: Caller) -> None:
        assert pair.refresh_token
        try:
            await self._sessions.refresh(pair.refresh_token, caller=caller)
        except TokenTheftDetected:
            self._count("refresh", "theft", subtype)
            del self._refreshed[pair.claims.sid]

    async def _be_refused(self, user: str, pair: TokenPair, reason: str) -> None:
        try:
            await self._present(user, pair)
        except Unauthorised:
            self._count("refused", reason)

    def _count(self, *what: str, by: int = 1) -> None:
        self.account[what] += by

    def _note(self, user: str, pair: TokenPair) -> None:
        device, known = _device(user).device, self._refreshed.get(pair.claims.sid)
        if known is None or known[0] < pair.claims.gen:  # else it is a replay, which does not prolong the session
            self._refreshed[pair.claims.sid] = pair.claims.gen, self._clock.wall()
        self.secrets |= {user, pair.claims.sid, pair.access_token, pair.refresh_token or user}
        self.secrets |= {device.ip or user, device.user_agent or user, THIEF.device.ip or user}


def _device(user: str) -> Caller:
    number = sum(map(ord, user)) % 200 + 1
    return Caller(Device(f"198.51.100.{number}", FIREFOX), f"request of {user}")
