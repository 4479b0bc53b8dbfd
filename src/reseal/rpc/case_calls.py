"""The calls about theft cases."""

from __future__ import annotations

from typing import Annotated

import msgspec

from reseal.core.cases import CaseFilter, CasePlace
from reseal.core.selection import PAGE
from reseal.rpc.calls import Call


class ListCases(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    which: CaseFilter = CaseFilter()
    after: CasePlace = CasePlace()
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE)] = PAGE


class ReadCase(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    case_id: str


class CloseCase(ReadCase, frozen=True, forbid_unknown_fields=True, kw_only=True):
    note: str
    by: str
    release: bool = False


class EraseCases(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    user_id: str
