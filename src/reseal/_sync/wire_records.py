# Generated from src/reseal/_async/wire_records.py by tools/unasync.py; edit that file instead.
"""The sessions of one app by handle and by user, without a token: read, changed, listed, ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reseal._sync.wire_lines import WireLines
from reseal.core import payload, wire_issue, wire_token
from reseal.core.errors import InvalidInput
from reseal.core.model import EndReason, SessionRecord
from reseal.core.wire_model import is_handle, tenant_of


class WireRecords:
    """One app's sessions, as SDKs name them."""

    def __init__(self, lines: WireLines) -> None:
        self._lines = lines

    def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised``."""
        record, _now = self._lines.of_handle(handle).live(handle)
        return record

    def set_session_data(self, handle: str, session_data: Mapping[str, Any]) -> None:
        """Replace the data that stays in the store. Raises ``InvalidInput``, ``Unauthorised``."""
        private = payload.encode("userDataInDatabase", session_data)
        self._lines.of_handle(handle).change(handle, lambda r, _now: replace(r, session_data=private))

    def set_jwt_payload(self, handle: str, jwt_payload: Mapping[str, Any], *, protected_for: int) -> None:
        """Replace the payload of the next access tokens. ``protected_for``: token version whose names are refused.

        Raises ``InvalidInput``, ``ProtectedClaim``, ``Unauthorised``.
        """
        public = payload.encode("userDataInJWT", jwt_payload)
        wire_token.check_payload(protected_for, public)

        def change(record: SessionRecord, _now: int) -> SessionRecord:
            wire_issue.check_size(record.user_id, tenant_of(handle), public)
            return replace(record, jwt_payload=public)

        self._lines.of_handle(handle).change(handle, change)

    def list_user(self, tenant_ids: Iterable[str], user_id: str) -> list[str]:
        """Name a user's live sessions in these tenants."""
        if not is_user_id(user_id):
            return []
        return [
            record.handle for tenant_id in tenant_ids for record in self._lines.of(tenant_id).list_user(user_id)
        ]

    def remove(self, handles: Iterable[str]) -> list[str]:
        """End sessions, each in the tenant that its handle names; names those that this call ended."""
        by_tenant: dict[str, list[str]] = {}
        for handle in filter(is_handle, handles):
            by_tenant.setdefault(tenant_of(handle), []).append(handle)
        ended: list[str] = []
        for tenant_id, its_handles in by_tenant.items():
            ended += self._lines.of(tenant_id).end(its_handles, EndReason.REVOKED)
        return ended

    def remove_user(self, tenant_ids: Iterable[str], user_id: str) -> list[str]:
        """End all sessions of a user in these tenants; names them."""
        if not is_user_id(user_id):
            return []
        ended: list[str] = []
        for tenant_id in tenant_ids:
            ended += self._lines.of(tenant_id).end_user(user_id)
        return ended


def is_user_id(user_id: str) -> bool:
    """Say whether a session of the wire may have this user id: also the empty one, with which SDKs' own suites work."""
    if not user_id:
        return True
    try:
        payload.check_user_id(user_id)
    except InvalidInput:
        return False
    return True
