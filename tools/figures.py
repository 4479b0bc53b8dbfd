"""Measure the source: its size, the shape of its functions, and how much of it stands there twice.

python tools/figures.py          print the figures, and the places that are furthest from the targets
python tools/figures.py --check  fail if a figure is over its limit

What is measured is the Python in ``src/reseal`` that is written by hand and runs in production: ``_sync`` is generated
and ``testing`` is a suite of tests, so both are left out. A line is a line of code: blank lines, comments and
docstrings do not count. The lines of a function include its signature and the functions inside it.

Each figure has a target and a limit. A limit that is above its target is where the figure stands: it only goes down.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "reseal"
LEFT_OUT = {"_sync", "testing"}
SERVICE = {"cdi", "server"}
"""The dialect and the service. All the rest is the embedded product, including ``Remote`` and its calls."""
CONNECTIONS = {
    "server/crowd.py",
    "server/http/admission.py",
    "server/http/connection.py",
    "server/http/exchange.py",
    "server/http/head.py",
    "server/http/leaving.py",
    "server/http/messages.py",
    "server/http/replies.py",
    "server/http/securing.py",
    "server/tls.py",
}
"""The connections of the service: HTTP as it comes over a socket, before anything is asked of sessions."""
FRAMEWORKS = ("aiohttp", "django", "fastapi", "flask", "litestar", "quart", "sanic", "starlette")
SHARED = ("asgi", "guards", "interfaces", "sockets", "threads", "wsgi")
ADAPTERS = {f"{name}{end}" for name in FRAMEWORKS + SHARED for end in ("", ".py")}
"""The frameworks that have a form of their own for requests, and what their adapters share."""
TELEMETRY = {
    "metrics",
    "telemetry.py",
    "otel.py",
    "_async/forwarding_counts.py",
    "_async/gauges.py",
    "_async/metrics.py",
    "_async/ports/counts.py",
    "_async/stores/memory_counts.py",
    "_async/stores/server_counts.py",
    "_async/stores/sqlite_counts.py",
    "_async/traces.py",
    "core/deliveries.py",
    "core/traceparent.py",
    "server/gauges.py",
    "server/tracing.py",
}
"""Metrics, traces and logs."""
WAYS_OUT = {
    "webhooks",
    "_async/delivery.py",
    "_async/ports/events.py",
    "_async/ports/notes.py",
    "_async/stores/server_events.py",
    "core/notes.py",
    "core/outbox.py",
    "core/webhook_signatures.py",
    "core/webhooks.py",
    "server/cli/webhooks.py",
    "server/webhooks.py",
    "settings/endpoints.py",
    "settings/webhooks.py",
    "stores/event_queue.py",
    "stores/sqlite/event_tables.py",
}
"""What sends events to other systems: packages, and modules of others by their path."""
SIGNALS = {
    "_async/signal_endpoints.py",
    "core/security_event_keys.py",
    "core/shared_signals.py",
    "core/syslog.py",
    "server/shared_signals.py",
    "settings/shared_signals.py",
    "settings/syslog.py",
    "webhooks/security_events.py",
    "webhooks/senders.py",
    "webhooks/syslog.py",
    "webhooks/syslog_sending.py",
}
"""Formats of deliveries besides webhooks: Shared Signals, syslog."""
DEVICES = {
    "devices",
    "_async/device_endpoints.py",
    "_async/new_devices.py",
    "_async/not_before.py",
    "_async/own_sessions.py",
    "_async/paging.py",
    "_async/stores/sqlite_ends.py",
    "_async/user_sessions.py",
    "core/client_details.py",
    "core/selection.py",
}
"""What users see of their sessions, and ends of several: lists, the list of devices, its routes and its page."""
THEFTS = {
    "_async/case_calls.py",
    "_async/case_files.py",
    "_async/forwarding_cases.py",
    "_async/ports/cases.py",
    "_async/remote_cases.py",
    "_async/stores/batched_confirmations.py",
    "_async/stores/memory_cases.py",
    "_async/stores/server_cases.py",
    "_async/stores/sqlite_cases.py",
    "_async/theft_cases.py",
    "_async/thefts.py",
    "core/attempt.py",
    "core/cases.py",
    "core/confirmation.py",
    "core/holding.py",
    "core/register.py",
    "rpc/case_calls.py",
    "server/case_calls.py",
    "server/cli/cases.py",
    "server/old_cases.py",
    "web/case_page.py",
    "stores/case_rows.py",
    "stores/sqlite/case_tables.py",
}
"""Thefts: the evidence by which lost responses are told from them, what is done about them, and their case files."""
AUDIT = {
    "audit.py",
    "_async/audit.py",
    "_async/audit_actions.py",
    "_async/ports/audit.py",
    "_async/stores/memory_audit.py",
    "_async/stores/server_audit.py",
    "_async/stores/sqlite_audit.py",
    "core/acting.py",
    "core/audit.py",
    "core/audit_checkpoints.py",
    "core/audit_persons.py",
    "core/audit_verification.py",
    "server/audit.py",
    "server/cli/audit.py",
    "server/cli/audit_ocsf.py",
}
"""The audit trail: its chain, its stores and its commands."""
POLICIES = {
    "_async/beginning.py",
    "_async/forwarding_limits.py",
    "_async/policy_preview.py",
    "_async/ports/limits.py",
    "_async/stores/memory_limits.py",
    "_async/stores/server_limits.py",
    "_async/stores/sqlite_limits.py",
    "stores/sqlite/limit_tables.py",
    "_async/session_policies.py",
    "_async/signing_in.py",
    "core/policies.py",
    "core/policy_preview.py",
    "core/session_policy.py",
    "rpc/policy_calls.py",
    "settings/policies.py",
}
"""What is chosen at a sign-in for one session: its limits, and how many sessions a user may have."""
WHOSE = {
    "_async/acting_families.py",
    "_async/actors.py",
    "_async/impersonation.py",
    "core/actor.py",
}
"""Whose a session is besides a user's own: that of an actor."""
VISITORS = {
    "_async/owner.py",
    "_async/stores/redis_visitors.py",
    "_async/visitor_calls.py",
    "_async/visitors.py",
    "core/visitors.py",
    "django/visitors.py",
    "flask/visitors.py",
}
"""Sessions of visitors who are not signed in, and what a sign-in takes over of them."""
BINDING = {
    "_async/binding.py",
    "_async/binding_endpoints.py",
    "_async/bound_pages.py",
    "core/binding.py",
    "core/proofs.py",
    "rpc/binding_calls.py",
    "web/device_bound.py",
}
"""Sessions that are bound to a device: proofs, challenges, and what browsers are told."""
DPOP = {
    "_async/dpop.py",
    "client.py",
    "core/dpop.py",
    "web/dpop.py",
}
"""Sessions in headers that a client binds to a key of its own (DPoP), and what programs have for that."""
AUTHENTICATION = {
    "_async/elevating.py",
    "core/authentication.py",
    "core/claims.py",
    "core/elevation.py",
    "rpc/elevation_calls.py",
}
"""What a session says of its user: checks of claims, and how and when the user was authenticated."""
CALLS_OF_STORES = {"_async/stores/batching.py", "_async/stores/connection_pool.py", "stores/deadlines.py"}
"""Which calls of a store go together, by which connection, and how long they may take."""
SERVERS = {
    "_async/stores/__init__.py",
    "_async/stores/mariadb.py",
    "_async/stores/mariadb_driver.py",
    "_async/stores/mariadb_server.py",
    "_async/stores/mariadb_transactions.py",
    "_async/stores/server_store.py",
    "_async/stores/servers.py",
    "server/inspection/mariadb.py",
    "server/stores.py",
    "stores/mariadb/__init__.py",
    "stores/mariadb/address.py",
    "stores/mariadb/durability.py",
    "stores/mariadb/errors.py",
    "stores/mariadb/statements.py",
}
"""The choice of a store, what the stores on database servers share, and the store in MariaDB."""
POSTGRES = {
    "_async/stores/postgres.py",
    "_async/stores/postgres_hosts.py",
    "_async/stores/postgres_indexes.py",
    "_async/stores/postgres_replica.py",
    "_async/stores/postgres_server.py",
    "server/inspection/postgres_servers.py",
    "stores/postgres/__init__.py",
    "stores/postgres/arrays.py",
    "stores/postgres/hosts.py",
    "stores/postgres/lag.py",
    "stores/postgres/indexes.py",
}
"""The store in PostgreSQL, and the servers of its cluster."""
PARTITIONS = {
    "server/cli/partition.py",
    "server/partitioning.py",
    "stores/postgres/partitions.py",
}
"""Moving the table of sessions on PostgreSQL into partitions."""
CLIENTS = {
    "_async/logout_clients.py",
    "core/logout_clients.py",
    "settings/logout_clients.py",
    "webhooks/logout_tokens.py",
}
"""Logouts that an application sends, as an identity provider."""
PROVIDERS = {
    "_async/logout_endpoint.py",
    "_async/ports/providers.py",
    "_async/provider_keys.py",
    "_async/provider_logouts.py",
    "_async/stores/memory_providers.py",
    "_async/stores/server_providers.py",
    "_async/stores/sqlite_providers.py",
    "core/logout_tokens.py",
    "core/provider_keys.py",
    "core/providers.py",
    "rpc/provider_calls.py",
    "server/provider_calls.py",
    "settings/providers.py",
    "stores/provider_rows.py",
    "stores/sqlite/provider_tables.py",
}
"""Logouts that identity providers send: their tokens and keys, the route, and what ends by them."""
KILLS = {
    "core/kill_list.py",
    "_async/forwarding_kills.py",
    "_async/background.py",
    "_async/kill_following.py",
    "_async/kill_reading.py",
    "_async/killing.py",
    "_async/ports/kills.py",
    "_async/ports/news.py",
    "_async/stores/mariadb_kills.py",
    "_async/stores/memory_kills.py",
    "_async/stores/polled_news.py",
    "_async/stores/postgres_news.py",
    "_async/stores/redis_kills.py",
    "_async/stores/server_kills.py",
    "_async/stores/sqlite_kills.py",
    "_async/remote_kills.py",
    "rpc/kill_calls.py",
    "server/kill_feed.py",
    "stores/kill_rows.py",
}
"""The kill list: ended sessions for verifiers that ask nobody, its feed, and what wakes its readers."""
_REDIS_PARTS = ("", "_audit", "_cases", "_events", "_limits", "_lists", "_providers", "_sentinels", "_server",
                "_sessions", "_tenants", "_time", "_turns")  # fmt: skip
REDIS = {
    *(f"_async/stores/redis{part}.py" for part in _REDIS_PARTS),
    *(f"stores/redis/{name}.py" for name in ("__init__", "address", "changes", "durability", "errors", "layout")),
}
"""The store in Redis and Valkey: what SQL stores share is of no use to it."""
REDIS_NEWS = {"_async/stores/redis_news.py"}
"""What wakes the readers of the kill list there."""
REPEATED_LINES = 6
"""So many equal lines of code in a row count as repeated. Imports and signatures do not count: ports demand them."""
DEEPEST = 3
NO_CODE = {
    tokenize.COMMENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER,
    tokenize.INDENT, tokenize.NEWLINE, tokenize.NL,
}  # fmt: skip
DEEPER = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
BRANCHES = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.ExceptHandler, ast.match_case)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    path: Path
    tree: ast.Module
    text: list[str]
    code: frozenset[int]
    """The numbers of its lines of code."""

    @property
    def package(self) -> str:
        return self.path.relative_to(SOURCE).parts[0]

    @property
    def is_service(self) -> bool:
        return self.package in SERVICE and not self.is_in(
            CONNECTIONS
            | TELEMETRY
            | WAYS_OUT
            | SIGNALS
            | THEFTS
            | AUDIT
            | AUTHENTICATION
            | PROVIDERS
            | SERVERS
            | CALLS_OF_STORES
            | KILLS
            | PARTITIONS
            | POSTGRES
        )

    @property
    def is_embedded(self) -> bool:
        if self.is_in(
            POLICIES
            | WHOSE
            | BINDING
            | DPOP
            | VISITORS
            | AUTHENTICATION
            | SERVERS
            | CALLS_OF_STORES
            | PROVIDERS
            | CLIENTS
            | REDIS
            | REDIS_NEWS
            | SIGNALS
            | KILLS
            | POSTGRES
            | PARTITIONS
        ):
            return False
        return not (
            self.package in SERVICE or self.is_adapter or self.is_in(TELEMETRY | WAYS_OUT | DEVICES | THEFTS | AUDIT)
        )

    @property
    def is_way_out(self) -> bool:
        return self.is_in(WAYS_OUT) and not self.is_in(SIGNALS | CLIENTS)

    def is_in(self, group: set[str]) -> bool:
        """Whether it is of a group of packages, and of modules of others by their path."""
        return self.package in group or self.path.relative_to(SOURCE).as_posix() in group

    @property
    def is_adapter(self) -> bool:
        return self.package in ADAPTERS and not self.is_in(VISITORS)


@dataclass(frozen=True)
class Shape:
    """A function in numbers."""

    place: str
    lines: int
    nesting: int
    branches: int


@dataclass(frozen=True)
class Repeat:
    """A run of lines that occurred before."""

    place: str
    earlier: str
    lines: int

    def longer_by(self, lines: int) -> Repeat:
        return replace(self, lines=self.lines + lines)

    def __str__(self) -> str:
        return f"{self.lines:>6}  lines at {self.place} repeat {self.earlier}"


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    target: float
    limit: float
    unit: str = ""

    def __str__(self) -> str:
        over = "over its limit" if self.value > self.limit else "over its target" if self.value > self.target else ""
        return f"{self.name:<40}{self.value:>8,g}{self.unit:<3}target {self.target:<8,g}limit {self.limit:<8,g}{over}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="print and fail on what is over its limit only")
    modules = [read(path) for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] not in LEFT_OUT]
    shapes = [shape(module, function) for module in modules for function in functions(module)]
    measured = figures(modules, shapes)
    over = [figure for figure in measured if figure.value > figure.limit]
    if parser.parse_args().check:
        print(*(f"tools/figures.py: {figure}" for figure in over), sep="\n", end="\n" if over else "", file=sys.stderr)
        return 1 if over else 0
    print(*measured, "", *furthest(shapes), *map(str, repeats(modules)), "", *sizes(modules), sep="\n")
    return 0


def figures(modules: Sequence[Module], shapes: Sequence[Shape]) -> list[Figure]:
    lengths = sorted(each.lines for each in shapes)
    return [
        Figure("lines of the embedded product", size(modules, lambda module: module.is_embedded), 8600, 8810),
        Figure("lines of the dialect and the service", size(modules, lambda module: module.is_service), 5800, 5800),
        Figure("lines of the service's connections", size(modules, lambda module: module.is_in(CONNECTIONS)), 850, 850),
        Figure("lines of the frameworks' adapters", size(modules, lambda module: module.is_adapter), 4800, 4805),
        Figure("lines of the telemetry", size(modules, lambda module: module.is_in(TELEMETRY)), 900, 900),
        Figure("lines of the ways out", size(modules, lambda module: module.is_way_out), 1500, 1500),
        Figure("lines of further formats", size(modules, lambda module: module.is_in(SIGNALS)), 650, 650),
        Figure("lines of the list of devices", size(modules, lambda module: module.is_in(DEVICES)), 1200, 1200),
        Figure("lines about thefts", size(modules, lambda module: module.is_in(THEFTS)), 1200, 1200),
        Figure("lines of the audit trail", size(modules, lambda module: module.is_in(AUDIT)), 800, 800),
        Figure("lines of the policies", size(modules, lambda module: module.is_in(POLICIES)), 800, 800),
        Figure("lines about actors", size(modules, lambda module: module.is_in(WHOSE)), 300, 300),
        Figure("lines about visitors", size(modules, lambda module: module.is_in(VISITORS)), 300, 300),
        Figure("lines about bound sessions", size(modules, lambda module: module.is_in(BINDING)), 600, 600),
        Figure("lines about DPoP", size(modules, lambda module: module.is_in(DPOP)), 600, 600),
        Figure("lines of the authentication", size(modules, lambda module: module.is_in(AUTHENTICATION)), 500, 500),
        Figure("lines about calls of stores", size(modules, lambda module: module.is_in(CALLS_OF_STORES)), 200, 200),
        Figure("lines of shared servers and MariaDB", size(modules, lambda module: module.is_in(SERVERS)), 1200, 1200),
        Figure("lines of the PostgreSQL store", size(modules, lambda module: module.is_in(POSTGRES)), 800, 800),
        Figure("lines about identity providers", size(modules, lambda module: module.is_in(PROVIDERS)), 700, 700),
        Figure("lines about clients of providers", size(modules, lambda module: module.is_in(CLIENTS)), 200, 200),
        Figure("lines of the Redis store", size(modules, lambda module: module.is_in(REDIS)), 1600, 1640),
        Figure("lines of the news of Redis", size(modules, lambda module: module.is_in(REDIS_NEWS)), 80, 80),
        Figure("lines of the kill list", size(modules, lambda module: module.is_in(KILLS)), 1000, 1030),
        Figure("lines about partitions", size(modules, lambda module: module.is_in(PARTITIONS)), 400, 400),
        Figure("function length, median", lengths[len(lengths) // 2], 4, 4),
        Figure("function length, 90th percentile", lengths[len(lengths) * 9 // 10], 13, 13),
        Figure("function length, longest", lengths[-1], 40, 40),
        Figure("nesting of a function, deepest", max(each.nesting for each in shapes), DEEPEST, DEEPEST),
        Figure("branches of a function, most", max(each.branches for each in shapes), 12, 12),
        Figure("lines that repeat others", round(repeated_share(modules), 2), 0.5, 0.5, " %"),
    ]


def read(path: Path) -> Module:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    docstrings = {number for node in ast.walk(tree) if is_bare_text(node) for number in span(node)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {
        number for token in tokens if token.type not in NO_CODE for number in range(token.start[0], token.end[0] + 1)
    }
    return Module(path, tree, text.splitlines(), frozenset(code - docstrings))


def is_bare_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def span(node: ast.AST) -> range:
    return range(node.lineno, node.end_lineno + 1)  # type: ignore[attr-defined]  # statements have both


def functions(module: Module) -> Iterator[Function]:
    return (node for node in ast.walk(module.tree) if isinstance(node, Function))


def shape(module: Module, function: Function) -> Shape:
    return Shape(
        place=f"{module.path.relative_to(SOURCE)}:{function.lineno} {function.name}",
        lines=len(module.code.intersection(span(function))),
        nesting=depth(function.body),
        branches=sum(isinstance(node, BRANCHES) for node in ast.walk(function)),
    )


def depth(statements: Sequence[ast.AST]) -> int:
    """How many statements that hold others stand inside one another."""
    return max((_depth_of(each) for each in statements), default=0)


def _depth_of(node: ast.AST) -> int:
    below = depth([child for child in ast.iter_child_nodes(node) if not is_elif(node, child)])
    beside = depth([child for child in ast.iter_child_nodes(node) if is_elif(node, child)])
    return max(below + isinstance(node, DEEPER), beside)


def is_elif(node: ast.AST, child: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]


def size(modules: Sequence[Module], is_counted: Callable[[Module], bool]) -> int:
    return sum(len(module.code) for module in modules if is_counted(module))


def repeated_share(modules: Sequence[Module]) -> float:
    return 100 * sum(each.lines for each in repeats(modules)) / size(modules, lambda _: True)


def repeats(modules: Sequence[Module]) -> list[Repeat]:
    """Return the runs of lines that occurred before."""
    first: dict[tuple[str, ...], str] = {}
    found: list[Repeat] = []
    for module in modules:
        numbers = sorted(module.code - repeated_by_nature(module))
        until = 0
        for position in range(len(numbers) - REPEATED_LINES + 1):
            run = tuple(module.text[number - 1].strip() for number in numbers[position : position + REPEATED_LINES])
            place = f"{module.path.relative_to(SOURCE)}:{numbers[position]}"
            earlier = first.setdefault(run, place)
            if earlier == place:
                continue
            if position < until:
                found[-1] = found[-1].longer_by(position + REPEATED_LINES - until)
            else:
                found.append(Repeat(place, earlier, REPEATED_LINES))
            until = position + REPEATED_LINES
    return found


def repeated_by_nature(module: Module) -> set[int]:
    imports = (node for node in ast.walk(module.tree) if isinstance(node, ast.Import | ast.ImportFrom))
    signatures = (range(each.lineno, each.body[0].lineno) for each in functions(module))
    return {number for node in imports for number in span(node)} | {number for lines in signatures for number in lines}


def furthest(shapes: Sequence[Shape]) -> list[str]:
    longest = sorted(shapes, key=lambda each: -each.lines)[:10]
    deepest = [each for each in shapes if each.nesting > DEEPEST]
    return [
        "longest functions:",
        *(f"{each.lines:>6}  {each.place}" for each in longest),
        *(f"nested {each.nesting} deep: {each.place}" for each in deepest),
    ]


def sizes(modules: Sequence[Module]) -> list[str]:
    packages = Counter[str]()
    for module in modules:
        packages[module.package] += len(module.code)
    return ["lines by package:", *(f"{lines:>6}  {package}" for package, lines in packages.most_common())]


if __name__ == "__main__":
    sys.exit(main())
