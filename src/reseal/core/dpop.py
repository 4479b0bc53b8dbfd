"""DPoP (RFC 9449): whether the proof that came with a request is one, for this request and for now.

A client without a browser's help binds its session by a proof with its sign-in or a refresh, and shows another proof
with each request. A proof is judged fresh by its own time, or, if it has a nonce, by that alone: a proof that was fresh
by either of two clocks would have to be remembered until the later one ends, which a client may set to any time. Nonces
are not kept: each is a text with its end (ms) and a MAC over that end and the app and tenant, so that every process can
check those of every other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Container
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec.structs import replace

from reseal.core import base64url, proofs
from reseal.core.access_token import LEEWAY
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.model import Scope
from reseal.core.proofs import DeviceKey, ProofRefused

PROOF: Final = "dpop+jwt"
"""The ``typ`` of a proof."""
SCHEME: Final = "DPoP"
"""The scheme of ``Authorization`` with which the access token of a bound session is sent."""
ALGORITHMS: Final = ("ES256", "EdDSA", "RS256")
NONCE_LIFE: Final = 300_000
"""Milliseconds for which a nonce is good."""
AHEAD: Final = LEEWAY * 1000
"""Milliseconds by which a proof may come from the future."""
USED: Final = "the proof was used before"
REMEMBERED: Final = 65_536
"""Proofs that a process remembers at most."""
_NONCE: Final = re.compile(r"n1\.([1-9][0-9]{0,15})\.[A-Za-z0-9_-]{43}", re.ASCII)
_PORTS: Final = {"http": 80, "https": 443}
_HANDSHAKES: Final = {"ws": "http", "wss": "https"}
"""A WebSocket begins with a request of HTTP (RFC 6455, 4.1), whose client may name its address by either scheme."""
_URLS_READ: Final = 256
_LATEST: Final = 2**53
"""Seconds: what is later can be no time, and may be too large a number to reckon with."""


class DpopRefused(Unauthorised):
    """The request has no valid proof of the key that its session is bound to; nobody is signed out."""

    def __init__(self, subtype: str, problem: str = "", challenge: str = "") -> None:
        super().__init__(Refusal.BINDING, problem or None)
        self.subtype = subtype
        """``invalid_dpop_proof``, ``use_dpop_nonce`` or ``invalid_token``, as RFC 9449 names them."""
        self.problem = problem
        """What was wrong, for the log: it holds nothing of the proof."""
        self.challenge = challenge
        """The nonce that the next proof is to have; empty if none is needed."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Those of the answer: why it was refused, which proofs are accepted, and the nonce of the next one."""
        why = ("WWW-Authenticate", f'{SCHEME} error="{self.subtype}", algs="{" ".join(ALGORITHMS)}"')
        return (why, ("DPoP-Nonce", self.challenge)) if self.challenge else (why,)


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A proof as it came, and the request that it came with. Its ``repr`` does not show the proof."""

    proof: str
    method: str
    url: str
    """That of the request for the outside, without query and fragment."""
    again: bool = False
    """Whether this request may have shown it already: a retry of ours is no replay."""

    def __repr__(self) -> str:
        return f"Shown(method={self.method!r}, url={self.url!r})"


def shown_again(arguments: dict[str, object]) -> dict[str, object]:
    """Return the arguments of a call that is repeated, so that its proof is not taken for a replay."""
    shown = arguments.get("proof")
    return arguments | {"proof": replace(shown, again=True)} if isinstance(shown, Shown) else arguments


class Proven(NamedTuple):
    """What a valid proof says."""

    key: DeviceKey
    name: str
    """Names the proof among all others, for the memory of those that were used."""
    until: int
    """Until when (ms) it would be valid again."""
    nonce: str = ""
    """The one to hand out for the next proof; empty if the present one is good for some time, or none is needed."""

    @property
    def thumbprint(self) -> str:
        """That of its key (RFC 7638)."""
        return proofs.thumbprint(self.key.jwk)


class ProofChecker:
    """Checks proofs for one app and tenant.

    ``window_ms``: how old a proof without a nonce may be; with 0, each needs a nonce. ``key`` gives the key of nonces,
    ``wall`` the time (ms).
    """

    def __init__(self, scope: Scope, window_ms: int, key: Callable[[], bytes], wall: Callable[[], int]) -> None:
        self._scope = scope
        self._window = window_ms
        self.key = key
        self._wall = wall
        self._used = UsedProofs(max(window_ms, NONCE_LIFE) + AHEAD)

    def check(self, shown: Shown, token: str | None = None) -> Proven:
        """Check a proof; ``token``: the access token beside it. Does not remember it.

        Raises ``ProofRefused``, and ``DpopRefused`` with a nonce for a proof that is not fresh.
        """
        read = proofs.read(shown.proof, PROOF, ALGORITHMS)
        claims, jti = read.claims, read.claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise ProofRefused("the jti is missing")
        if claims.get("htm") != shown.method:
            raise ProofRefused("the htm is not the method of the request")
        if not is_same_url(claims.get("htu"), shown.url):
            raise ProofRefused("the htu is not the address of the request")
        if token is not None and not _is(claims.get("ath"), digest(token)):
            raise ProofRefused("the ath is not that of the access token")
        until, nonce = self._freshness(claims)
        name = digest(f"{proofs.thumbprint(read.key.jwk)}\0{jti}")
        return Proven(read.key, f"dpop {name}", until, nonce)

    def check_once(self, shown: Shown, jkt: str, token: str, before: Container[str] = ()) -> Proven:
        """Check the proof beside a verified access token, which is bound to the key ``jkt``, and remember it here.

        ``before``: the names of the proofs that this request has shown already: a request may be verified several
        times. Raises as :meth:`check` does.
        """
        proven = self.check(shown, token)
        if not hmac.compare_digest(proven.thumbprint, jkt):
            raise ProofRefused("the key is not that of the session")
        if proven.name not in before and not self._used.add(proven.name, self._wall()):
            raise ProofRefused(USED)
        return proven

    def nonce(self) -> str:
        """Write a nonce."""
        return self._nonce(self._wall() + NONCE_LIFE)

    def _freshness(self, claims: dict[str, Any]) -> tuple[int, str]:
        """Return until when a proof is valid, and the nonce to hand out."""
        now, iat, nonce = self._wall(), claims.get("iat"), claims.get("nonce")
        if isinstance(iat, bool) or not isinstance(iat, int | float) or not 0 <= iat <= _LATEST:
            raise ProofRefused("the iat is missing, or is no time")
        if nonce is not None:
            end = self._end_of(nonce)
            is_fresh = now < end <= now + NONCE_LIFE + AHEAD
            following = "" if end - now > NONCE_LIFE // 2 else self.nonce()
        else:
            end, following = int(iat * 1000) + self._window, ""
            is_fresh = now - self._window < iat * 1000 < now + AHEAD and self._window > 0
        if not is_fresh:
            raise DpopRefused("use_dpop_nonce", "the proof is not fresh", self.nonce())
        return end, following

    def _end_of(self, nonce: object) -> int:
        """Return the end of a nonce, 0 for one that is not ours."""
        match = _NONCE.fullmatch(nonce) if isinstance(nonce, str) else None
        if match is None or not isinstance(nonce, str):
            return 0
        end = int(match[1])
        return end if hmac.compare_digest(nonce, self._nonce(end)) else 0

    def _nonce(self, until: int) -> str:
        message = "\0".join(("dpop nonce", *self._scope, str(until))).encode("utf-8", "surrogatepass")
        return f"n1.{until}.{base64url.encode(hmac.digest(self.key(), message, 'sha256'))}"


class UsedProofs:
    """The proofs that a process has seen, for ``life`` ms at least, unless there are very many.

    They are in two sets, of which the older one is forgotten as a whole: a flood of proofs costs no more memory.
    """

    def __init__(self, life: int, most: int = REMEMBERED) -> None:
        self._life = life
        self._most = most // 2
        self._turn_at = 0
        self._young = dict[str, object]()
        self._old = dict[str, object]()

    def add(self, name: str, now: int) -> bool:
        """Remember a proof; returns whether it is new. Of several threads with the same one, one is told so."""
        if now >= self._turn_at or len(self._young) >= self._most:
            self._old, self._young, self._turn_at = self._young, {}, now + self._life
        if name in self._old:
            return False
        mine = object()
        return self._young.setdefault(name, mine) is mine


def nonce_key(refresh_key: bytes) -> bytes:
    """Derive the key of nonces from that of refresh tokens: who has it can make no token."""
    return hmac.digest(refresh_key, b"reseal dpop nonce", "sha256")


def digest(text: str) -> str:
    """Hash a text as ``ath`` does."""
    return base64url.encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def _is(claim: object, text: str) -> bool:
    return isinstance(claim, str) and hmac.compare_digest(claim.encode("utf-8", "surrogatepass"), text.encode())


def is_same_url(htu: object, url: str) -> bool:
    """Return whether a proof names this address (RFC 9449, 4.3; RFC 3986, 6.2): query and fragment do not count.

    Paths are compared as servers hand them on, decoded.
    """
    named = _parts(htu) if isinstance(htu, str) else None
    return named is not None and named == _parts(url)


@lru_cache(maxsize=_URLS_READ)
def _parts(url: str) -> tuple[str, str, int, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = _HANDSHAKES.get(parts.scheme, parts.scheme)
    if scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return scheme, parts.hostname, _PORTS[scheme] if port is None else port, _path(unquote(parts.path))


def _path(path: str) -> str:
    """Remove the dot segments of a path (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]
        elif segment != ".":
            kept.append(segment)
    return "/".join([*kept, ""] if segments[-1] in {".", ".."} else kept) or "/"
