# Generated from src/reseal/_async/stores/redis_tenants.py by tools/unasync.py; edit that file instead.
"""Apps, tenants, keys and notes in Redis: what there is once in a store, and seldom changes."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from reseal._sync.stores.redis_sessions import RedisParts
from reseal.core.cases import FAR
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope, StoredKey, TenantChanges
from reseal.core.notes import Note
from reseal.core.selection import TENANTS_PAGE
from reseal.stores import rows
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import decode, encode, name_of, number_of, parts_of, scored

ATTEMPTS: Final = 64
REMOVED_AT_ONCE: Final = 8
"""Sessions of each shard that go at a time with their tenant."""


class RedisTenants(RedisParts):
    """A part of the store in Redis."""

    def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        [found] = (self._server.read(("GET", self._of_tenants("revision")))).replies
        revision = number_of(found) + 1
        if revision == since:
            return TenantChanges(revision, since, ())
        after = rows.changed_after(revision, since)
        put, gone = self._changed(after, limit)
        ends = sorted(each[-1][1] for each in (put, gone) if len(each) == limit)
        page = rows.tenants_page(revision, after, ends[0] if ends else None)
        until = page.revision if page.more else FAR
        names = [name for name, at in put if at <= until]
        found = (self._server.read(*(("HGET", self._of_tenants("configs"), name) for name in names))).replies
        configs = {name: decode(value) for name, value in zip(names, found, strict=True) if value is not None}
        ordered = sorted(configs, key=lambda name: configs[name][2])
        at_of = dict(put)
        there = [(*_scope(each), at_of[each], configs[each][0].decode(), configs[each][1]) for each in ordered]
        return rows.tenant_changes(page, there, [(*_scope(name), at) for name, at in gone if at <= until])

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        now = (self._time.read()).now
        name = "\0".join(scope)
        for _ in range(ATTEMPTS):
            revision, before = self._tenant(name)
            created = (now, revision + 1) if before is None else decode(before)[1:]
            change = self._revised(revision).do("HSET", self._of_tenants("configs"), name, encode((config, *created)))
            change.do("ZADD", self._of_tenants("put"), revision + 2, name).do("ZREM", self._of_tenants("gone"), name)
            if (self._server.write(change))[0]:
                return before is None
        raise StoreUnavailable("Redis: others change tenants all the time")

    def remove_tenant(self, scope: Scope) -> bool:
        self._remove_sessions(scope)
        self._server.write(Change().do("DEL", self._layout.cases(scope)))
        if scope.tenant_id == "public":
            self._server.write(Change().do("DEL", self._keys(scope.app_id)))
        name = "\0".join(scope)
        for _ in range(ATTEMPTS):
            revision, before = self._tenant(name)
            if before is None:
                return False
            change = self._revised(revision).do("HDEL", self._of_tenants("configs"), name)
            change.do("ZREM", self._of_tenants("put"), name).do("ZADD", self._of_tenants("gone"), revision + 2, name)
            if (self._server.write(change))[0]:
                return True
        raise StoreUnavailable("Redis: others change tenants all the time")

    # -- keys -------------------------------------------------------------------------------------------------------

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        [found] = (self._server.read(("HVALS", self._keys(app_id)))).replies
        return tuple(StoredKey(*decode(value)) for value in found)

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        self._server.write(Change().do("SADD", self._layout.once("apps"), app_id))
        return self._swap_value(self._keys(app_id), key.kid, None, encode(key))

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        [value] = (self._server.read(("HGET", self._keys(app_id), key.kid))).replies
        there = None if value is None else StoredKey(*decode(value))
        if there is None or not hmac.compare_digest(there.secret, key.secret):
            return False
        return self._swap_value(self._keys(app_id), key.kid, value, encode(there._replace(secret=secret)))

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        meant = list(kids)
        if meant:
            self._server.write(Change().do("HDEL", self._keys(app_id), *meant))

    def _redate_keys(self, now: int) -> int:
        [apps] = (self._server.read(("SMEMBERS", self._layout.once("apps")))).replies
        late = [(app.decode(), key) for app in apps for key in self.keys(app.decode()) if key.created_at > now]
        done = 0
        for app_id, key in late:
            moved = key._replace(created_at=now, signs_from=min(key.signs_from, now))
            done += self._swap_value(self._keys(app_id), key.kid, encode(key), encode(moved))
        return done

    # -- notes ------------------------------------------------------------------------------------------------------

    def read_note(self, name: str) -> Note | None:
        [value] = (self._server.read(("HGET", self._layout.once("notes"), name))).replies
        return None if value is None else Note(*decode(value))

    def write_note(self, name: str, version: int, text: str) -> bool:
        [value] = (self._server.read(("HGET", self._layout.once("notes"), name))).replies
        if version != (0 if value is None else decode(value)[0]):
            return False
        return self._swap_value(self._layout.once("notes"), name, value, encode((version + 1, text)))

    def _swap_value(self, key: str, field: str, before: bytes | None, after: bytes) -> bool:
        change = Change().require(ABSENT if before is None else before, "HGET", key, field)
        [done] = self._server.write(change.do("HSET", key, field, after))
        return done

    def _keys(self, app_id: str) -> str:
        return self._layout.once("keys", app_id)

    def _of_tenants(self, name: str) -> str:
        return self._layout.once("tenants", name)

    def _revised(self, revision: int) -> Change:
        """Begin a change of tenants: it counts the revision up."""
        key = self._of_tenants("revision")
        return Change().require(revision or ABSENT, "GET", key).do("SET", key, revision + 1)

    def _tenant(self, name: str) -> tuple[int, bytes | None]:
        """Read the number of changes, and a tenant."""
        revision, value = (
            self._server.read(("GET", self._of_tenants("revision")), ("HGET", self._of_tenants("configs"), name))
        ).replies
        return number_of(revision), value

    def _changed(self, after: int, limit: int) -> list[list[tuple[bytes, int]]]:
        """Read the names of tenants that were put and removed since a revision, each with its own."""
        end = ("+inf", "BYSCORE", "LIMIT", 0, limit, "WITHSCORES")
        calls = (("ZRANGE", self._of_tenants(name), f"({after}", *end) for name in ("put", "gone"))
        return [scored(found) for found in (self._server.read(*calls)).replies]

    def _remove_sessions(self, scope: Scope) -> None:
        """Remove the sessions of a tenant. What the indexes of its users name then is not there any more."""
        first, last = f"[{name_of(scope, '')}", f"({name_of(scope, '')[:-1]}\1"
        end = (first, last, "BYLEX", "LIMIT", 0, REMOVED_AT_ONCE)
        left = list(self._layout.shards)
        while left:
            found = (self._server.read(*(("ZRANGE", shard.members, *end) for shard in left))).replies
            members = [each.decode() for reply in found for each in reply]
            changes = [self._sessions.forgotten(each).do("DEL", self._layout.session(each)) for each in members]
            self._server.write(*changes)
            left = [shard for shard, reply in zip(left, found, strict=True) if len(reply) == REMOVED_AT_ONCE]


def _scope(name: bytes) -> Scope:
    return parts_of(name + b"\0")[0]
