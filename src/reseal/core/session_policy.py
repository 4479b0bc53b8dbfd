"""How long a session lives and how it travels, chosen for each session: the values, and what follows from them.

A session keeps the name of its policy, or the whole value where it has none, in one column; sessions without a policy
follow the settings. The limits in force are derived anew at each refresh, so that a changed policy reaches living
sessions. Durations are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict

import msgspec
from msgspec.structs import replace

from reseal.core import actor, binding, holding
from reseal.core.binding import Wish
from reseal.core.dpop import Shown
from reseal.core.errors import GeneralError, InvalidInput
from reseal.core.events import Caller
from reseal.core.holding import Hold
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Policy, SessionRecord, TheftResponse
from reseal.core.outbox import Reports
from reseal.core.policies import WEEK, classic, graceful
from reseal.core.providers import ProviderSession

SHORTEST: Final = 1000
"""The shortest duration of a policy, in ms: the resolution of the tokens."""
LONGEST: Final = 100 * 365 * 24 * 3600 * 1000
"""The longest duration of a policy: 100 years."""
MOST: Final = 1000
"""The highest limit of sessions: up to here they are counted at each sign-in."""
AT_LIMIT: Final = ("evict_oldest", "refuse", "ask")
DEFAULT: Final = "default"
"""The name of the policy that a session gets if nothing chooses another one."""
VISITORS: Final = "anonymous"
"""The name of the policy that visitors who are not signed in get, if there is one."""
_CACHED: Final = 256
_VALUE: Final = "{"
"""With this begins what is kept of a policy without a name; no name does."""
_Ms = Annotated[int, msgspec.Meta(ge=SHORTEST, le=LONGEST)]
_TIMES: Final = ("idle_ms", "absolute_ms", "access_token_ms")


class SessionPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The limits of a session. What is ``None`` is as the settings say. Raises ``InvalidInput`` for other values."""

    name: str = ""
    """Its name in the settings; empty for a policy of one call."""
    idle_ms: _Ms | None = None
    """The session expires if it is not refreshed for this long."""
    absolute_ms: _Ms | None = None
    """The session ends this long after its creation, however often it is refreshed."""
    access_token_ms: _Ms | None = None
    """Lifetime of an access token; never longer than that of the settings, by which keys are kept."""
    persistent: bool = True
    """Whether the browser keeps the cookies when it is closed ("remember me")."""
    max_sessions: Annotated[int, msgspec.Meta(ge=1, le=MOST)] | None = None
    """How many live sessions a user may have, of any policy, in this app and tenant."""
    at_limit: Literal["evict_oldest", "refuse", "ask"] = "evict_oldest"
    """What a sign-in beyond ``max_sessions`` does: it ends the oldest sessions, or raises :class:`TooManySessions`."""
    rotation: Literal["graceful", "classic"] | None = None
    """How the previous refresh token is treated: see ``rotation_policy`` in the settings."""
    theft_response: TheftResponse | None = None
    device_binding: Wish | None = None
    """Whether it is bound to the browser's device, where ``device_binding`` of the settings is not ``off``."""

    def __post_init__(self) -> None:
        for name in _TIMES:
            time = getattr(self, name)
            if time is not None and (type(time) is not int or not SHORTEST <= time <= LONGEST):
                raise InvalidInput(name, "must be a whole number of milliseconds, from 1000 to 100 years")
        most = self.max_sessions
        if most is not None and (type(most) is not int or not 1 <= most <= MOST):
            raise InvalidInput("max_sessions", f"must be a whole number from 1 to {MOST}")
        if self.at_limit not in AT_LIMIT:
            raise InvalidInput("at_limit", f"must be one of {', '.join(AT_LIMIT)}")
        if self.device_binding not in {None, *binding.WISHES}:
            raise InvalidInput("device_binding", f"must be one of {', '.join(binding.WISHES)}")


class TooManySessions(GeneralError):
    """The user has as many live sessions as the policy allows; nothing was begun."""

    def __init__(self, limit: int, may_choose: bool) -> None:  # noqa: FBT001 - made of what travels
        super().__init__()
        self.limit = limit
        self.may_choose = may_choose
        """Whether the user should be asked which session to end (``at_limit`` is ``ask``)."""
        self.sessions: tuple[Any, ...] = ()
        """The live sessions, each a :class:`reseal.SessionInfo`, the one that was seen last first."""


class Replaced(NamedTuple):
    """The sessions in whose place a new one begins."""

    handles: tuple[str, ...] = ()
    """They do not count against its limit of sessions."""
    visitor: str | None = None
    """The one whose data it takes over, if it is of a visitor who is not signed in."""


NOTHING: Final = Replaced()


class Ending(NamedTuple):
    """The end of a visitor's session, to be written together with the beginning of the user's."""

    record: SessionRecord
    """The row as ended, with the version that was read."""
    reports: Reports


class SessionLimit(NamedTuple):
    """How many live sessions a user may have. Those in which another user acts are not counted, and not ended."""

    most: int | None
    """``None``: any number."""
    evicts: bool
    """Whether the oldest ones end for a new one; otherwise the new one is refused."""
    replaced: tuple[str, ...] = ()
    """Sessions that the new one replaces: they are not counted, and not ended for it."""
    ending: Ending | None = None
    """A visitor's session that ends with the beginning of the new one."""

    def evicted(self, live: Iterable[SessionRecord]) -> tuple[str, ...] | None:
        """Name those of a user's live sessions that end for one more; ``None`` if it is refused."""
        if self.most is None:
            return ()
        counted = (each for each in live if each.handle not in self.replaced and not actor.stored(each.jwt_payload))
        oldest_first = sorted((each.created_at, each.handle) for each in counted)
        surplus = max(0, len(oldest_first) - self.most + 1)
        return None if surplus and not self.evicts else tuple(handle for _, handle in oldest_first[:surplus])


class Chosen(NamedTuple):
    """What a sign-in has chosen."""

    kept: str | None
    """What the session keeps of its policy."""
    replaced: Replaced = NOTHING
    lifetime_ms: int | None = None
    """An end of its own, whatever the settings allow."""
    provider: ProviderSession | None = None
    """The session at an identity provider that it began with."""


NO_POLICY: Final = Chosen(None)


class BeginOptions(TypedDict, total=False):
    """The options of ``create``, where sessions begin."""

    caller: Caller
    lifetime_ms: int | None
    """The session ends after this at the latest, whatever the settings allow."""
    policy: SessionPolicy | str | None
    """One of the settings, by its name, or one of this session's own."""
    replaced: Replaced
    """The sessions of the same client, and which of them gives its data."""
    provider: ProviderSession | None
    """The session at an identity provider that it begins with."""
    device_binding: Wish | None
    """Whether it is bound to a device; ``None``: as its policy and the settings say."""
    proof: Shown | None
    """That of the client's key (RFC 9449), to which it is bound from its beginning."""


class Admission(NamedTuple):
    """What became of a limited sign-in."""

    record: SessionRecord | None
    ended: tuple[str, ...]
    is_full: bool = False
    """Whether it was refused because of the limit."""
    is_stale: bool = False
    """Whether the visitor's session has changed since it was read."""


class Lifetimes(NamedTuple):
    """The idle limit and the absolute limit of a session."""

    idle_ms: int
    absolute_ms: int | None


class Limits(msgspec.Struct, frozen=True):
    """The limits in force for a session."""

    lifetimes: Lifetimes
    rotation: Policy
    access_token_ms: int | None = None
    persistent: bool = True
    max_sessions: int | None = None
    at_limit: str = ""
    is_known: bool = True
    """Whether the settings know its policy. If not, nothing is extended: a changed name must not lengthen sessions."""
    hold: Hold = Hold()
    """Whether it is held."""
    device_binding: Wish | None = None

    def bound(self, record: SessionRecord) -> SessionRecord:
        """Return a session with the ends that follow from these limits, which may be past already."""
        idle_ms, absolute_ms = self.lifetimes
        absolute = None if absolute_ms is None else record.created_at + absolute_ms
        if not self.is_known:
            absolute = min((each for each in (absolute, record.absolute_expires_at) if each is not None), default=None)
        ends = record.expires_at, record.rotated_at + idle_ms, absolute
        return replace(record, absolute_expires_at=absolute, expires_at=min(each for each in ends if each is not None))


class Policies(dict[str | None, Limits]):
    """The policies that an app knows: maps what a session keeps of its policy to its limits.

    It is a dictionary that fills itself, because each refresh looks into it.
    """

    def __init__(self, rotation: Policy, lifetimes: Lifetimes, named: Iterable[SessionPolicy] = ()) -> None:
        self.default = Limits(lifetimes, rotation)
        """Those of sessions without a policy."""
        self._of_row = replace(self.default, is_known=False)
        self._unknown = replace(self._of_row, persistent=False)
        self._named = {policy.name: policy for policy in named}
        self.usual = DEFAULT if DEFAULT in self._named else None
        """The policy of users' sessions for which nobody chooses one."""
        super().__init__({None: self.default})

    def __missing__(self, kept: str) -> Limits:
        if kept.startswith(binding.MARK):  # of one session alone
            return self._with_binding(kept)
        if len(self) > _CACHED:
            self.clear()
            self[None] = self.default
        self[kept] = limits = self._limits(kept)
        return limits

    def _with_binding(self, kept: str) -> Limits:
        """Return the limits of a session with a binding: one that must be bound ends soon unless it is."""
        try:
            bound, kept_of_policy = binding.split(kept)
        except msgspec.DecodeError:
            return self._unknown
        limits = self._within(kept_of_policy)
        if bound is None or bound.kind != "require":
            return limits
        idle_ms, absolute_ms = limits.lifetimes
        return replace(limits, lifetimes=Lifetimes(idle_ms, min(absolute_ms or LONGEST, binding.BIND_WITHIN)))

    def applied(self, record: SessionRecord) -> SessionRecord:
        """Return a session with the ends that its policy sets it now; one without a policy has those of its row."""
        return record if record.policy is None else self[record.policy].bound(record)

    def chosen(self, policy: SessionPolicy | str | None, lifetime_ms: int | None, user_id: str) -> str | None:
        """Return what a new session keeps: nothing if it has an end of its own, which no policy may move.

        Raises ``InvalidInput`` for a policy beside such an end, and for a name that is not known.
        """
        if lifetime_ms is None:
            usual = VISITORS if user_id == ANONYMOUS and VISITORS in self._named else self.usual
            return usual if policy is None else self.kept(policy)
        if policy is not None:
            raise InvalidInput("policy", "cannot be combined with lifetime_ms: write the limit into the policy")
        return None

    def kept(self, policy: SessionPolicy | str) -> str:
        """Return what a session keeps of its policy. Raises ``InvalidInput`` for a name that is not known."""
        if isinstance(policy, SessionPolicy):
            is_named = self._named.get(policy.name) == policy
            return policy.name if is_named else msgspec.json.encode(replace(policy, name="")).decode()
        if policy not in self._named:
            known = ", ".join(self._named) or "none"
            raise InvalidInput("policy", f"is not the name of a policy in the settings (there: {known})")
        return policy

    def _limits(self, kept: str) -> Limits:
        if kept.startswith(holding.MARK):
            hold = holding.read(kept)
            return replace(self._unknown if hold.policy == kept else self._within(hold.policy), hold=hold)
        policy = _read(kept) if kept.startswith(_VALUE) else self._named.get(kept)
        if policy is None:
            return self._unknown
        idle = policy.idle_ms or self.default.lifetimes.idle_ms
        return Limits(
            Lifetimes(idle, policy.absolute_ms or self.default.lifetimes.absolute_ms),
            self._rotation(policy, idle),
            policy.access_token_ms,
            policy.persistent,
            policy.max_sessions,
            policy.at_limit,
            device_binding=policy.device_binding,
        )

    def _within(self, kept: str | None) -> Limits:
        """Return the limits of a session that keeps more than its policy: without one it has the ends of its row."""
        return self._of_row if kept is None else self[kept]

    def _rotation(self, policy: SessionPolicy, idle_ms: int) -> Policy:
        default = self.default.rotation
        response = policy.theft_response or default.theft_response
        if policy.rotation == "classic":
            return classic(default.race_window, theft_response=response, rollback=default.rollback)
        window = min(WEEK if default.lost_response_window is None else default.lost_response_window, idle_ms)
        if policy.rotation is None and default.lost_response_window is None:
            return replace(default, theft_response=response)
        return graceful(
            default.race_window,
            idle_ms,
            lost_response_window=window,
            theft_response=response,
            rollback=default.rollback,
        )


def _read(kept: str) -> SessionPolicy | None:
    """Read a policy without a name; ``None`` for one of a later version, with members that are not known here."""
    try:
        return msgspec.json.decode(kept, type=SessionPolicy)
    except msgspec.DecodeError:
        return None
