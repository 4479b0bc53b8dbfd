"""The ready-made route to which identity providers send logouts (OpenID Connect Back-Channel Logout 1.0).

The token is the credential: no cookie is read or set, and no origin is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qs

from reseal._async.provider_keys import AsyncProviderKeys, ProviderUnavailable
from reseal._async.reseal import AsyncReseal
from reseal.core import logout_tokens, provider_keys, providers
from reseal.core.acting import acting
from reseal.core.errors import StoreUnavailable
from reseal.core.logout_tokens import InvalidLogoutToken, LogoutToken
from reseal.log import LOGGER
from reseal.web import bearer, responses
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

T = TypeVar("T")
PATH: Final = "/backchannel-logout"
_NO_STORE: Final = ("cache-control", "no-store")
_FIELD: Final = "logout_token"
_FIELDS: Final = 8
"""Fields of the form that are looked at."""


def endpoints_of_providers(reseal: AsyncReseal, endpoint: Callable[..., T]) -> list[T]:
    """Make the endpoints; their paths are those within the application. Raises ``ConfigurationError``."""
    answers = AsyncLogoutAnswers(reseal)
    return [endpoint("backchannel_logout", "POST", PATH, answers.log_out, reads_body=True)]


class AsyncLogoutAnswers:
    """What answers to identity providers."""

    def __init__(self, reseal: AsyncReseal) -> None:
        self._reseal = reseal
        self._keys = AsyncProviderKeys(reseal.clock)

    async def log_out(self, request: RequestFacts, _response: SessionHeaders) -> WebResponse:
        """End the sessions that a logout token names."""
        try:
            await self._carry_out(await self._verified(_token(request)))
        except InvalidLogoutToken as error:
            LOGGER.warning("back-channel logout: the token is refused: %s", error)
            return _answer(400, "invalid_request", str(error))
        except (ProviderUnavailable, StoreUnavailable) as error:
            LOGGER.error("back-channel logout: not carried out: %s", error)
            return _answer(503, "temporarily_unavailable", str(error), error.retry_after)
        return WebResponse(200, (_NO_STORE,))

    async def _verified(self, text: str) -> LogoutToken:
        token = logout_tokens.read(text, self._reseal.settings.identity_providers, self._reseal.now() // 1000)
        keys = await self._keys.of(token)
        if not provider_keys.is_signed(keys, token.algorithm, token.message, token.signature):
            raise InvalidLogoutToken("it is not signed by a key of the provider")
        return token

    async def _carry_out(self, token: LogoutToken) -> None:
        issuer = token.provider.issuer
        logout = providers.logout(issuer, token.subject, token.session_id, token.token_id, self._reseal.now())
        with acting(f"provider:{issuer}"):
            done = await self._reseal.backend.end_by_provider(logout)
        if done.is_replayed:
            raise InvalidLogoutToken("it was received before")
        if done.is_of_another:
            raise InvalidLogoutToken("sub is not the user of the session that sid names")


def _token(request: RequestFacts) -> str:
    """Read the token of a form. Raises ``InvalidLogoutToken``."""
    if bearer.media_type(request) != bearer.FORM:
        raise InvalidLogoutToken("the request is not application/x-www-form-urlencoded")
    try:
        [token] = parse_qs(request.body.decode("ascii"), max_num_fields=_FIELDS).get(_FIELD, [])
    except ValueError:
        raise InvalidLogoutToken(
            "the body has not exactly one field logout_token, or the request has no Content-Length"
        ) from None
    return token


def _answer(status: int, error: str, description: str, retry_after: int | None = None) -> WebResponse:
    waiting = () if retry_after is None else (("retry-after", str(retry_after)),)
    return responses.of_json({"error": error, "error_description": description}, status, (_NO_STORE, *waiting))
