"""Whose a verified session is: a user's, or a visitor's who is not signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.errors import Refusal, Unauthorised
from reseal.core.ids import ANONYMOUS

if TYPE_CHECKING:
    from reseal.core.access_token import Claims


class AsyncOwner:
    """A part of :class:`reseal.AsyncSession`."""

    __slots__ = ()

    if TYPE_CHECKING:
        _claims: Claims

    def is_anonymous(self) -> bool:
        """Return whether this is the session of a visitor: only the calls that ask for visitors give one."""
        return self._claims.sub == ANONYMOUS

    def get_user_id(self) -> str:
        """Return whose session this is, byte for byte as given at sign-in.

        Raises ``Unauthorised`` for the session of a visitor: all visitors would be one user.
        """
        if self._claims.sub == ANONYMOUS:
            raise Unauthorised(Refusal.NOT_SIGNED_IN)
        return self._claims.sub
