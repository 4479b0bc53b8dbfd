"""A session that is bound to a device: which key it is bound to, and whether a caller has shown that it holds it.

The key is kept where the session keeps its policy, beside it, within what says that it is held (``holding``): all of
these must be known before a session is moved on, and one without any of them is moved on without being read. Nothing of
a device is kept but its public key.

Challenges are not kept. Each is a text with the generation of the refresh token that it came with, its end (ms), and a
MAC over both, the app, the tenant and the session, so that every process can check those of every other. That of the
current generation is good, and that of the one before it: its answer may have been lost.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from reseal.core import base64url, holding, proofs
from reseal.core.model import Scope
from reseal.core.proofs import DeviceKey, ProofRefused

BROWSER_PROOF: Final = "dbsc+jwt"
"""The ``typ`` of a browser's proof."""
BROWSER_ALGORITHMS: Final = ("ES256", "RS256")
"""What browsers are offered."""
CHALLENGE_LIFE: Final = 120_000
"""Milliseconds for which a challenge is good. One that is handed out ahead is good so long after its access token."""
BIND_WITHIN: Final = 600_000
"""Milliseconds after which a session that must be bound, and is not, has ended."""
MARK: Final = "["
"""With this begins what is kept of a binding; neither the name nor the value of a policy does."""
_CHALLENGE: Final = re.compile(r"c1\.(0|[1-9][0-9]{0,9})\.([1-9][0-9]{0,15})\.[A-Za-z0-9_-]{43}", re.ASCII)

Wish = Literal["off", "offer", "require"]
WISHES: Final = ("off", "offer", "require")
"""Whether sessions are bound: never, where the browser can, or they end soon."""


class StaleChallenge(ProofRefused):
    """The proof is of the right key, for a challenge that is over: the caller is to sign another one."""


class Binding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a session keeps of its binding."""

    kind: Literal["off", "require", "dbsc", "dpop"]
    """How it is bound, or what was wished instead of what the settings say."""
    at: int
    """When, in ms since the epoch."""
    algorithm: str = ""
    jwk: dict[str, str] = {}
    first: int = 0
    """The generation of the token that it was bound with: who holds an earlier one had the session before."""

    @property
    def is_bound(self) -> bool:
        """Whether it has a key."""
        return bool(self.jwk)

    @property
    def key(self) -> DeviceKey:
        """The device's key. Raises ``ProofRefused`` if what is kept cannot be one."""
        return proofs.device_key(self.algorithm, self.jwk)

    @property
    def thumbprint(self) -> str:
        """That of the device's key (RFC 7638)."""
        return proofs.thumbprint(self.jwk)


_REMEMBERED: Final = 256
"""Texts that are taken apart once: a refresh looks at that of its session several times."""
_KEPT: Final = msgspec.json.Decoder(tuple[Binding, str | None])


@lru_cache(maxsize=_REMEMBERED)
def split(kept: str | None) -> tuple[Binding | None, str | None]:
    """Take apart what a session keeps: its binding, and what it keeps of its policy.

    Raises ``msgspec.DecodeError`` for text of a later version: such a session is not moved on.
    """
    inner = holding.read(kept).policy
    return (None, inner) if inner is None or not inner.startswith(MARK) else _KEPT.decode(inner)


def is_bound(kept: str | None) -> bool:
    """Return whether a session has a key, as far as this version knows."""
    try:
        binding = split(kept)[0]
    except msgspec.DecodeError:
        return False
    return binding is not None and binding.is_bound


def joined(binding: Binding, kept: str | None) -> str | None:
    """Return what a session keeps that has a binding besides what it kept before; one that is held stays so."""
    text = msgspec.json.encode((binding, split(kept)[1])).decode()
    return holding.read(kept)._replace(policy=text).kept()


def bound(kept: str | None, key: DeviceKey, now: int, first: int, kind: Literal["dbsc", "dpop"] = "dbsc") -> str | None:
    """Return what a session keeps once it is bound; the same if it is bound to this key, ``None`` if to another."""
    present = split(kept)[0]
    if present is not None and present.is_bound:
        return kept if present.jwk == key.jwk else None
    return joined(Binding(kind, now, key.algorithm, key.jwk, first), kept)


def challenge(scope: Scope, mac_key: bytes, handle: str, generation: int, until: int) -> str:
    """Write the challenge that goes out with a generation."""
    return f"c1.{generation}.{until}.{_mac(scope, mac_key, handle, generation, until)}"


def check_challenge(scope: Scope, mac_key: bytes, handle: str, generation: int, text: object, now: int) -> None:
    """Check the challenge in a proof against the session's generation. Raises ``ProofRefused``, ``StaleChallenge``."""
    match = _CHALLENGE.fullmatch(text) if isinstance(text, str) else None
    if match is None or not isinstance(text, str):
        raise ProofRefused("the challenge is none of ours")
    of, until = int(match[1]), int(match[2])
    if not hmac.compare_digest(text, challenge(scope, mac_key, handle, of, until)):
        raise ProofRefused("the challenge is not one of this session")
    if now >= until or of not in {generation, generation - 1}:
        raise StaleChallenge("the challenge is over")


def _mac(scope: Scope, mac_key: bytes, handle: str, generation: int, until: int) -> str:
    message = "\0".join(("challenge", *scope, handle, str(generation), str(until))).encode("utf-8", "surrogatepass")
    return base64url.encode(hmac.digest(mac_key, message, "sha256"))
