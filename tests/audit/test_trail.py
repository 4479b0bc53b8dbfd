"""The audit trail of real databases: what was tampered with is found, and no event is lost or written twice."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest

from reseal._async.audit import TRIM_EVERY, UNSIGNED_MS, AsyncAuditTrail
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.audit import chained
from reseal.core.audit_checkpoints import read_exported, signed
from reseal.core.audit_persons import opened
from reseal.core.errors import ConfigurationError
from reseal.core.keys import Wrapping
from reseal.core.outbox import Retention
from reseal.testing import ManualClock
from tests.audit.material import MortalAuditor, Tables, report
from tests.support.mortal import Killed

DAY = 24 * 3600 * 1000
SECRET = Wrapping(b"0123456789abcdef0123456789abcdef")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return tmp_path / "sessions.db" if request.param == "sqlite" else request.getfixturevalue("postgres_uri")


@pytest.fixture
async def store(place, clock):
    store = AsyncPostgresStore(place, clock=clock) if isinstance(place, str) else AsyncSQLiteStore(place, clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def tables(place):
    return Tables(place)


def trail_of(store, **options):
    return AsyncAuditTrail(store, SECRET, **options)


async def entries_of(store):
    return [json.loads(row.entry) for row in await store.audit.read(0, 10_000)]


async def problems(store, kept=None):
    return [problem.seq for problem in (await trail_of(store).verify(kept)).problems]


async def filled(store):
    """A trail of six events with a checkpoint in the middle and one at the end: eight rows."""
    trail = trail_of(store)
    for numbers in ((1, 2, 3), (4, 5, 6)):
        await report(store, *numbers)
        await trail.seal()
        await trail.checkpoint()
    rows = await store.audit.read(0, 100)
    assert [json.loads(row.entry)["kind"] for row in rows] == [*["event"] * 3, "checkpoint"] * 2
    return rows


async def test_a_trail_that_nobody_touched_is_in_order(store):
    rows = await filled(store)
    assert await trail_of(store).verify() == (1, 8, 8, ())
    assert [json.loads(row.entry)["number"] for row in rows] == [1, 2, 3, 3, 4, 5, 6, 6]


async def test_an_empty_trail_is_in_order(store):
    assert await trail_of(store).verify() == (0, 0, 0, ())
    assert await trail_of(store).seal() == 0


@pytest.mark.parametrize("seq", [1, 2, 4, 7, 8])
async def test_a_changed_row_is_found(store, tables, seq):
    row = (await filled(store))[seq - 1]
    tables.put(row._replace(entry=row.entry.replace('"at":1', '"at":2')))
    assert seq in await problems(store)


async def test_a_changed_hash_is_found(store, tables):
    rows = await filled(store)
    tables.put(rows[1]._replace(hash=bytes(32)))
    assert await problems(store) == [2, 3]


@pytest.mark.parametrize("entry", ["", "nonsense", "[]", '{"seq":2}', "[" * 100_000])
async def test_an_entry_that_is_none_is_found(store, tables, entry):
    rows = await filled(store)
    tables.put(rows[1]._replace(entry=entry))
    assert 2 in await problems(store)


@pytest.mark.parametrize("seqs", [(1,), (2,), (2, 3), (4,), (6, 7), (1, 2, 3), (1, 2, 3, 4)])
async def test_a_removed_row_is_found(store, tables, seqs):
    await filled(store)
    tables.remove(*seqs)
    assert seqs[-1] + 1 in await problems(store)


async def test_a_row_that_was_put_between_others_is_found(store, tables):
    rows = await filled(store)
    for row in reversed(rows[2:]):
        tables.put(row._replace(seq=row.seq + 1))
    [forged] = chained(rows[1], [json.loads(rows[1].entry)])
    tables.put(forged)
    assert {4, 5, 6, 7, 8, 9} <= set(await problems(store))


async def test_swapped_rows_are_found(store, tables):
    rows = await filled(store)
    tables.put(rows[1]._replace(seq=3))
    tables.put(rows[2]._replace(seq=2))
    assert set(await problems(store)) >= {2, 3}


async def test_a_chain_that_was_made_anew_is_found_by_its_signature(store, tables):
    """Whoever can write the whole table can compute all hashes, but not the signature of a checkpoint."""
    rows = await filled(store)
    members = [json.loads(row.entry) for row in rows]
    members[1]["reason"] = "revoked"
    for row in chained(None, members):
        tables.put(row)
    assert await problems(store) == [4, 8]
    members[3] |= {"prev": chained(None, members[:3])[-1].hash.hex()}
    for row in chained(None, members):
        tables.put(row)
    assert await problems(store) == [4, 8]


async def test_a_whole_trail_that_is_signed_by_another_key_is_found(store, tables, clock):
    await filled(store)
    other = AsyncMemoryStore(clock)
    for row in await filled(other):
        tables.put(row)
    assert await problems(other) == []
    assert await problems(store) == [4, 8]


async def test_a_checkpoint_that_was_exported_shows_what_was_cut_off_the_end(store, tables):
    await filled(store)
    kept = read_exported(await trail_of(store).checkpoint())
    assert kept.seq == 8
    assert await problems(store, kept) == []
    tables.remove(5, 6, 7, 8)
    assert await problems(store) == []
    assert await problems(store, kept) == [4]


async def test_a_checkpoint_that_was_exported_shows_a_trail_that_was_made_anew(store, tables):
    await filled(store)
    kept = read_exported(await trail_of(store).checkpoint())
    tables.remove(*range(1, 9))
    await store.remove_keys("reseal:audit", ["checkpoints"])
    await report(store, *range(7, 20))
    await trail_of(store).seal()
    await trail_of(store).checkpoint()
    assert await problems(store) == []
    assert 8 in await problems(store, kept)


async def test_who_goes_on_after_the_end_was_cut_off_writes_that_events_are_missing(store, tables):
    await filled(store)
    tables.remove(6, 7, 8)
    await report(store, 7)
    await trail_of(store).seal()
    assert [entry["kind"] for entry in await entries_of(store)][5:] == ["missing", "event"]
    assert await problems(store) == [6]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind":"checkpoint","seq":1,"hash":""}', '{"kind":"event"}'])
def test_a_file_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(ValueError, match="is not"):
        read_exported(text)


async def test_a_checkpoint_that_was_changed_is_refused(store):
    await filled(store)
    text = await trail_of(store).checkpoint()
    with pytest.raises(ValueError, match="is not signed"):
        read_exported(text.replace('"seq":8', '"seq":7'))


async def test_the_key_of_the_checkpoints_is_closed_by_the_secret(store):
    await filled(store)
    with pytest.raises(ConfigurationError, match="secret_key"):
        await AsyncAuditTrail(store, Wrapping(b"another secret of thirty-two chars")).verify()


@pytest.mark.parametrize("workers", [2, 8])
async def test_workers_that_seal_at_once_write_each_event_once_and_in_order(store, workers):
    async def work():
        trail = trail_of(store)
        for _ in range(5):
            await trail.seal()

    async def go_on():
        for number in range(60):
            await report(store, number)

    await asyncio.gather(go_on(), *(work() for _ in range(workers)))
    await trail_of(store).seal()
    assert (await trail_of(store).verify()).problems == ()
    numbers = [entry["number"] for entry in await entries_of(store) if entry["kind"] == "event"]
    assert numbers == list(range(1, 61))


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(24))
async def test_a_process_may_be_killed_at_any_call(clock, at, done):
    store = AsyncMemoryStore(clock)
    await report(store, 1, 2, 3)
    clock.advance(UNSIGNED_MS)
    mortal = trail_of(MortalAuditor(store, at=at, done=done), retention_ms=DAY)
    try:
        await mortal.seal()
    except Killed:
        await report(store, 4)
    else:
        assert at > 15
        await report(store, 4)
    await trail_of(store).seal()
    assert (await trail_of(store).verify()).problems == ()
    assert [entry["number"] for entry in await entries_of(store) if entry["kind"] == "event"] == [1, 2, 3, 4]
    assert (await store.purge_events(10)).removed == 0  # sealing has removed them


async def test_rows_get_a_checkpoint_when_they_have_waited_and_only_then(store, clock):
    trail = trail_of(store)
    await report(store, 1)
    for wait in (0, UNSIGNED_MS - 1):
        clock.advance(wait)
        await trail.seal()
        assert (await trail.verify()).signed_up_to == 0
    clock.advance(1)
    for _ in range(3):
        await trail.seal()
        clock.advance(UNSIGNED_MS)
    assert await trail.verify() == (1, 2, 2, ())


async def test_events_that_were_removed_before_they_were_sealed_are_counted(store):
    trail = trail_of(store)
    await report(store, 1)
    await trail.seal()
    await report(store, 2, 3, 4)
    await store.read_events("other", 1)
    await store.purge_events(100, Retention(events=1))
    await trail.seal()
    kinds = [(entry["kind"], entry["number"], entry.get("count")) for entry in await entries_of(store)]
    assert kinds == [("event", 1, None), ("lost", 3, 2), ("event", 4, None)]
    assert await problems(store) == []


# -- replacing the key ----------------------------------------------------------------------------------------------


async def test_checkpoints_by_replaced_keys_are_still_right(store, tables):
    trail, keys = trail_of(store), []
    for number in range(1, 4):
        await report(store, number)
        await trail.seal()
        await trail.checkpoint()
        keys += [await trail.public_key(), await trail.replace_key("operator:root")]
    assert keys[1:-1:2] == keys[2::2]
    assert len(set(keys)) == 4
    assert [key.kid for key in await store.keys("reseal:audit")] == ["checkpoints-4"]
    assert (await trail.verify()).problems == ()
    assert (await trail.verify()).signed_up_to == 12
    entries = await entries_of(store)
    assert [entry["kind"] for entry in entries] == ["event", "checkpoint", "action", "checkpoint"] * 3
    assert [entry.get("previous") for entry in entries if entry["kind"] == "checkpoint"][1::2] == [
        [key] for key in keys[::2]
    ]
    assert entries[2]["by"] == "operator:root"
    await report(store, 9)
    await trail.seal()
    assert (await trail.verify()).problems == ()


async def test_an_exported_checkpoint_by_a_replaced_key_is_still_good(store, tables):
    await filled(store)
    trail = trail_of(store)
    kept = read_exported(await trail.checkpoint())
    await trail.replace_key()
    assert await problems(store, kept) == []
    rows = await store.audit.read(0, 100)
    tables.put(rows[2]._replace(entry=rows[2].entry.replace('"at":1', '"at":2')))
    assert await problems(store, kept) == [3]


async def test_a_replaced_key_is_right_only_if_a_right_one_names_it(store, tables, clock):
    """Whoever can write the table names the own key as the one before: the checkpoint that does so is nobody's."""
    await filled(store)
    other = AsyncMemoryStore(clock)
    await filled(other)
    await trail_of(other).replace_key()
    rows = await other.audit.read(0, 100)
    for row in rows:
        tables.put(row)
    assert await problems(other) == []
    assert await problems(store) == [4, 8, 10]


@pytest.mark.parametrize("exported", [False, True])
async def test_a_replaced_key_signs_nothing_more(store, exported):
    """Whoever has found the old key, and may write the table, goes on with it behind the checkpoint that replaced it."""
    await filled(store)
    trail = trail_of(store)
    kept = read_exported(await trail.checkpoint()) if exported else None
    [old] = await trail._stored_keys()
    await trail.replace_key()
    head = await store.audit.last()
    entry = {"at": 0, "first": 1, "number": 6, "signed": head.seq, "previous": [await trail.public_key()]}
    await store.audit.append(chained(head, [signed(entry, head.seq + 1, head.hash, old)]))
    assert await problems(store, kept) == [head.seq + 1]


@pytest.mark.parametrize("named", [1, "x", {"a": 1}, [1, None], [[]]])
async def test_nonsense_in_place_of_a_key_is_no_key(store, named):
    rows = await filled(store)
    key = (await trail_of(store)._stored_keys())[-1]
    entry = {"at": 0, "first": 1, "number": 6, "signed": 8, "previous": named}
    assert await store.audit.append(chained(rows[-1], [signed(entry, 9, rows[-1].hash, key)]))
    assert await problems(store) == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(12))
async def test_a_process_may_be_killed_while_it_replaces_the_key(clock, at, done):
    store = AsyncMemoryStore(clock)
    await filled(store)
    mortal = trail_of(MortalAuditor(store, at=at, done=done))
    with suppress(Killed):
        await mortal.replace_key()
    assert await problems(store) == []
    await report(store, 7)
    await trail_of(store).seal()
    await trail_of(store).checkpoint()
    assert await problems(store) == []
    assert len(await store.keys("reseal:audit")) == 1


async def test_workers_that_sign_while_the_key_is_replaced_leave_a_trail_that_is_in_order(store):
    await filled(store)

    async def work():
        trail = trail_of(store)
        for _ in range(4):
            await trail._sign(1)

    await asyncio.gather(work(), trail_of(store).replace_key(), work(), trail_of(store).replace_key())
    await trail_of(store).checkpoint()
    assert await problems(store) == []
    assert len(await store.keys("reseal:audit")) == 1


# -- retention -------------------------------------------------------------------------------------------------------


async def aged(store, clock, days):
    """A trail with an event and a checkpoint each day."""
    trail = trail_of(store, retention_ms=3 * DAY)
    for day in range(days):
        await report(store, day)
        await trail.seal()
        clock.advance(UNSIGNED_MS)
        await trail.seal()
        clock.advance(DAY - UNSIGNED_MS)
    return trail


async def test_old_rows_are_removed_and_the_rest_can_still_be_verified(store, clock):
    trail = await aged(store, clock, 8)
    clock.advance(TRIM_EVERY)
    await trail.seal()
    found = await trail.verify()
    assert found.problems == ()
    assert found.first > 8
    assert (await entries_of(store))[0]["kind"] == "checkpoint"
    assert min(entry["at"] for entry in (await entries_of(store))[1:]) >= clock.wall() - 5 * DAY


async def test_more_than_was_kept_no_longer_may_not_be_removed(store, clock, tables):
    trail = await aged(store, clock, 8)
    before = await trail.verify()
    tables.remove(*range(before.first, before.first + 2))
    [problem] = (await trail.verify()).problems
    assert "missing at the beginning" in problem.text


async def test_without_retention_everything_is_kept(store, clock):
    await aged(store, clock, 3)
    first = (await trail_of(store).verify()).first
    clock.advance(1000 * DAY)
    await trail_of(store).seal()
    assert (await trail_of(store).verify()).first == first == 1


# -- persons ---------------------------------------------------------------------------------------------------------


async def test_no_row_shows_who_it_is_about_and_the_key_of_the_user_does(store):
    await report(store, 1, 2)
    await report(store, 3, user_id="bob")
    trail = trail_of(store)
    await trail.seal()
    text = "".join(row.entry for row in await store.audit.read(0, 10))
    for private in ("alice", "bob", "192.0.2.7", "Browser", "handle-", "note"):
        assert private not in text
    first, second, third = await entries_of(store)
    assert first["user"] == second["user"] != third["user"]
    assert first["session"] != second["session"]
    key = await trail.person_key("alice", "app")
    assert opened(first, key) == {
        "session_handle": "handle-1",
        "user_id": "alice",
        "ip": "192.0.2.7",
        "user_agent": "Browser/1",
        "note": "note 1",
    }
    assert opened(third, key) is None


async def test_after_an_erasure_nobody_can_tell_whose_entries_they_were_and_the_chain_is_whole(store):
    await report(store, 1)
    trail = trail_of(store)
    await trail.seal()
    await report(store, 2)
    assert await trail.erase("alice", app_id="app", by="operator:root")
    assert not await trail.erase("alice", app_id="app")
    assert await trail.person_key("alice", "app") is None
    assert (await trail.verify()).problems == ()
    entries = await entries_of(store)
    assert [entry["kind"] for entry in entries] == ["event", "event", "erased"]
    assert entries[2]["by"] == "operator:root"
    await report(store, 3)
    await trail.seal()
    assert (await entries_of(store))[3]["user"] != entries[0]["user"]


async def test_who_caused_an_event_is_named_and_a_user_by_a_pseudonym(store):
    await report(store, 1)
    await report(store, 2, by="api_key:crm")
    await report(store, 3, by="user:carol")
    await report(store, 4, user_id="carol")
    await trail_of(store).seal()
    system, key, actor, own = await entries_of(store)
    assert (system["by"], key["by"]) == ("system", "api_key:crm")
    assert actor["by"] == f"user:{own['user']}"
