"""The sessions of one app by handle and by user, without a token: read, changed, listed, ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from reseal.cdi import access_tokens, signing
from reseal.core import elevation, payload
from reseal.core.errors import InvalidInput
from reseal.core.handles import is_handle, tenant_of
from reseal.core.model import EndReason, SessionRecord
from reseal.server.cdi.families import CdiTokenFamilies


class CdiRecords:
    """One app's sessions, as SDKs name them."""

    def __init__(self, lines: CdiTokenFamilies) -> None:
        self._lines = lines

    async def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised``."""
        record, _now = await self._lines.of_handle(handle).live(handle)
        return record

    async def set_session_data(self, handle: str, session_data: Mapping[str, Any]) -> None:
        """Replace the data that stays in the store. Raises ``InvalidInput``, ``Unauthorised``."""
        private = payload.encode("userDataInDatabase", session_data)
        await self._lines.of_handle(handle).change(handle, lambda r, _now: replace(r, session_data=private))

    async def set_jwt_payload(self, handle: str, jwt_payload: Mapping[str, Any], *, protected_for: int) -> None:
        """Replace the payload of the next access tokens. ``protected_for``: token version whose names are refused.

        Raises ``InvalidInput``, ``ProtectedClaim``, ``Unauthorised``.
        """
        public = payload.encode("userDataInJWT", jwt_payload)
        access_tokens.check_payload(protected_for, public)

        def change(record: SessionRecord, _now: int) -> SessionRecord:
            signing.check_size(record.user_id, tenant_of(handle), public)
            return replace(record, jwt_payload=elevation.kept(record.jwt_payload, public))

        await self._lines.of_handle(handle).change(handle, change)

    async def list_user(self, tenant_ids: Iterable[str], user_id: str) -> list[str]:
        """Name a user's live sessions in these tenants."""
        if not is_user_id(user_id):
            return []
        return [
            record.handle for tenant_id in tenant_ids for record in await self._lines.of(tenant_id).list_user(user_id)
        ]

    async def remove(self, handles: Iterable[str]) -> list[str]:
        """End sessions, each in the tenant that its handle names; names those that this call ended."""
        by_tenant: dict[str, list[str]] = {}
        for handle in filter(is_handle, handles):
            by_tenant.setdefault(tenant_of(handle), []).append(handle)
        ended: list[str] = []
        for tenant_id, its_handles in by_tenant.items():
            ended += await self._lines.of(tenant_id).end(its_handles, EndReason.REVOKED)
        return ended

    async def remove_user(self, tenant_ids: Iterable[str], user_id: str) -> list[str]:
        """End all sessions of a user in these tenants; names them."""
        if not is_user_id(user_id):
            return []
        ended: list[str] = []
        for tenant_id in tenant_ids:
            ended += await self._lines.of(tenant_id).end_user(user_id)
        return ended


def is_user_id(user_id: str) -> bool:
    """Return whether a session of the wire may have this user id, including the empty one of SDKs' own suites."""
    if not user_id:
        return True
    try:
        payload.check_user_id(user_id)
    except InvalidInput:
        return False
    return True
