# Generated from src/reseal/testing/_async/store_suites/isolation.py by tools/unasync.py; edit that file instead.
"""Isolation."""

from __future__ import annotations

from itertools import product

from msgspec.structs import replace

from reseal._sync.ports import Store
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Scope
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests, sessions_of
from reseal.testing.material import hash_of, new_session, step


class IsolationSuite(StoreTests):
    def test_apps_and_tenants_never_meet(self, store: Store) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b", "a-b"), ("b", "a", "b-a"))]
        for scope in scopes:
            record = store.insert(scope, new_session(session_data=f'{{"of":"{scope}"}}'.encode()))
            assert record is not None
            assert sessions_of(store, scope, "user") == (record,)
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
            assert sessions_of(store, scope, "user") == ()
            assert [store.get(s, "h") for s in others] == before

    def test_what_is_in_no_other_scope_is_absent_there(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        for scope in (Scope("public", "other"), Scope("other", "public"), Scope("PUBLIC", "public")):
            assert (store.get(scope, "h")).record is None
            assert store.rotate(scope, step()) is None
            assert (store.confirm(scope, Seen(handle="h", generation=0))).record is None
            assert not store.replace(scope, record)
            assert store.end(scope, ["h"], EndReason.REVOKED) == ()
            assert store.end_user(scope, "user", EndReason.REVOKED) == ()
            assert sessions_of(store, scope, "user") == ()
        assert (store.get(PUBLIC, "h")).record == record
