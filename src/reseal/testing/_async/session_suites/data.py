"""Payload and data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from reseal._async.changes import change_session_data
from reseal.core.errors import (
    AccessTokenTooLarge,
    Conflict,
    Refusal,
    Unauthorised,
)
from reseal.core.payload import decode
from reseal.testing._async.session_suites.base import AsyncSessionTests, errors_in, token_of
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld


class AsyncDataSuite(AsyncSessionTests):
    async def test_what_is_updated_reaches_the_next_access_token_and_no_other_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair, other = await sessions.create("user", {"a": 1}), await sessions.create("user", {"a": 1}, {"b": 1})
        before = await sessions.get(other.claims.sid)
        record = await sessions.update(pair.claims.sid, jwt_payload={"a": 2})
        assert sessions.verify(pair.access_token).jwt_payload() == {"a": 1}
        reissued = await sessions.reissue(pair.claims, record)
        assert reissued.refresh_token is None
        assert sessions.verify(reissued.access_token).jwt_payload() == {"a": 2}
        await sessions.update(pair.claims.sid, session_data={"b": 2})
        assert (await sessions.get(pair.claims.sid)).jwt_payload == b'{"a":2}'
        assert await sessions.get(other.claims.sid) == before

    async def test_an_oversized_payload_is_refused_and_the_old_one_stays(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", {"a": 1})
        with pytest.raises(AccessTokenTooLarge):
            await sessions.update(pair.claims.sid, jwt_payload={"long": "x" * 5000})
        assert (await sessions.get(pair.claims.sid)).jwt_payload == b'{"a":1}'
        await sessions.update(pair.claims.sid, session_data={"long": "x" * 5000})

    async def test_updates_at_once_are_all_carried_out(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for _ in range(5):
            pair = await sessions.create("user")
            sid = pair.claims.sid
            results = await together(
                [partial(sessions.update, sid, session_data={"n": n}) for n in range(3)]
                + [partial(sessions.update, sid, jwt_payload={"n": n}) for n in range(3)]
            )
            assert errors_in(results) == []
            record = await sessions.get(sid)
            assert record.session_data in {b'{"n":%d}' % n for n in range(3)}
            assert record.jwt_payload in {b'{"n":%d}' % n for n in range(3)}
            assert record.version == 1 + len(results)

    async def test_an_update_between_reading_and_writing_is_not_overwritten(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        sid = (await sessions.create("user")).claims.sid
        world.store.before("replace", partial(sessions.update, sid, jwt_payload={"by": "another"}))
        await sessions.update(sid, session_data={"by": "me"})
        record = await sessions.get(sid)
        assert (record.jwt_payload, record.session_data) == (b'{"by":"another"}', b'{"by":"me"}')

    async def test_a_refresh_and_an_update_at_once_both_happen(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.before("replace", partial(sessions.refresh, token_of(pair)))
        await sessions.update(pair.claims.sid, session_data={"n": 1})
        record = await sessions.get(pair.claims.sid)
        assert (record.generation, record.session_data) == (1, b'{"n":1}')

    async def test_an_update_does_not_revive_a_session_that_ends_meanwhile(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.before("replace", partial(sessions.revoke, [pair.claims.sid]))
        with pytest.raises(Unauthorised) as error:
            await sessions.update(pair.claims.sid, session_data={"n": 1})
        assert error.value.reason is Refusal.REVOKED

    async def test_an_update_that_expects_an_older_version_changes_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        sid = (await sessions.create("user", session_data={"n": 0})).claims.sid
        version = (await sessions.get(sid)).version
        await sessions.update(sid, session_data={"n": 1}, expected_version=version)
        with pytest.raises(Conflict):
            await sessions.update(sid, session_data={"n": 2}, expected_version=version)
        assert (await sessions.get(sid)).session_data == b'{"n":1}'

    async def test_an_expected_version_that_changes_before_the_write_changes_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", session_data={"n": 0})
        version = (await sessions.get(pair.claims.sid)).version
        world.store.before("replace", partial(sessions.update, pair.claims.sid, session_data={"n": 1}))
        with pytest.raises(Conflict):
            await sessions.update(pair.claims.sid, session_data={"n": 2}, expected_version=version)
        assert (await sessions.get(pair.claims.sid)).session_data == b'{"n":1}'

    async def test_a_change_that_lost_a_race_is_made_again_from_what_the_other_wrote(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", session_data={"n": 1})
        sid, seen = pair.claims.sid, list[int]()

        def double(data: dict[str, Any]) -> dict[str, Any]:
            seen.append(data["n"])
            return {"n": data["n"] * 2}

        world.store.before("replace", partial(sessions.update, sid, session_data={"n": 10}))
        assert await change_session_data(sessions, partial(sessions.get, sid), double) == {"n": 20}
        assert seen == [1, 10]

    async def test_of_ten_changes_at_once_none_is_lost(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        sid = (await sessions.create("user", session_data={"cart": []})).claims.sid

        def add(item: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
            return lambda data: {"cart": [*data["cart"], item]}

        results = await together(
            [partial(change_session_data, sessions, partial(sessions.get, sid), add(item)) for item in range(10)]
        )
        assert errors_in(results) == []
        assert sorted(decode((await sessions.get(sid)).session_data)["cart"]) == list(range(10))
