"""The keys of identity providers, fetched where the configuration says, and kept.

A token never says where to look. How often a provider is asked is bounded, whatever tokens arrive: once in
:data:`COOL_DOWN`, by one request at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from reseal.clock import Clock
from reseal.core import provider_keys
from reseal.core.errors import ConfigurationError, GeneralError
from reseal.core.logout_tokens import LogoutToken
from reseal.core.provider_keys import ProviderKey
from reseal.forks import PerProcess
from reseal.log import LOGGER

if TYPE_CHECKING:
    import httpx

FRESH: Final = 3_600_000
"""Milliseconds after which keys are fetched again."""
USABLE: Final = 86_400_000
"""Milliseconds for which keys are used while the provider does not answer."""
COOL_DOWN: Final = 30_000
"""Milliseconds between two fetches at least."""
TIMEOUT: Final = 5
"""Seconds that a fetch may take."""
LARGEST: Final = 262_144
"""Bytes of a JWKS."""
_OK: Final = 200


class ProviderUnavailable(GeneralError):
    """The identity provider did not send its keys; nothing was ended, and the same logout may be sent again."""

    retry_after: Final = COOL_DOWN // 1000


class _Known(NamedTuple):
    keys: tuple[ProviderKey, ...] = ()
    at: int | None = None
    """When they were fetched; ``None``: never. Milliseconds of the monotonic clock."""
    asked_at: int | None = None

    def is_younger(self, age: int, now: int) -> bool:
        return self.at is not None and now < self.at + age


class AsyncProviderKeys:
    """The keys of all providers of an application. Raises ``ConfigurationError`` if httpx is missing."""

    def __init__(self, clock: Clock) -> None:
        try:
            import httpx  # noqa: F401, PLC0415 - an optional package
        except ImportError as error:
            advice = 'identity_providers: httpx is missing; install it: pip install "reseal[oidc]"'
            raise ConfigurationError((advice,)) from error
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._lock = PerProcess(lambda: asyncio.Lock())  # noqa: PLW0108 - looked up late: gevent patches forked workers

    async def of(self, token: LogoutToken) -> tuple[ProviderKey, ...]:
        """Return the keys by which a token may be signed; none if the provider has no such key.

        Raises ``ProviderUnavailable`` if that is not known.
        """
        known, now = self._known.get(token.provider.jwks_uri, _Known()), self._clock.monotonic()
        found = provider_keys.fitting(known.keys, token.algorithm, token.kid)
        if found and known.is_younger(FRESH, now):
            return found
        try:
            known = await self._renewed(token, known)
        except ProviderUnavailable as error:
            if not found or not known.is_younger(USABLE, now):
                raise
            LOGGER.warning("identity provider %s: %s; its known keys are used", token.provider.issuer, error)
        return provider_keys.fitting(known.keys, token.algorithm, token.kid)

    async def _renewed(self, token: LogoutToken, before: _Known) -> _Known:
        """Fetch the keys, unless another request has done so meanwhile."""
        uri = token.provider.jwks_uri
        async with self._lock.here():
            known, now = self._known.get(uri, before), self._clock.monotonic()
            if known is not before and known.at != before.at:
                return known
            if known.asked_at is not None and now < known.asked_at + COOL_DOWN:
                raise ProviderUnavailable("its keys were asked for a moment ago")
            self._known[uri] = known._replace(asked_at=now)
            keys = await self._fetched(uri)
            known = self._known[uri] = _Known(keys, now, now)
        return known

    async def _fetched(self, uri: str) -> tuple[ProviderKey, ...]:
        import httpx  # noqa: PLC0415 - __init__ has found it

        try:
            async with (
                httpx.AsyncClient(trust_env=False, timeout=TIMEOUT) as client,
                client.stream("GET", uri, headers={"accept": "application/json"}) as answer,
            ):
                body = await self._body(answer) if answer.status_code == _OK else b""
        except (httpx.HTTPError, OSError) as error:
            raise ProviderUnavailable(f"its keys could not be fetched ({type(error).__name__})") from error
        if answer.status_code != _OK:
            raise ProviderUnavailable(f"it answered with status {answer.status_code} where its keys should be")
        try:
            return provider_keys.read(body)
        except ValueError:
            raise ProviderUnavailable("what it publishes is no JWKS") from None

    async def _body(self, answer: httpx.Response) -> bytes:
        """Read a body of limited length, in limited time."""
        body, until = b"", self._clock.monotonic() + TIMEOUT * 1000
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST or self._clock.monotonic() > until:
                raise ProviderUnavailable("its keys are too long, or come too slowly")
        return body
