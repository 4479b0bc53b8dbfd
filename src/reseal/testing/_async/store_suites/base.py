# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""The fixtures, constants and helpers of these suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Final

import pytest
from hypothesis import strategies as st

from reseal._async.ports import AsyncStore
from reseal.clock import Clock
from reseal.core.model import Scope, SessionRecord
from reseal.core.selection import UserPlace
from reseal.testing.clock import ManualClock
from reseal.testing.material import new_session

PUBLIC: Final = Scope()
MakeStore = Callable[[Clock], AsyncStore]

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


class AsyncStoreTests:
    @pytest.fixture
    def make_store(self) -> MakeStore:
        raise NotImplementedError("the subclass says how its store is made")

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def store(self, make_store: MakeStore, clock: ManualClock) -> AsyncIterator[AsyncStore]:
        store = make_store(clock)
        await store.open()
        yield store
        await store.close()


async def three_users_with_five_sessions(store: AsyncStore) -> None:
    for user in "abc":
        for n in range(5):
            await store.insert(PUBLIC, new_session(f"{user}-{n}", user))


async def sessions_of(store: AsyncStore, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
    """Read a user's live sessions, page by page."""
    records: tuple[SessionRecord, ...] = ()
    after = UserPlace()
    while page := await store.list_user(scope, user_id, after, 2):
        assert len(page) <= 2
        records += page
        after = UserPlace(page[-1].created_at, page[-1].handle)
    return records


async def tenants_of(store: AsyncStore) -> list[tuple[Scope, bytes]]:
    return [(tenant.scope, tenant.config) for tenant in (await store.changed_tenants()).there]
