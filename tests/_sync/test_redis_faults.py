# Generated from tests/_async/test_redis_faults.py by tools/unasync.py; edit that file instead.
"""Redis goes away, comes back, fails over or forgets: nothing acknowledged is lost and nobody is accused."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from reseal import Settings
from reseal._sync.engine import Engine
from reseal._sync.stores import make_store
from reseal._sync.waiting import pause
from reseal.core.errors import StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.selection import UserPlace
from reseal.testing._sync.waiting import together
from reseal.testing.material import new_session, step
from reseal.testing.recorder import Recorder
from tests.support.redis_cluster import is_replicated, until

API = "https://api.example.com"
PUBLIC = Scope()


@pytest.fixture
def make_redis(request):
    """Open stores, and close them after the test."""
    from reseal._sync.stores.redis import RedisStore

    stores = []

    def make(uri, **options):
        store = RedisStore(uri, **options)
        store.open()
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


def engine_over(uri, events):
    settings = Settings(api_domain=API, database_uri=uri)
    return Engine(settings, make_store(settings), on_event=events)


def refreshed_amid(engine, fault, count=8):
    """Have users refresh while a fault takes its course, and a few times more; returns their tokens, and the refusals."""
    lines = [[(engine.create(f"user {n}")).refresh_token] for n in range(count)]
    course, refused = threading.Thread(target=fault), []

    def refresh_on(line):
        rest = 3
        while course.is_alive() or rest:
            try:
                line.append((engine.refresh(line[-1])).refresh_token)
            except StoreUnavailable as error:
                refused.append(error)
                pause(0.02)
            else:
                rest = rest if course.is_alive() else rest - 1

    course.start()
    outcomes = together(partial(refresh_on, line) for line in lines)
    course.join()
    assert outcomes == [None] * len(lines)
    assert refused
    return lines


def nobody_is_accused_but_the_thief(engine, events, lines):
    for line in lines:
        assert len(line) > 3
        engine.refresh(line[-1])
    assert events.named(EventName.TOKEN_THEFT) == []
    for line in lines:
        with pytest.raises(TokenTheftDetected):
            engine.refresh(line[0])


# -- one server -----------------------------------------------------------------------------------------------------


def test_a_crash_amid_refreshes_loses_nothing_and_accuses_nobody(own_redis):
    events = Recorder()

    def crash():
        for _ in range(3):
            own_redis.kill()
            own_redis.start()

    with engine_over(own_redis.uri(), events) as engine:
        lines = refreshed_amid(engine, crash)
        nobody_is_accused_but_the_thief(engine, events, lines)
        assert events.named(EventName.STORE_ROLLED_BACK) == []


@pytest.mark.parametrize("rounds", [20, pytest.param(500, marks=pytest.mark.whole)])
def test_64_refreshes_of_one_token_at_once_give_one_successor(redis_uri, rounds):
    events = Recorder()
    with engine_over(redis_uri, events) as one, engine_over(redis_uri, events) as other:
        token = (one.create("user")).refresh_token
        for _ in range(rounds):
            calls = [partial(engine.refresh, token) for engine in (one, other) for _ in range(32)]
            pairs = together(calls)
            [token] = {pair.refresh_token for pair in pairs}
        assert events.named(EventName.TOKEN_THEFT) == []


def test_a_frozen_server_is_unavailable_in_time_and_serves_again(own_redis, make_redis):
    store = make_redis(own_redis.uri(), timeout_s=0.3)
    store.insert(PUBLIC, new_session())
    own_redis.freeze()
    for call in (partial(store.get, PUBLIC, "h"), partial(store.rotate, PUBLIC, step())):
        with pytest.raises(StoreUnavailable):
            call()
    own_redis.wake()
    assert (store.get(PUBLIC, "h")).record is not None


def test_a_server_that_forgot_its_scripts_gets_them_again(own_redis, make_redis):
    store = make_redis(own_redis.uri())
    store.insert(PUBLIC, new_session())
    own_redis.ask("SCRIPT", "FLUSH")
    assert store.rotate(PUBLIC, step()) is not None


def test_whatever_the_driver_raises_is_no_answer(redis_uri, make_redis, monkeypatch):
    store = make_redis(redis_uri)
    store.insert(PUBLIC, new_session())
    client = next(iter(store._server._nodes.here().clients.values()))
    with monkeypatch.context() as patch:
        patch.setattr(client, "pipeline", None)
        for call in (partial(store.get, PUBLIC, "h"), partial(store.rotate, PUBLIC, step()), store.times):
            with pytest.raises(StoreUnavailable, match="TypeError"):
                call()
    assert (store.get(PUBLIC, "h")).record is not None


def test_with_too_few_replicas_the_outcome_is_unknown_and_nobody_is_signed_out(redis_uri, make_redis):
    store = make_redis(redis_uri)
    store.insert(PUBLIC, new_session())
    doubtful = make_redis(redis_uri + "&acknowledge=replicas:1&wait_ms=20", looks_only=True)
    for call in (
        partial(doubtful.rotate, PUBLIC, step()),
        partial(doubtful.insert, PUBLIC, new_session("other")),
        partial(doubtful.end, PUBLIC, ["h"], EndReason.REVOKED),
        partial(doubtful.end, PUBLIC, ["h"], EndReason.REVOKED),
    ):
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            call()
    record = (store.get(PUBLIC, "h")).record
    assert record is not None
    assert (record.generation, record.end_reason) == (1, EndReason.REVOKED)


def test_what_replicas_may_not_have_is_not_answered_with_either(redis_uri, make_redis):
    store, events = make_redis(redis_uri), Recorder()
    for name in ("h", "ended"):
        store.insert(PUBLIC, new_session(name))
    store.end(PUBLIC, ["ended"], EndReason.REVOKED)
    doubtful = make_redis(redis_uri + "&acknowledge=replicas:1&wait_ms=20", looks_only=True)
    assert (doubtful.get(PUBLIC, "h")).record is not None
    for call in (
        partial(doubtful.get, PUBLIC, "absent"),
        partial(doubtful.get, PUBLIC, "ended"),
        partial(doubtful.get_many, PUBLIC, ["h", "absent"]),
        partial(doubtful.end, PUBLIC, ["absent"], EndReason.REVOKED),
        partial(doubtful.end_user, PUBLIC, "nobody", EndReason.USER_REVOKED),
    ):
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            call()
    with engine_over(redis_uri, events) as engine:
        token = (engine.create("user")).refresh_token
        with Engine(engine.settings, doubtful) as hurried:
            for _ in range(2):  # the second time it is the successor that the first time wrote
                with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
                    hurried.refresh(token)


def test_a_server_that_is_short_of_replicas_says_so(own_redis, make_redis):
    store = make_redis(own_redis.uri())
    own_redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable, match="fewer replicas follow it than min-replicas-to-write"):
        store.insert(PUBLIC, new_session())


def test_the_sentinel_that_saw_the_last_fail_over_is_believed():
    from redis.sentinel import MasterNotFoundError

    from reseal._sync.stores.redis_sentinels import Sentinels

    class Told:
        def __init__(self, epoch, port, **more):
            self.state = {"config-epoch": epoch, "ip": "a", "port": port, "is_master": True, "is_sdown": False,
                          "is_odown": False, "num-other-sentinels": 2} | more  # fmt: skip

        def sentinel_masters(self):
            return {"main": self.state}

    asked = Sentinels([])
    for told, port in (
        ([Told(1, 1), Told(2, 2), Told(2, 2)], 2),
        ([Told(2, 2), Told(1, 1)], 2),
        ([Told(2, 2, is_sdown=True), Told(2, 2), Told(1, 1)], 2),
    ):
        asked.sentinels = told
        assert asked.discover_master("main") == ("a", port)
    asked.sentinels = [Told(1, 1), Told(2, 2, is_odown=True)]
    with pytest.raises(MasterNotFoundError):
        asked.discover_master("main")
    with pytest.raises(MasterNotFoundError):
        asked.discover_master("other")


def test_a_user_s_many_sessions_end_in_portions(redis_uri, make_redis, monkeypatch):
    store = make_redis(redis_uri)
    monkeypatch.setattr("reseal._sync.stores.redis.READ_AT_ONCE", 7)
    together(partial(store.insert, PUBLIC, new_session(f"h{n}")) for n in range(20))
    ended = store.end_user(PUBLIC, "user", EndReason.USER_REVOKED, "h3")
    assert sorted(ended) == sorted(f"h{n}" for n in range(20) if n != 3)


# -- what was lost --------------------------------------------------------------------------------------------------


def test_a_token_newer_than_the_store_goes_on_and_the_index_is_whole_again(redis_server, redis_uri, make_redis):
    events = Recorder()
    with engine_over(redis_uri, events) as engine:
        first = engine.create("user")
        store = make_redis(redis_uri)
        key = store._layout.session(f"public\0public\0{first.claims.sid}")
        index = store._layout.index(PUBLIC, "user")
        redis_server.ask("COPY", key, f"{key}:before")
        second = engine.refresh(first.refresh_token)
        redis_server.ask("COPY", f"{key}:before", key, "REPLACE")
        redis_server.ask("DEL", index)
        third = engine.refresh(second.refresh_token)
        assert len(events.named(EventName.STORE_ROLLED_BACK)) == 1
        assert engine.revoke_user("user") == (first.claims.sid,)
        with pytest.raises(Unauthorised):
            engine.refresh(third.refresh_token)


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("died_at", range(4))
def test_whoever_ends_all_of_a_user_misses_nothing_that_was_acknowledged(
    redis_uri, make_redis, monkeypatch, died_at, survives
):
    store, dying = make_redis(redis_uri), make_redis(redis_uri)
    write, left = dying._server.try_write, [died_at]

    def cut(changes):
        left[0] -= 1
        if left[0] < 0:
            if survives:
                write(changes)
            return [StoreUnavailable("gone")] * len(changes)
        return write(changes)

    monkeypatch.setattr(type(dying._server), "has_order", False)
    monkeypatch.setattr(store._server, "_located", lambda nodes, calls: _at(store, calls))
    monkeypatch.setattr(dying._server, "_located", lambda nodes, calls: _at(dying, calls))
    monkeypatch.setattr(dying._server, "try_write", cut)
    acknowledged = []
    for n in range(2):
        try:
            dying.insert(PUBLIC, new_session(f"h{n}"))
        except StoreUnavailable:
            continue
        acknowledged.append(f"h{n}")
    monkeypatch.setattr(dying._server, "try_write", write)
    ended = store.end_user(PUBLIC, "user", EndReason.USER_REVOKED)
    assert set(acknowledged) <= set(ended)
    assert store.list_user(PUBLIC, "user", UserPlace(), 10) == ()


def _at(store, calls):
    return [store._server.address.hosts[0]] * len(calls)


# -- several servers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acknowledge", ["fsync", "replicas:1"])
def test_a_master_of_a_cluster_dies_amid_refreshes(redis_nodes, acknowledge):
    events, victim = Recorder(), redis_nodes.masters()[0]

    def fail_over():
        until(lambda: is_replicated(victim))  # with fsync, a sign-in that no replica has may be lost
        victim.kill()
        until(lambda: len(redis_nodes.masters()) == 3)
        victim.start()
        redis_nodes.until_whole()

    with engine_over(redis_nodes.uri(f"&acknowledge={acknowledge}"), events) as engine:
        lines = refreshed_amid(engine, fail_over, 24)
        nobody_is_accused_but_the_thief(engine, events, lines)


def test_sentinel_promotes_a_replica_amid_refreshes(watched_redis):
    events = Recorder()
    main, replica = watched_redis.nodes

    def fail_over():
        until(lambda: is_replicated(main))
        main.kill()
        until(lambda: b"role:master" in replica.ask("INFO", "replication"))

    with engine_over(watched_redis.uri(), events) as engine:
        lines = refreshed_amid(engine, fail_over)
        nobody_is_accused_but_the_thief(engine, events, lines)


def test_in_a_cluster_sessions_are_on_all_masters_and_lists_find_them(redis_nodes, make_redis):
    store = make_redis(redis_nodes.uri())
    together(partial(store.insert, PUBLIC, new_session(f"h{n}", "user", idle_ms=n + 1)) for n in range(60))
    assert all(node.keys("*:session:*") for node in redis_nodes.masters())
    found = store.get_many(PUBLIC, [f"h{n}" for n in range(60)])
    assert all(each.record is not None for each in found.values())
    assert len(store.end_user(PUBLIC, "user", EndReason.USER_REVOKED)) == 60
    assert store.live_sessions() == 0
