# Generated from src/reseal/testing/_async/store_suite.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""What every store has to pass: one test per promise of ``ports.Store``.

Subclass it, give it a fixture ``make_store`` and let pytest collect the subclass::

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda clock: MyStore(tmp_path / "data", clock)

``make_store(clock)`` gives a further way to the same data each time; it is not open yet.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count, product
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reseal._sync.paging import changed_tenants
from reseal._sync.ports import Store
from reseal.clock import BELIEVED_AFTER, BELIEVED_AHEAD
from reseal.core.model import Device, EndReason, Scope, SessionRecord, TenantChanges
from reseal.core.purging import KEPT, LOOK_AGAIN, Backlog, Purged
from reseal.core.selection import Adopted, Before, Place, UserPlace
from reseal.core.store_time import Repaired, Times
from reseal.testing._sync.event_suite import EventSuite, MakeStore
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, USER_IDS, hash_of, new_session, step, stored_key

PUBLIC: Final = Scope()

_TEXT: Final = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=512)
_EXAMPLES: Final = count()
_JSON: Final = (
    b"{}",
    b'{"a":1}',
    b'{ "a" : 1.0 , "b":[ ] }',
    '{"ключ":"значение","emoji":"\U0001f469\u200d\U0001f467","nfd":"e\u0301"}'.encode(),
    b'{"escaped":"\\u0000\\ud83d\\ude00\\/","big":9223372036854775807}',
    b'{"long":"' + b"x" * 100_000 + b'"}',
)


class StoreSuite(EventSuite):
    # -- insert and get ---------------------------------------------------------------------------------------------

    def test_a_session_begins_with_generation_0_at_the_store_s_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        record = store.insert(PUBLIC, new_session(absolute_ms=DAY))
        assert record is not None
        assert record.generation == 0
        assert record.current_hash == hash_of("h/0")
        assert (record.previous_hash, record.successor_sealed, record.confirmed_at) == (None, None, None)
        assert record.created_at == record.rotated_at == record.last_seen_at == clock.wall()
        assert (record.expires_at, record.absolute_expires_at) == (clock.wall() + HOUR, clock.wall() + DAY)
        assert store.get(PUBLIC, "h") == (record, clock.wall())

    def test_the_first_idle_end_is_not_past_the_absolute_end(self, store: Store, clock: ManualClock) -> None:
        record = store.insert(PUBLIC, new_session(idle_ms=DAY, absolute_ms=HOUR))
        assert record is not None
        assert record.expires_at == record.absolute_expires_at == clock.wall() + HOUR

    def test_a_taken_handle_is_not_taken_again(self, store: Store) -> None:
        first = store.insert(PUBLIC, new_session())
        assert store.insert(PUBLIC, new_session(user_id="another", token_hash=hash_of("other"))) is None
        assert (store.get(PUBLIC, "h")).record == first
        assert _listed(store, PUBLIC, "another") == ()

    def test_the_handle_of_an_ended_session_stays_taken(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert store.insert(PUBLIC, new_session(user_id="another")) is None

    def test_of_many_who_insert_one_handle_one_does(self, store: Store) -> None:
        given_names = [f"user {n}" for n in range(16)]
        results = together(partial(store.insert, PUBLIC, new_session(user_id=name)) for name in given_names)
        winners = [r for r in results if isinstance(r, SessionRecord)]
        assert len(winners) == 1
        assert results.count(None) == len(results) - 1
        assert (store.get(PUBLIC, "h")).record == winners[0]

    def test_an_absent_session_is_none_with_the_time(self, store: Store, clock: ManualClock) -> None:
        assert store.get(PUBLIC, "absent") == (None, clock.wall())

    def test_ended_and_expired_sessions_are_read_too(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session("ended"))
        store.insert(PUBLIC, new_session("expired"))
        store.end(PUBLIC, ["ended"], EndReason.SIGNED_OUT)
        clock.advance(HOUR + 1)
        ended, expired = store.get(PUBLIC, "ended"), store.get(PUBLIC, "expired")
        assert ended.record is not None
        assert ended.record.end_reason is EndReason.SIGNED_OUT
        assert expired.record is not None
        assert expired.record.expires_at < expired.now == clock.wall()

    def test_several_are_read_at_once_and_each_as_alone(self, store: Store, clock: ManualClock) -> None:
        handles = ["live", "ended", "absent", "", "live"]
        store.insert(PUBLIC, new_session("live"))
        store.insert(PUBLIC, new_session("ended"))
        store.insert(Scope("other", "public"), new_session("absent"))
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        clock.advance(1000)
        found = store.get_many(PUBLIC, iter(handles))
        assert found == {handle: store.get(PUBLIC, handle) for handle in set(handles)}
        assert {found_one.now for found_one in found.values()} == {clock.wall()}
        assert store.get_many(PUBLIC, []) == {}

    @pytest.mark.parametrize("text", ["\0", "h\0", "\ud800", "\udc80h"], ids=ascii)
    def test_what_cannot_be_stored_is_nobody_s_handle_and_nobody_s_id(self, store: Store, text: str) -> None:
        store.insert(PUBLIC, new_session())
        now = (store.get(PUBLIC, "h")).now
        assert store.get(PUBLIC, text) == (None, now)
        assert store.get_many(PUBLIC, [text]) == {text: (None, now)}
        assert _listed(store, PUBLIC, text) == ()
        assert store.end_user(PUBLIC, text, EndReason.REVOKED) == ()
        assert store.end(PUBLIC, [text], EndReason.REVOKED) == ()
        assert store.end(PUBLIC, [text, "h"], EndReason.REVOKED) == ("h",)

    # -- rotate -----------------------------------------------------------------------------------------------------

    def test_rotating_advances_the_line_by_one_and_keeps_the_rest(
        self, store: Store, clock: ManualClock
    ) -> None:
        before = store.insert(PUBLIC, new_session(jwt_payload=b'{"a":1}', session_data=b'{"b":2}'))
        assert before is not None
        clock.advance(1000)
        after = store.rotate(PUBLIC, step())
        assert after == replace(
            before,
            generation=1,
            current_hash=hash_of("h/1"),
            previous_hash=hash_of("h/0"),
            successor_sealed=b"sealed 1",
            rotated_at=clock.wall(),
            last_seen_at=clock.wall(),
            expires_at=clock.wall() + HOUR,
            device=Device("192.0.2.2", "Browser/2"),
            version=before.version + 1,
        )
        assert (store.get(PUBLIC, "h")).record == after

    def test_the_successor_is_unconfirmed_and_the_registers_move_on(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert (record.replayed, record.collided, record.estranged, record.attempt_hash) == (0, 0, 0, None)
        full = 2**32 - 1
        marked = replace(record, confirmed_at=record.created_at, replayed=full, collided=5, estranged=1)
        assert store.replace(PUBLIC, marked)
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        assert rotated.confirmed_at is None
        assert (rotated.replayed, rotated.collided, rotated.estranged) == (full - 1, 10, 2)

    def test_each_step_keeps_the_hash_of_its_own_attempt_key(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.insert(PUBLIC, new_session("other"))
        for generation, attempt_hash in enumerate([hash_of("key"), None, hash_of("another")]):
            own = step(generation=generation, attempt_hash=attempt_hash)
            beside = step("other", generation, attempt_hash=hash_of("beside"))
            results = together(partial(store.rotate, PUBLIC, s) for s in (own, beside))
            assert [r.attempt_hash for r in results if isinstance(r, SessionRecord)] == [
                attempt_hash,
                hash_of("beside"),
            ]
            kept = (store.get(PUBLIC, "h")).record
            assert kept is not None
            assert kept.attempt_hash == attempt_hash

    @pytest.mark.parametrize("callers", [2, 64])
    def test_only_the_first_of_several_rotators_wins(self, store: Store, callers: int) -> None:
        for generation in range(5):
            if generation == 0:
                store.insert(PUBLIC, new_session(token_hash=hash_of("line 0")))
            steps = [
                step(presented_hash=hash_of(f"line {generation}"), successor_sealed=str(n).encode())
                if n
                else step(presented_hash=hash_of(f"line {generation}"))
                for n in range(callers)
            ]
            steps = [replace(s, successor_hash=hash_of(f"line {generation + 1}")) for s in steps]
            results = together(partial(store.rotate, PUBLIC, s) for s in steps)
            winners = [r for r in results if isinstance(r, SessionRecord)]
            assert len(winners) == 1
            assert results.count(None) == callers - 1
            assert winners[0].generation == generation + 1
            assert (store.get(PUBLIC, "h")).record == winners[0]

    def test_only_one_rotator_wins_over_several_openings_of_the_same_data(
        self, store: Store, make_store: MakeStore, clock: ManualClock
    ) -> None:
        other = make_store(clock)
        other.open()
        store.insert(PUBLIC, new_session())
        steps = [step(successor_hash=hash_of(str(n))) for n in range(32)]
        results = together(partial((store, other)[n % 2].rotate, PUBLIC, s) for n, s in enumerate(steps))
        assert [r for r in results if isinstance(r, BaseException)] == []
        assert sum(r is not None for r in results) == 1
        if other is not store:
            other.close()

    def test_rotate_refuses_a_hash_that_is_not_current(self, store: Store) -> None:
        assert store.rotate(PUBLIC, step()) is None
        store.insert(PUBLIC, new_session())
        after = store.rotate(PUBLIC, step())
        assert store.rotate(PUBLIC, step()) is None
        assert store.rotate(PUBLIC, step(presented_hash=hash_of("another"))) is None
        assert store.rotate(PUBLIC, step(presented_hash=b"")) is None
        assert (store.get(PUBLIC, "h")).record == after

    def test_rotate_refuses_an_ended_session(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        before = store.get(PUBLIC, "h")
        assert store.rotate(PUBLIC, step()) is None
        assert store.get(PUBLIC, "h") == before

    @pytest.mark.parametrize(("late_by", "refused"), [(-1, False), (0, True), (1, True)])
    @pytest.mark.parametrize("absolute_ms", [None, HOUR])
    def test_rotate_refuses_a_session_from_its_end_on(
        self, store: Store, clock: ManualClock, absolute_ms: int | None, late_by: int, *, refused: bool
    ) -> None:
        store.insert(PUBLIC, new_session(absolute_ms=absolute_ms))
        clock.advance(HOUR + late_by)
        assert (store.rotate(PUBLIC, step()) is None) is refused

    def test_the_idle_end_slides_but_not_past_the_absolute_end(
        self, store: Store, clock: ManualClock
    ) -> None:
        begun = store.insert(PUBLIC, new_session(absolute_ms=3 * HOUR))
        assert begun is not None
        for generation in range(5):
            clock.advance(HOUR // 2)
            record = store.rotate(PUBLIC, step(generation=generation))
            assert record is not None
            assert record.absolute_expires_at == begun.absolute_expires_at
            assert record.expires_at == min(clock.wall() + HOUR, begun.created_at + 3 * HOUR)
        clock.advance(HOUR // 2)
        assert store.rotate(PUBLIC, step(generation=5)) is None

    # -- replace ----------------------------------------------------------------------------------------------------

    def test_replace_writes_what_it_is_given_and_counts_the_version_up(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        changed = replace(
            record,
            confirmed_at=5,
            attempt_hash=hash_of("key"),
            replayed=2**32 - 1,
            collided=2,
            estranged=3,
            jwt_payload=b'{"a":1}',
            session_data=b'{"b":2}',
            use_static_key=not record.use_static_key,
            last_seen_at=8,
            device=Device(None, None),
        )
        assert store.replace(PUBLIC, changed)
        assert (store.get(PUBLIC, "h")).record == replace(changed, version=record.version + 1)

    def test_replace_happens_only_on_the_version_that_was_read(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert store.replace(PUBLIC, replace(record, session_data=b'{"n":1}'))
        before = store.get(PUBLIC, "h")
        assert not store.replace(PUBLIC, replace(record, session_data=b'{"n":2}'))
        assert store.get(PUBLIC, "h") == before

    def test_replace_of_an_absent_session_writes_nothing(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert not store.replace(PUBLIC, replace(record, handle="absent"))
        assert (store.get(PUBLIC, "absent")).record is None

    def test_a_step_of_the_line_outdates_what_was_read_before_it(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        rotated = store.rotate(PUBLIC, step())
        assert not store.replace(PUBLIC, record)
        assert (store.get(PUBLIC, "h")).record == rotated

    def test_what_was_read_before_the_end_does_not_revive_a_session(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert not store.replace(PUBLIC, record)
        ended = (store.get(PUBLIC, "h")).record
        assert ended is not None
        assert ended.end_reason is EndReason.REVOKED

    def test_of_many_who_replace_one_version_one_does(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        texts = [f'{{"n":{n}}}'.encode() for n in range(32)]
        results = together(partial(store.replace, PUBLIC, replace(record, session_data=t)) for t in texts)
        assert results.count(True) == 1
        assert results.count(False) == len(texts) - 1
        written = (store.get(PUBLIC, "h")).record
        assert written == replace(record, session_data=texts[results.index(True)], version=record.version + 1)

    # -- end --------------------------------------------------------------------------------------------------------

    def test_end_names_exactly_those_that_it_ended(self, store: Store) -> None:
        for handle in ("a", "b", "c", "d"):
            store.insert(PUBLIC, new_session(handle))
        store.end(PUBLIC, ["a"], EndReason.SIGNED_OUT)
        named = store.end(PUBLIC, ["a", "b", "absent", "c", "b"], EndReason.REVOKED)
        assert sorted(named) == ["b", "c"]
        assert [r.handle for r in _listed(store, PUBLIC, "user")] == ["d"]
        assert store.end(PUBLIC, [], EndReason.REVOKED) == ()

    def test_ending_again_changes_nothing_and_keeps_the_first_reason(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        store.end(PUBLIC, ["h"], EndReason.THEFT)
        clock.advance(1)
        before = (store.get(PUBLIC, "h")).record
        assert store.end(PUBLIC, ["h"], EndReason.REVOKED) == ()
        assert store.end_user(PUBLIC, "user", EndReason.USER_REVOKED) == ()
        assert (store.get(PUBLIC, "h")).record == before
        assert before is not None
        assert before.end_reason is EndReason.THEFT

    def test_an_ended_session_keeps_its_hashes_and_loses_its_seal(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert (store.get(PUBLIC, "h")).record == replace(
            rotated,
            ended_at=clock.wall(),
            end_reason=EndReason.REVOKED,
            successor_sealed=None,
            version=rotated.version + 1,
        )

    @pytest.mark.parametrize("reason", list(EndReason))
    def test_every_reason_is_kept(self, store: Store, reason: EndReason) -> None:
        store.insert(PUBLIC, new_session())
        assert store.end(PUBLIC, iter(["h"]), reason) == ("h",)
        record = (store.get(PUBLIC, "h")).record
        assert record is not None
        assert record.end_reason is reason

    def test_of_many_who_end_one_session_one_is_named_as_the_one(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        results = together([partial(store.end, PUBLIC, ["h"], EndReason.REVOKED)] * 16)
        assert sorted(map(repr, results)) == ["('h',)"] + ["()"] * 15

    @pytest.mark.parametrize("keep", [None, "b-2", "absent", "a-0"])
    def test_end_user_ends_all_sessions_of_that_user_but_one(self, store: Store, keep: str | None) -> None:
        _three_users_with_five_sessions(store)
        named = store.end_user(PUBLIC, "b", EndReason.USER_REVOKED, keep)
        expected = {f"b-{n}" for n in range(5)} - {keep}
        assert len(named) == len(expected)
        assert set(named) == expected
        left = {r.handle for user in "abc" for r in _listed(store, PUBLIC, user)}
        assert left == {f"{user}-{n}" for user in "abc" for n in range(5)} - expected

    # -- list -------------------------------------------------------------------------------------------------------

    def test_the_live_sessions_of_a_user_are_listed_oldest_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        for handle in ("z", "m", "a", "k"):
            store.insert(PUBLIC, new_session(handle))
            clock.advance(10)
        store.rotate(PUBLIC, step("z"))
        assert [r.handle for r in _listed(store, PUBLIC, "user")] == ["z", "m", "a", "k"]
        first = (_listed(store, PUBLIC, "user"))[0]
        assert first == (store.get(PUBLIC, "z")).record
        assert _listed(store, PUBLIC, "nobody") == ()

    def test_a_page_of_a_list_begins_behind_a_place_and_has_so_many_sessions_at_most(
        self, store: Store, clock: ManualClock
    ) -> None:
        for handle in ("d", "b", "c", "a"):
            store.insert(PUBLIC, new_session(handle))
            clock.advance(0 if handle == "b" else 10)
        first = store.list_user(PUBLIC, "user", UserPlace(), 3)
        assert [r.handle for r in first] == ["d", "b", "c"]
        for page in (first[:1], first[:2], first):
            after = UserPlace(page[-1].created_at, page[-1].handle)
            rest = store.list_user(PUBLIC, "user", after, 10)
            assert [r.handle for r in [*page, *rest]] == ["d", "b", "c", "a"]
        store.end(PUBLIC, ["c"], EndReason.REVOKED)
        assert [r.handle for r in store.list_user(PUBLIC, "user", after, 10)] == ["a"]
        assert [r.handle for r in store.list_user(PUBLIC, "user", UserPlace(), 3)] == ["d", "b", "a"]

    def test_ended_and_expired_sessions_are_not_listed(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session("ended"))
        store.insert(PUBLIC, new_session("expired"))
        store.insert(PUBLIC, new_session("absolute", idle_ms=DAY, absolute_ms=HOUR))
        store.insert(PUBLIC, new_session("live", idle_ms=HOUR + 1))
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        clock.advance(HOUR - 1)
        assert {r.handle for r in _listed(store, PUBLIC, "user")} == {"expired", "absolute", "live"}
        clock.advance(1)
        assert [r.handle for r in _listed(store, PUBLIC, "user")] == ["live"]

    def test_user_ids_that_look_alike_are_different_users(self, store: Store) -> None:
        for n, user_id in enumerate(USER_IDS):
            store.insert(PUBLIC, new_session(f"h-{n}", user_id))
        for n, user_id in enumerate(USER_IDS):
            assert [(r.handle, r.user_id) for r in _listed(store, PUBLIC, user_id)] == [(f"h-{n}", user_id)]
        for n, user_id in enumerate(USER_IDS):
            assert store.end_user(PUBLIC, user_id, EndReason.REVOKED) == (f"h-{n}",)

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(user_id=_TEXT, handle=_TEXT)
    def test_any_user_id_comes_back_byte_for_byte(self, store: Store, user_id: str, handle: str) -> None:
        scope = Scope("public", f"example-{next(_EXAMPLES)}")
        store.insert(scope, new_session(handle, user_id))
        found = (store.get(scope, handle)).record
        assert found is not None
        assert (found.user_id.encode(), found.handle.encode()) == (user_id.encode(), handle.encode())
        assert found in _listed(store, scope, user_id)

    @pytest.mark.parametrize("text", _JSON, ids=lambda text: f"{len(text)} bytes")
    def test_payload_and_session_data_come_back_byte_for_byte(self, store: Store, text: bytes) -> None:
        record = store.insert(PUBLIC, new_session(jwt_payload=text, session_data=text))
        assert record is not None
        assert (record.jwt_payload, record.session_data) == (text, text)
        assert (store.get(PUBLIC, "h")).record == record
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        assert (rotated.jwt_payload, rotated.session_data) == (text, text)

    def test_where_a_request_came_from_is_kept_or_absent(self, store: Store) -> None:
        for n, device in enumerate((Device(), Device("", ""), Device("2001:db8::1", "Br\u00f6wser '\"\\ \U0001f469"))):
            store.insert(PUBLIC, new_session(f"h-{n}", device=device))
            found = (store.get(PUBLIC, f"h-{n}")).record
            assert found is not None
            assert found.device == device

    # -- isolation --------------------------------------------------------------------------------------------------

    def test_apps_and_tenants_never_meet(self, store: Store) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b", "a-b"), ("b", "a", "b-a"))]
        for scope in scopes:
            record = store.insert(scope, new_session(session_data=f'{{"of":"{scope}"}}'.encode()))
            assert record is not None
            assert _listed(store, scope, "user") == (record,)
        for n, scope in enumerate(scopes):
            others = [s for s in scopes if s != scope]
            before = [store.get(s, "h") for s in others]
            rotated = store.rotate(scope, step(successor_hash=hash_of(f"of {n}")))
            assert rotated is not None
            assert store.replace(scope, replace(rotated, jwt_payload=b'{"changed":1}'))
            if n % 2:
                assert store.end(scope, ["h"], EndReason.REVOKED) == ("h",)
            else:
                assert store.end_user(scope, "user", EndReason.USER_REVOKED) == ("h",)
            assert _listed(store, scope, "user") == ()
            assert [store.get(s, "h") for s in others] == before

    def test_what_is_in_no_other_scope_is_absent_there(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        for scope in (Scope("public", "other"), Scope("other", "public"), Scope("PUBLIC", "public")):
            assert (store.get(scope, "h")).record is None
            assert store.rotate(scope, step()) is None
            assert not store.replace(scope, record)
            assert store.end(scope, ["h"], EndReason.REVOKED) == ()
            assert store.end_user(scope, "user", EndReason.REVOKED) == ()
            assert _listed(store, scope, "user") == ()
        assert (store.get(PUBLIC, "h")).record == record

    # -- before a moment --------------------------------------------------------------------------------------------

    def test_sessions_before_a_moment_are_read_in_pages_by_app_tenant_and_user(
        self, store: Store, clock: ManualClock
    ) -> None:
        for app, tenant, user in product("ab", "xy", "uv"):
            store.insert(Scope(app, tenant), new_session(f"{user}-old", user))
        store.insert(Scope("a", "x"), new_session("ended", "u"))
        store.end(Scope("a", "x"), ["ended"], EndReason.REVOKED)
        store.insert(Scope("a", "x"), new_session("expired", "u", idle_ms=1000))
        store.insert(Scope("a", "x"), new_session("refreshed", "u"))
        clock.advance(1000)
        moment = clock.wall()
        store.rotate(Scope("a", "x"), step("refreshed"))
        store.insert(Scope("a", "y"), new_session("new", "u"))

        def found(**which: Any) -> list[tuple[str, str]]:
            pages, after = [], Place()
            while page := store.list_before(Before(app_id="a", moment=moment, **which), after, 2):
                pages += [(scope.tenant_id, record.handle) for scope, record in page]
                after = Place(*pages[-1])
            return pages

        assert found() == [("x", "u-old"), ("x", "v-old"), ("y", "u-old"), ("y", "v-old")]
        assert found(tenant_id="x") == [("x", "u-old"), ("x", "v-old")]
        assert found(user_id="u") == [("x", "u-old"), ("y", "u-old")]
        assert found(tenant_id="y", user_id="v") == [("y", "v-old")]
        assert found(tenant_id="absent") == found(tenant_id="x", user_id="\0") == []

    def test_what_went_on_from_a_newer_token_is_no_younger_than_the_backup(
        self, store: Store, clock: ManualClock
    ) -> None:
        for handle in ("adopted", "changed"):
            assert store.insert(PUBLIC, new_session(handle)) is not None
        clock.advance(1000)
        moment = clock.wall()
        clock.advance(1000)
        assert store.adopted() == Adopted(0, None)
        for handle, ahead in (("adopted", 3), ("changed", 0)):
            record = (store.get(PUBLIC, handle)).record
            assert record is not None
            changed = replace(
                record, generation=ahead, rotated_at=clock.wall(), current_hash=hash_of(f"{handle}/{ahead}")
            )
            assert store.replace(PUBLIC, changed)
        assert store.adopted() == Adopted(1, clock.wall())
        clock.advance(1000)
        assert store.rotate(PUBLIC, step("adopted", 3)) is not None
        found = store.list_before(Before(app_id="public", moment=moment), Place(), 9)
        assert [record.handle for _, record in found] == ["adopted"]
        clock.advance(1000)
        assert len(store.list_before(Before(app_id="public", moment=clock.wall()), Place(), 9)) == 2

    # -- purge ------------------------------------------------------------------------------------------------------

    def test_small_steps_look_at_all_that_is_due_and_remove_what_is_long_past_its_end(
        self, store: Store, clock: ManualClock
    ) -> None:
        for n in range(30):
            store.insert(PUBLIC, new_session(f"h-{n}", idle_ms=HOUR if n % 3 else 30 * DAY))
        store.end(PUBLIC, ["h-0", "h-1"], EndReason.REVOKED)
        clock.advance(HOUR + KEPT)
        store.insert(PUBLIC, new_session("young", idle_ms=HOUR))
        assert [store.purge(4) for _ in range(6)] == [Purged(4, 4)] * 5 + [Purged(0, 0)]
        for n in range(30):
            assert ((store.get(PUBLIC, f"h-{n}")).record is None) is bool(n % 3)
        assert (store.get(PUBLIC, "young")).record is not None

    def test_an_expired_session_is_kept_for_a_while_to_tell_why_it_ended(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        clock.advance(HOUR + KEPT - 1)
        assert store.purge(10) == Purged(0, 0)
        clock.advance(1)
        assert store.purge(10) == Purged(1, 1)
        assert (store.get(PUBLIC, "h")).record is None

    def test_what_is_due_goes_whatever_comes_meanwhile(self, store: Store, clock: ManualClock) -> None:
        for n in range(20):
            store.insert(PUBLIC, new_session(f"old-{n}"))
        clock.advance(HOUR + KEPT)
        for n in range(5):
            for m in range(6):
                store.insert(PUBLIC, new_session(f"new-{n}-{m}"))
            assert (store.purge(4)).removed == 4
        assert store.backlog() == Backlog(0, 0)

    def test_a_session_that_was_refreshed_is_put_off_until_its_new_end(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        clock.advance(HOUR - 1)
        assert store.rotate(PUBLIC, step()) is not None
        clock.advance(KEPT + 1)
        assert store.purge(10) == Purged(1, 0)
        assert store.purge(10) == Purged(0, 0)
        clock.advance(HOUR - 2)
        assert store.purge(10) == Purged(0, 0)
        clock.advance(1)
        assert store.purge(10) == Purged(1, 1)

    def test_an_end_that_was_moved_nearer_is_noticed_within_a_week(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session(idle_ms=300 * DAY))
        store.rotate(PUBLIC, step(idle_ms=HOUR))
        clock.advance(LOOK_AGAIN + KEPT)
        assert store.purge(10) == Purged(1, 1)
        store.insert(PUBLIC, new_session("long", idle_ms=300 * DAY))
        for _ in range(4):
            clock.advance(LOOK_AGAIN + KEPT)
            assert store.purge(10) == Purged(1, 0)

    def test_the_backlog_says_how_many_are_due_and_for_how_long(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert store.backlog() == Backlog(0, 0)
        for n in range(3):
            store.insert(PUBLIC, new_session(f"h-{n}"))
            clock.advance(1000)
        assert store.backlog() == Backlog(0, 0)
        clock.advance(HOUR + KEPT - 2000)
        assert store.backlog() == Backlog(2, 1000)
        store.purge(1)
        assert store.backlog() == Backlog(1, 0)
        store.purge(9)
        assert store.backlog() == Backlog(0, 0)

    def test_purging_an_empty_store_removes_nothing(self, store: Store) -> None:
        assert [store.purge(1) for _ in range(3)] == [Purged(0, 0)] * 3

    def test_sessions_that_went_with_their_tenant_are_not_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.put_tenant(Scope("app", "one"), b"{}")
        store.insert(Scope("app", "one"), new_session())
        store.remove_tenant(Scope("app", "one"))
        clock.advance(DAY + KEPT)
        assert (store.purge(10)).removed == 0
        assert store.backlog() == Backlog(0, 0)

    # -- claims -----------------------------------------------------------------------------------------------------

    def test_of_many_who_claim_one_name_one_gets_it(self, store: Store, clock: ManualClock) -> None:
        results = together(partial(store.claim, PUBLIC, "name", clock.wall() + 1000) for _ in range(16))
        assert sorted(results, key=bool) == [False] * 15 + [True]
        assert not store.claim(PUBLIC, "name", clock.wall() + DAY)
        assert store.claim(PUBLIC, "another name", clock.wall() + 1000)

    def test_a_claim_ends_at_its_time_and_the_name_is_free_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert store.claim(PUBLIC, "name", clock.wall() + 1000)
        clock.advance(999)
        assert not store.claim(PUBLIC, "name", clock.wall() + 1000)
        clock.advance(1)
        results = together(partial(store.claim, PUBLIC, "name", clock.wall() + 1000) for _ in range(8))
        assert results.count(True) == 1
        clock.advance(999)
        assert not store.claim(PUBLIC, "name", clock.wall() + DAY)

    @pytest.mark.parametrize("late", [0, 1, DAY])
    def test_nothing_is_claimed_until_a_time_that_has_passed(
        self, store: Store, clock: ManualClock, late: int
    ) -> None:
        assert not store.claim(PUBLIC, "name", clock.wall() - late)
        assert store.claim(PUBLIC, "name", clock.wall() + 1)

    def test_a_clock_moved_back_frees_no_name(self, store: Store, clock: ManualClock) -> None:
        until = clock.wall() + 1000
        assert store.claim(PUBLIC, "name", until)
        clock.advance(1000)
        store.insert(PUBLIC, new_session())
        clock.jump(-DAY)
        assert not store.claim(PUBLIC, "name", until)

    def test_each_app_and_tenant_has_names_of_its_own(self, store: Store, clock: ManualClock) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b"), ("b", "a"))]
        for scope in scopes:
            assert store.claim(scope, "name", clock.wall() + 1000)

    def test_purging_forgets_no_claim_before_its_time(self, store: Store, clock: ManualClock) -> None:
        for n in range(5):
            assert store.claim(PUBLIC, f"short {n}", clock.wall() + 1000)
        assert store.claim(PUBLIC, "long", clock.wall() + DAY)
        clock.advance(1000)
        assert [store.purge(2) for _ in range(3)] == [Purged(2, 0), Purged(2, 0), Purged(1, 0)]
        assert not store.claim(PUBLIC, "long", clock.wall() + DAY)
        assert store.claim(PUBLIC, "short 0", clock.wall() + 1000)

    # -- tenants ----------------------------------------------------------------------------------------------------

    def test_tenants_of_all_apps_are_read_oldest_first(self, store: Store, clock: ManualClock) -> None:
        assert (store.changed_tenants()).there == ()
        scopes = [Scope("b", "public"), Scope("a", "public"), Scope("a", "z"), Scope("a", "A"), Scope("public", "b")]
        for scope in scopes:
            assert store.put_tenant(scope, _JSON[0])
            clock.advance(1)
        assert _tenants(store) == [(scope, _JSON[0]) for scope in scopes]

    @pytest.mark.parametrize("config", _JSON, ids=lambda text: f"{len(text)} bytes")
    def test_a_tenant_put_again_has_the_new_configuration_and_its_old_place(
        self, store: Store, clock: ManualClock, config: bytes
    ) -> None:
        first, second = Scope("app", "first"), Scope("app", "second")
        for scope in (first, second):
            assert store.put_tenant(scope, b'{"old":1}')
            clock.advance(1)
        assert not store.put_tenant(first, config)
        assert _tenants(store) == [(first, config), (second, b'{"old":1}')]

    def test_of_many_who_put_one_tenant_one_creates_it(self, store: Store) -> None:
        configs = [f'{{"n":{n}}}'.encode() for n in range(16)]
        results = together(partial(store.put_tenant, PUBLIC, config) for config in configs)
        assert results.count(True) == 1
        assert results.count(False) == len(configs) - 1
        [tenant] = (store.changed_tenants()).there
        assert tenant.config in configs

    def test_a_removed_tenant_takes_its_sessions_with_it_and_nothing_else(self, store: Store) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b"), ("public", "one", "two"))]
        for scope in scopes:
            store.put_tenant(scope, b"{}")
            store.insert(scope, new_session("live"))
            store.insert(scope, new_session("ended"))
            store.end(scope, ["ended"], EndReason.REVOKED)
        for app in ("a", "b"):
            store.add_key(app, stored_key())
        gone, others = Scope("a", "one"), [scope for scope in scopes if scope != Scope("a", "one")]
        before = [store.get(scope, "live") for scope in others]
        assert store.remove_tenant(gone)
        assert {tenant.scope for tenant in (store.changed_tenants()).there} == set(others)
        assert [(store.get(gone, handle)).record for handle in ("live", "ended")] == [None, None]
        assert _listed(store, gone, "user") == ()
        assert [store.get(scope, "live") for scope in others] == before
        assert store.keys("a") == store.keys("b") == (stored_key(),)

    def test_the_keys_of_an_app_go_with_its_tenant_public(self, store: Store) -> None:
        for app in ("a", "b"):
            store.put_tenant(Scope(app, "public"), b"{}")
            store.put_tenant(Scope(app, "one"), b"{}")
            store.add_key(app, stored_key())
        assert store.remove_tenant(Scope("a", "public"))
        assert store.keys("a") == ()
        assert store.keys("b") == (stored_key(),)
        assert Scope("a", "one") in {tenant.scope for tenant in (store.changed_tenants()).there}
        assert store.add_key("a", stored_key())

    def test_a_tenant_is_removed_once(self, store: Store) -> None:
        assert not store.remove_tenant(Scope("absent", "public"))
        store.put_tenant(Scope("app", "one"), b"{}")
        results = together(partial(store.remove_tenant, Scope("app", "one")) for _ in range(8))
        assert results.count(True) == 1
        assert results.count(False) == 7
        assert (store.changed_tenants()).there == ()

    def test_a_tenant_made_again_begins_empty_and_is_the_youngest(
        self, store: Store, clock: ManualClock
    ) -> None:
        first, second = Scope("app", "first"), Scope("app", "second")
        for scope in (first, second):
            store.put_tenant(scope, b'{"old":1}')
            store.insert(scope, new_session())
            clock.advance(1)
        store.remove_tenant(first)
        assert store.put_tenant(first, b"{}")
        assert [tenant.scope for tenant in (store.changed_tenants()).there] == [second, first]
        assert (store.get(first, "h")).record is None
        assert store.insert(first, new_session()) is not None

    def test_only_what_changed_since_a_revision_is_read_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        one, two, three = (Scope("app", tenant) for tenant in ("one", "two", "three"))
        for scope in (one, two, three):
            store.put_tenant(scope, b"{}")
            clock.advance(1)
        known = store.changed_tenants()
        assert (known.since, [tenant.scope for tenant in known.there], known.gone) == (0, [one, two, three], ())
        assert store.changed_tenants(known.revision) == TenantChanges(known.revision, known.revision, ())
        store.put_tenant(two, b'{"new":1}')
        store.remove_tenant(three)
        changed = store.changed_tenants(known.revision)
        assert (changed.since, changed.gone, changed.more) == (known.revision, (three,), False)
        assert [(tenant.scope, tenant.config) for tenant in changed.there] == [(two, b'{"new":1}')]
        store.put_tenant(three, b'{"again":1}')
        again = store.changed_tenants(known.revision)
        assert {tenant.scope for tenant in again.there} == {two, three}
        assert again.gone == ()
        store.remove_tenant(Scope("app", "never"))
        assert (store.changed_tenants(again.revision)).there == ()
        assert (store.changed_tenants(again.revision)).revision == again.revision

    def test_changes_of_tenants_are_read_in_pages_and_none_is_missed(
        self, store: Store, clock: ManualClock
    ) -> None:
        one, two, three, four, five = scopes = [
            Scope("app", tenant) for tenant in ("one", "two", "three", "four", "five")
        ]
        for scope in scopes:
            store.put_tenant(scope, b"{}")
            clock.advance(1)
        store.put_tenant(one, b'{"new":1}')
        first = store.changed_tenants(0, 2)
        assert (first.since, [tenant.scope for tenant in first.there], first.more) == (0, [two, three], True)
        store.remove_tenant(two)
        store.put_tenant(three, b'{"new":1}')
        second = store.changed_tenants(first.revision, 2)
        assert ([tenant.scope for tenant in second.there], second.more) == ([four, five], True)
        third = store.changed_tenants(second.revision, 2)
        assert ([tenant.scope for tenant in third.there], third.gone) == ([one, three], (two,))
        assert not third.more
        assert store.changed_tenants(third.revision, 2) == TenantChanges(third.revision, third.revision, ())
        whole = changed_tenants(store, 0)
        assert [tenant.scope for tenant in whole.there] == [one, three, four, five]
        assert (whole.since, whole.gone, whole.revision) == (0, (), third.revision)

    def test_a_revision_that_the_store_has_not_reached_counts_as_none(self, store: Store) -> None:
        store.put_tenant(PUBLIC, b"{}")
        everything = store.changed_tenants()
        assert store.changed_tenants(everything.revision + 5) == everything

    def test_nobody_who_reads_while_others_write_misses_a_change(self, store: Store) -> None:
        seen: dict[Scope, bytes] = {}
        revision, scopes = 0, [Scope("app", f"t{n}") for n in range(12)]

        def follow(_: Scope | None = None) -> None:
            nonlocal revision
            changes = store.changed_tenants(revision)
            revision = changes.revision
            seen.update({tenant.scope: tenant.config for tenant in changes.there})
            for scope in changes.gone:
                seen.pop(scope, None)

        def write(scope: Scope) -> None:
            store.put_tenant(scope, b'{"first":1}')
            store.put_tenant(scope, b'{"second":1}')
            if scope in scopes[::3]:
                store.remove_tenant(scope)

        for batch in (scopes[:4], scopes[4:8], scopes[8:]):
            calls = [partial(write, scope) for scope in batch]
            together([*calls[:2], partial(follow, None), *calls[2:]])
        follow()
        assert seen == {tenant.scope: tenant.config for tenant in (store.changed_tenants()).there}
        assert set(seen) == set(scopes) - set(scopes[::3])

    # -- keys -------------------------------------------------------------------------------------------------------

    def test_the_first_key_of_its_name_stays(self, store: Store) -> None:
        first = stored_key(secret=bytes(range(256)))
        assert store.keys("public") == ()
        assert store.add_key("public", first)
        assert not store.add_key("public", first)
        assert not store.add_key("public", stored_key(secret=b"another"))
        assert store.keys("public") == (first,)
        assert store.add_key("other", stored_key(secret=b"another"))
        assert store.keys("public") == (first,)

    def test_of_many_who_add_one_key_one_does(self, store: Store) -> None:
        offered = [stored_key(secret=bytes([n])) for n in range(16)]
        results = together(partial(store.add_key, "public", key) for key in offered)
        assert results.count(True) == 1
        assert results.count(False) == 15
        assert store.keys("public") == (offered[results.index(True)],)

    def test_a_key_s_secret_is_replaced_if_it_is_the_one_that_was_read(self, store: Store) -> None:
        first, other = stored_key(secret=b"first"), stored_key("other")
        for key in (first, other):
            store.add_key("public", key)
        store.add_key("app", first)
        assert store.replace_key("public", first, b"second")
        assert not store.replace_key("public", first, b"third")
        assert not store.replace_key("public", stored_key("absent"), b"third")
        assert set(store.keys("public")) == {first._replace(secret=b"second"), other}
        assert store.keys("app") == (first,)

    def test_removed_keys_are_gone_and_absent_ones_are_left_out(self, store: Store) -> None:
        for kid in ("a", "b", "c"):
            store.add_key("public", stored_key(kid))
        store.add_key("other", stored_key("a"))
        store.remove_keys("public", iter(["a", "absent", "c"]))
        store.remove_keys("public", [])
        assert store.keys("public") == (stored_key("b"),)
        assert store.keys("other") == (stored_key("a"),)
        assert store.add_key("public", stored_key("a", secret=b"new"))

    # -- time and durability ----------------------------------------------------------------------------------------

    def test_the_store_s_time_does_not_go_back_with_the_wall_s(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        before = (store.get(PUBLIC, "h")).now
        clock.jump(-HOUR)
        assert (store.get(PUBLIC, "h")).now == before
        clock.advance(1000)
        assert (store.get(PUBLIC, "h")).now == before + 1000
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        assert (rotated.rotated_at, rotated.expires_at) == (before + 1000, before + 1000 + HOUR)
        clock.advance(HOUR)
        assert (store.get(PUBLIC, "h")).now == before + 1000 + HOUR
        clock.jump(HOUR + BELIEVED_AHEAD)
        assert (store.get(PUBLIC, "h")).now == clock.wall()

    @pytest.mark.parametrize("jump", [BELIEVED_AHEAD + 1, 2 * HOUR, 3650 * DAY])
    def test_a_clock_that_is_fast_for_a_moment_ends_nothing_and_dates_nothing(
        self, store: Store, make_store: MakeStore, clock: ManualClock, jump: int
    ) -> None:
        store.insert(PUBLIC, new_session(absolute_ms=DAY))
        clock.advance(HOUR // 2)
        right = (store.get(PUBLIC, "h")).now
        clock.jump(jump)
        other = make_store(clock)
        other.open()
        for n, each in enumerate((store, other)):
            record = each.rotate(PUBLIC, step(generation=n))
            assert record is not None
            assert record.rotated_at == right
            begun = each.insert(PUBLIC, new_session(f"new {n}"))
            assert begun is not None
            assert begun.created_at == right
            assert each.purge(10) == Purged(0, 0)
            assert each.times() == Times(right, right + jump)
            assert each.claim(PUBLIC, f"claim {n}", right + 1000)
        if other is not store:
            other.close()
        clock.advance(1000)
        assert (store.get(PUBLIC, "h")).now == right + 1000
        clock.jump(-jump)
        assert store.times() == Times(right + 1000, right + 1000)
        assert len(_listed(store, PUBLIC, "user")) == 3

    def test_nor_does_one_that_is_fast_at_a_restart(self, make_store: MakeStore, clock: ManualClock) -> None:
        store = make_store(clock)
        store.open()
        store.insert(PUBLIC, new_session())
        store.close()
        for generation in range(2):
            clock.advance(HOUR // 4)
            right = clock.wall()
            clock.jump(DAY)
            store = make_store(clock)
            store.open()
            record = store.rotate(PUBLIC, step(generation=generation))
            assert record is not None
            assert record.rotated_at == right
            store.close()
            clock.jump(-DAY)
        store = make_store(clock)
        store.open()
        assert store.times() == Times(clock.wall(), clock.wall())
        assert store.rotate(PUBLIC, step(generation=2)) is not None
        store.close()

    def test_a_jump_that_stands_for_a_day_is_believed(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session(idle_ms=10 * DAY))
        clock.jump(DAY)
        store.times()
        store.insert(PUBLIC, new_session("seen"))
        before = (store.get(PUBLIC, "h")).now
        clock.advance(BELIEVED_AFTER - 1)
        assert (store.get(PUBLIC, "h")).now == before + BELIEVED_AFTER - 1
        clock.advance(1)
        for _ in range(2):
            found = store.get(PUBLIC, "h")
        assert found.now == clock.wall()

    def test_a_clock_that_was_fast_for_long_is_repaired_for_everybody(
        self, store: Store, make_store: MakeStore, clock: ManualClock
    ) -> None:
        other = make_store(clock)
        other.open()
        store.insert(PUBLIC, new_session("old", idle_ms=3 * DAY))
        store.insert(PUBLIC, new_session("refreshed", idle_ms=500 * DAY, absolute_ms=600 * DAY))
        store.insert(PUBLIC, new_session("ended", idle_ms=500 * DAY))
        before = (store.get(PUBLIC, "old")).record
        clock.jump(365 * DAY)
        for _ in range(2):
            for each in (store, other):
                each.get(PUBLIC, "old")
            clock.advance(BELIEVED_AFTER)
        store.get(PUBLIC, "old")
        assert (store.times()).now == clock.wall()
        store.insert(PUBLIC, new_session("new", absolute_ms=2 * HOUR))
        assert other.rotate(PUBLIC, step("refreshed", idle_ms=DAY)) is not None
        assert store.end(PUBLIC, ["ended"], EndReason.REVOKED) == ("ended",)
        store.add_key("public", stored_key("early", created_at=clock.wall(), signs_from=clock.wall() + 1000))
        clock.jump(-365 * DAY)
        assert (other.times()).now == clock.wall() + 365 * DAY
        now = clock.wall()
        assert store.repair_clock() == Repaired(now + 365 * DAY, now, sessions=3, keys=1)
        other.insert(PUBLIC, new_session("noticed"))
        for each in (store, other):
            assert each.times() == Times(now, now)
            assert (each.get(PUBLIC, "old")).record == before
            new, refreshed, ended = [(each.get(PUBLIC, h)).record for h in ("new", "refreshed", "ended")]
            assert new is not None
            assert (new.created_at, new.expires_at, new.absolute_expires_at) == (now, now + HOUR, now + 2 * HOUR)
            assert refreshed is not None
            assert (refreshed.rotated_at, refreshed.expires_at) == (now, now + DAY)
            assert ended is not None
            assert (ended.ended_at, ended.end_reason) == (now, EndReason.REVOKED)
        assert other.keys("public") == (stored_key("early", created_at=now, signs_from=now),)
        clock.jump(-HOUR)
        assert (store.times()).now == now
        clock.advance(HOUR)
        assert store.rotate(PUBLIC, step("new")) is None
        assert store.rotate(PUBLIC, step("old")) is not None
        if other is not store:
            other.close()

    def test_repairing_a_clock_that_is_right_changes_nothing(self, store: Store, clock: ManualClock) -> None:
        record = store.insert(PUBLIC, new_session())
        clock.advance(1000)
        assert store.repair_clock() == Repaired(clock.wall(), clock.wall(), 0, 0)
        assert store.get(PUBLIC, "h") == (record, clock.wall())

    def test_a_jump_of_a_clock_that_is_right_can_be_believed_at_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        clock.jump(DAY)
        assert (store.get(PUBLIC, "h")).now == clock.wall() - DAY
        assert store.repair_clock() == Repaired(clock.wall() - DAY, clock.wall(), 0, 0)
        assert (store.get(PUBLIC, "h")).now == clock.wall()
        assert store.rotate(PUBLIC, step()) is None

    def test_a_clock_moved_back_does_not_revive_an_expired_session(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        clock.advance(HOUR)
        assert store.rotate(PUBLIC, step()) is None
        clock.jump(-DAY)
        assert store.rotate(PUBLIC, step()) is None
        assert _listed(store, PUBLIC, "user") == ()

    @pytest.mark.parametrize("last_call", ["rotate", "refused rotate", "end", "replace", "get"])
    def test_the_time_does_not_go_back_over_a_restart(
        self, make_store: MakeStore, clock: ManualClock, last_call: str
    ) -> None:
        store = make_store(clock)
        store.open()
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        clock.advance(HOUR if last_call == "refused rotate" else HOUR - 1)
        match last_call:
            case "rotate" | "refused rotate":
                store.rotate(PUBLIC, step())
            case "end":
                store.end(PUBLIC, ["h"], EndReason.REVOKED)
            case "replace":
                store.replace(PUBLIC, record)
        before = (store.get(PUBLIC, "h")).now
        store.close()
        clock.jump(-HOUR)
        store = make_store(clock)
        store.open()
        assert (store.get(PUBLIC, "h")).now >= before
        store.close()

    def test_acknowledged_writes_stay_when_the_store_is_closed(
        self, make_store: MakeStore, clock: ManualClock
    ) -> None:
        store = make_store(clock)
        store.open()
        store.insert(PUBLIC, new_session("rotated"))
        store.insert(PUBLIC, new_session("ended"))
        rotated = store.rotate(PUBLIC, step("rotated"))
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        store.add_key("public", stored_key())
        store.put_tenant(PUBLIC, b'{"a":1}')
        store.close()
        again = make_store(clock)
        again.open()
        assert (again.get(PUBLIC, "rotated")).record == rotated
        ended = (again.get(PUBLIC, "ended")).record
        assert ended is not None
        assert ended.end_reason is EndReason.REVOKED
        assert again.keys("public") == (stored_key(),)
        assert _tenants(again) == [(PUBLIC, b'{"a":1}')]
        again.close()


def _three_users_with_five_sessions(store: Store) -> None:
    for user in "abc":
        for n in range(5):
            store.insert(PUBLIC, new_session(f"{user}-{n}", user))


def _listed(store: Store, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
    """Read a user's live sessions, page by page."""
    records: tuple[SessionRecord, ...] = ()
    after = UserPlace()
    while page := store.list_user(scope, user_id, after, 2):
        assert len(page) <= 2
        records += page
        after = UserPlace(page[-1].created_at, page[-1].handle)
    return records


def _tenants(store: Store) -> list[tuple[Scope, bytes]]:
    return [(tenant.scope, tenant.config) for tenant in (store.changed_tenants()).there]
