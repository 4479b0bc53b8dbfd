# Generated from src/reseal/testing/_async/store_suites/base.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""The fixtures, constants and helpers of these suites."""

from __future__ import annotations

from collections.abc import Iterator, Callable
from itertools import count
from typing import Final

import pytest
from hypothesis import strategies as st

from reseal._sync.ports import Store
from reseal.clock import Clock
from reseal.core.model import Scope, SessionRecord
from reseal.core.selection import UserPlace
from reseal.testing.clock import ManualClock
from reseal.testing.material import new_session

PUBLIC: Final = Scope()
MakeStore = Callable[[Clock], Store]

TEXT: Final = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=512)
EXAMPLES: Final = count()
JSON_TEXTS: Final = (
    b"{}",
    b'{"a":1}',
    b'{ "a" : 1.0 , "b":[ ] }',
    '{"ключ":"значение","emoji":"\U0001f469\u200d\U0001f467","nfd":"e\u0301"}'.encode(),
    b'{"escaped":"\\u0000\\ud83d\\ude00\\/","big":9223372036854775807}',
    b'{"long":"' + b"x" * 100_000 + b'"}',
)


class StoreTests:
    @pytest.fixture
    def make_store(self) -> MakeStore:
        raise NotImplementedError("the subclass says how its store is made")

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def store(self, make_store: MakeStore, clock: ManualClock) -> Iterator[Store]:
        store = make_store(clock)
        store.open()
        yield store
        store.close()


def three_users_with_five_sessions(store: Store) -> None:
    for user in "abc":
        for n in range(5):
            store.insert(PUBLIC, new_session(f"{user}-{n}", user))


def sessions_of(store: Store, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
    """Read a user's live sessions, page by page."""
    records: tuple[SessionRecord, ...] = ()
    after = UserPlace()
    while page := store.list_user(scope, user_id, after, 2):
        assert len(page) <= 2
        records += page
        after = UserPlace(page[-1].created_at, page[-1].handle)
    return records


def tenants_of(store: Store) -> list[tuple[Scope, bytes]]:
    return [(tenant.scope, tenant.config) for tenant in (store.changed_tenants()).there]
