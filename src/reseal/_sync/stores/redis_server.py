# Generated from src/reseal/_async/stores/redis_server.py by tools/unasync.py; edit that file instead.
"""Connections to Redis or Valkey: one server, one that Sentinel watches, or a cluster. Errors are wrapped once.

A call goes to the node that has its slot, with all others for this node in one pipeline on one connection, because
``WAIT`` speaks of the writes of its own connection. Nothing is sent again whose outcome is not known.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, MovedError, NoScriptError, ResponseError

from reseal._sync.stores.batching import take
from reseal._sync.stores.redis_sentinels import Sentinels
from reseal._sync.waiting import at_once
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.forks import PerProcess
from reseal.stores.deadlines import left, within
from reseal.stores.redis import address, durability
from reseal.stores.redis.address import Kind
from reseal.stores.redis.changes import Change, Command, whole
from reseal.stores.redis.durability import Facts
from reseal.stores.redis.errors import TOO_FEW_REPLICAS, reason

HOPS: Final = 4
"""How often a call follows a slot that has moved."""
Node = tuple[str, int]
Reply = Any
"""What a node answered, or the error of this one call."""


class Answer(NamedTuple):
    """What was read, and the clock of the node that was asked last (ms)."""

    replies: list[Reply]
    wall: int


class Nodes:
    """The connections of one process, and which node has which slot, as far as it is known."""

    def __init__(self, size: int) -> None:
        self.slots = threading.Semaphore(size)
        self.clients: dict[Node, Any] = {}
        self.of_slot: list[Node] = []
        self.failed_at: dict[Node, float] = {}
        """Those that once gave no answer, or were cut off from the others, and when that was last."""

    def fail(self, node: Node) -> None:
        """Have the map read again, if possible from another node: its slots may be elsewhere now."""
        self.of_slot = []
        self.failed_at[node] = monotonic()


class RedisServer:
    """At most ``pool_size`` calls at a time."""

    def __init__(self, uri: str | Secret, *, pool_size: int, timeout_s: float) -> None:
        self.address = address.read(uri if isinstance(uri, Secret) else Secret(uri))
        self._pool_size = pool_size
        self.timeout_s = timeout_s
        self._answer_s = timeout_s + self.address.acknowledge.wait_ms / 1000
        self.limit_s = 2 * timeout_s + self._answer_s
        """Seconds that a call may take, however many nodes it is led to: the last one is asked in time."""
        self._nodes: PerProcess[Nodes] = PerProcess(lambda: Nodes(pool_size))
        self._is_open = False

    @property
    def has_order(self) -> bool:
        """Whether what is written together is written in its order: there is one node."""
        return self.address.kind is not Kind.CLUSTER

    def open(self) -> None:
        """Connect, and check what every node keeps. Raises ``ConfigurationError``."""
        self.close()  # if it is opened once more, say in another event loop
        self._nodes.renew()
        self._is_open = True
        try:
            durability.require(self.inspect(), self.address)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._is_open = False
        nodes = self._nodes.here()
        while nodes.clients:
            _, client = nodes.clients.popitem()
            client.close()

    def inspect(self) -> list[Facts]:
        """Ask every node what it is and what it keeps."""
        nodes = self._nodes.here()
        return [self._facts(node) for node in self._all_nodes(nodes)]

    def read(self, *calls: Command) -> Answer:
        """Run calls, each by its key. Raises ``StoreUnavailable`` if one of them has no answer."""
        answer = self.try_read(calls)
        return answer._replace(replies=_answered(answer.replies))

    def try_read(self, calls: Sequence[Command]) -> Answer:
        """Run calls; the error of one stands in the place of its answer."""
        clocks: list[int] = []
        replies = self._run(calls, clocks=clocks)
        return Answer(replies, max(clocks, default=0))

    def write(self, *changes: Change) -> list[bool]:
        """Run changes, and say which of them happened. Raises ``StoreUnavailable`` if it is not known of one."""
        return [bool(each) for each in _answered(self.try_write(changes))]

    def try_write(self, changes: Sequence[Change]) -> list[Reply]:
        """Run changes; the error of one stands in the place of its answer."""
        return self._run([each.words() for each in changes])

    def node_of(self, channel: str) -> Node:
        """Return where to listen. In a cluster each node announces to its clients what any other one was given.

        Raises ``StoreUnavailable``.
        """
        return (self._located(self._nodes.here(), [("SUBSCRIBE", channel)]))[0]

    def listener(self, node: Node) -> Any:
        """Make the driver's object that listens, on a connection of its own, not yet open."""
        return self._client(self._nodes.here(), node).pubsub()

    # -- nodes ------------------------------------------------------------------------------------------------------

    def _run(self, calls: Sequence[Command], clocks: list[int] | None = None) -> list[Reply]:
        if not self._is_open:
            raise StoreUnavailable("the store is not open")
        nodes = self._nodes.here()
        with within(self.limit_s - self._answer_s):
            if not take(nodes.slots, left(self.timeout_s)):
                raise StoreUnavailable("Redis: all connections of the pool are busy")
            try:
                return self._follow(nodes, list(calls), clocks)
            finally:
                nodes.slots.release()

    def _follow(self, nodes: Nodes, calls: list[Command], clocks: list[int] | None) -> list[Reply]:
        """Run calls on their nodes, and once more those that a node has refused to run."""
        replies: list[Reply] = [None] * len(calls)
        rest = list(range(len(calls)))
        for _ in range(HOPS):
            by_node: dict[Node, list[int]] = {}
            for n, node in zip(rest, self._located(nodes, [calls[n] for n in rest]), strict=True):
                by_node.setdefault(node, []).append(n)
            asks = [partial(self._ask, nodes, *each, calls, replies, clocks) for each in by_node.items()]
            at_once(asks)
            rest = [n for n in rest if isinstance(replies[n], NoScriptError | MovedError)]
            if not rest:
                break
            if any(isinstance(replies[n], MovedError) for n in rest):
                nodes.of_slot = []
            calls = [whole(call) if isinstance(reply, NoScriptError) else call
                     for call, reply in zip(calls, replies, strict=True)]  # fmt: skip
        return [wrapped(reply) if isinstance(reply, Exception) else reply for reply in replies]

    def _ask(self, nodes: Nodes, node: Node, numbers: list[int], calls: list[Command],
                   replies: list[Reply], clocks: list[int] | None) -> None:  # fmt: skip
        try:
            left(self._answer_s)
            pipeline = self._client(nodes, node).pipeline(transaction=False)
            for words in self._framed([calls[n] for n in numbers], reads=clocks is not None):
                pipeline.execute_command(*words)
            found = pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - a driver in trouble raises more than its own errors
            nodes.fail(node)
            found = [error] * len(numbers)
        else:
            if clocks is not None:
                clocks.append(_milliseconds(found.pop()))
            elif self.address.acknowledge.replicas:
                found = _acknowledged(found[1:], self.address.acknowledge.replicas)
            if any(map(_is_doubtful, found)):
                self._doubt(nodes, node)
        for n, reply in zip(numbers, found, strict=True):
            replies[n] = reply

    def _doubt(self, nodes: Nodes, node: Node) -> None:
        """Have the next call look for the master: this one may be cut off from the others, who go on without it."""
        nodes.fail(node)
        if self.address.kind is Kind.SENTINEL:
            self._client(nodes, node).connection_pool.disconnect(inuse_connections=False)

    def _framed(self, calls: list[Command], *, reads: bool) -> list[Command]:
        """Add what tells the time, or what waits for replicas.

        A mark is written first: ``WAIT`` waits for nothing on a connection that has written nothing, and what a change
        has found to be done already must be on the replicas as well.
        """
        how = self.address.acknowledge
        if reads:
            return [*calls, ("TIME",)]
        if not how.replicas:
            return calls
        mark = str(_key_of(calls[0])).partition("}")[0] + "}:mark"
        return [("SET", mark, 1), *calls, ("WAIT", how.replicas, how.wait_ms)]

    def _located(self, nodes: Nodes, calls: Sequence[Command]) -> list[Node]:
        if self.has_order:
            return [self.address.hosts[0]] * len(calls)
        if not nodes.of_slot:
            nodes.of_slot = self._map_of(nodes)
        return [nodes.of_slot[key_slot(_encoded(_key_of(call)))] for call in calls]

    def _all_nodes(self, nodes: Nodes) -> list[Node]:
        """Name the nodes that take writes."""
        if self.has_order:
            return [self.address.hosts[0]]
        nodes.of_slot = []
        first = self._facts(self.address.hosts[0]) if len(self.address.hosts) == 1 else None
        if first is not None and not first.is_cluster:
            return [self.address.hosts[0]]  # the check will tell
        nodes.of_slot = self._map_of(nodes)
        return sorted(set(nodes.of_slot))

    def _map_of(self, nodes: Nodes) -> list[Node]:
        """Ask the nodes of a cluster, until one answers, which of them has which slot."""
        known = sorted({*nodes.clients, *self.address.hosts}, key=lambda node: nodes.failed_at.get(node, 0.0))
        last: Exception | None = None
        for node in known:
            left(self.timeout_s)
            try:
                ranges = self._client(nodes, node).execute_command("CLUSTER SLOTS")
                return durability.owners(ranges, node)
            except Exception as error:  # noqa: BLE001 - the next one may be better
                nodes.fail(node)
                last = error
        raise _unreachable(self.address.place, last) from last

    def _client(self, nodes: Nodes, node: Node) -> Any:
        if node not in nodes.clients and self.address.kind is Kind.SENTINEL:
            nodes.clients[node] = self._watched(nodes)
        elif node not in nodes.clients:
            nodes.clients[node] = Redis(host=node[0], port=node[1], db=self.address.database, **self._options())
        return nodes.clients[node]

    def _watched(self, nodes: Nodes) -> Any:
        """Make a client that asks Sentinel for the master whenever it connects."""
        options = self._options()
        asking = {name: value for name, value in options.items() if name.startswith(("ssl", "retry"))}
        asking |= dict.fromkeys(("socket_timeout", "socket_connect_timeout"), self.timeout_s / 2)
        make: Any = Sentinels
        watching = make(list(self.address.hosts), sentinel_kwargs=asking)
        nodes.clients |= {("sentinel", n): each for n, each in enumerate(watching.sentinels)}  # to be closed, too
        return watching.master_for(self.address.service, db=self.address.database, **options)

    def _options(self) -> dict[str, Any]:
        return {
            **self.address.login,
            "socket_timeout": self._answer_s,
            "socket_connect_timeout": self.timeout_s,
            "retry": _no_retry(),
            "client_name": "reseal",
            "protocol": 2,
        }

    def _facts(self, node: Node) -> Facts:
        client = self._client(self._nodes.here(), node)
        try:
            pipeline = client.pipeline(transaction=False)
            for command in durability.QUESTIONS:
                pipeline.execute_command(*command)
            answers = pipeline.execute(raise_on_error=False)
            place = getattr(client.connection_pool, "master_address", None) or node  # where Sentinel has led to
            return durability.facts(f"{place[0]}:{place[1]}", answers)
        except Exception as error:
            raise _unreachable(self.address.place, error) from error


def wrapped(error: Exception) -> StoreUnavailable:
    """Name a driver's error without its text, which may quote what was written."""
    if isinstance(error, StoreUnavailable):
        return error
    unavailable = StoreUnavailable(f"Redis: {reason(error)}")
    unavailable.__cause__ = error
    return unavailable


def _answered(replies: list[Reply]) -> list[Reply]:
    """Return replies, or raise the first error among them."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _no_retry() -> Retry:
    """A change that was sent twice could answer that it did not happen."""
    return Retry(NoBackoff(), 0)


def _acknowledged(found: list[Reply], replicas: int) -> list[Reply]:
    """Take off what ``WAIT`` answered; with too few replicas nothing is known of what was written."""
    reached = found.pop()
    if isinstance(reached, int) and reached >= replicas:
        return found
    unknown = StoreUnavailable(
        f"Redis: {reached if isinstance(reached, int) else 0} of {replicas} replicas acknowledged "
        f"(acknowledge=replicas:{replicas} in database_uri)"
    )
    return [each if isinstance(each, Exception) else unknown for each in found]


def _is_doubtful(reply: Reply) -> bool:
    """Return whether a node said that it may be cut off from the others."""
    if isinstance(reply, ClusterDownError | StoreUnavailable):
        return True
    return isinstance(reply, ResponseError) and str(reply).startswith(TOO_FEW_REPLICAS)


def _milliseconds(clock: Any) -> int:
    seconds, microseconds = clock
    return int(seconds) * 1000 + int(microseconds) // 1000


def _key_of(call: Command) -> Any:
    return call[3] if call[0] in {"EVALSHA", "EVAL"} else call[1]


def _encoded(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode()


def _unreachable(place: str, error: Exception | None) -> StoreUnavailable:
    return StoreUnavailable(f"Redis at {place} cannot be reached ({reason(error)})")
