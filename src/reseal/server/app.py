"""The service as an ASGI application: access, version, path, operation, reply. Nothing else.

A new path belongs in ``cdi.paths``, its function in ``operations`` (``sessions``, ``tenancy`` for apps and tenants,
``about`` for the service itself), and ``routes`` joins the two. Calls of our own SDK go to ``rpc`` instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from reseal._async.ports import AsyncStore
from reseal.cdi import replies
from reseal.cdi.access_tokens import ProtectedClaim
from reseal.cdi.body import NO_QUERY, Query
from reseal.cdi.paths import PROBES
from reseal.cdi.problem import WRONG_METHOD, Problem, unknown_tenant
from reseal.cdi.signing import TokenTooLong
from reseal.clock import Clock, SystemClock
from reseal.core.deliveries import Attempted
from reseal.core.errors import InvalidInput, RefreshLater, ResealError, StoreUnavailable
from reseal.core.events import Event, EventListener
from reseal.correlation import harmless
from reseal.log import LOGGER, log_event
from reseal.metrics.exposition import CONTENT_TYPE
from reseal.server import kill_feed, request_log, rpc, shared_signals
from reseal.server.access import Gate
from reseal.server.address import Proxies
from reseal.server.config import ServiceSettings
from reseal.server.gauges import ServiceGauges
from reseal.server.health import Health
from reseal.server.http.exchange import KNOWN
from reseal.server.http.messages import Reply, Request, body_of, read_request, send_reply, text_reply
from reseal.server.limits import FailureLimit
from reseal.server.live_keys import LiveKeys
from reseal.server.metrics import FAILED, FAMILIES, REFRESHES, Metrics, TimedStore
from reseal.server.operations.call import Call, ServiceFacts
from reseal.server.permits import CURRENT, EVERYTHING, check_permit
from reseal.server.routes import HANDLERS, Route, route
from reseal.server.scoreboard import Scoreboard
from reseal.server.tenants.directory import App, Directory

_Asked = tuple[str, str, bytes | None]
"""Method, path and version of a request."""
_MOST_ROUTES = 1024
"""Routes that are kept; only requests that were allowed add one."""


class Service:
    """The core service over one store. Opened and closed by the ASGI lifespan."""

    def __init__(
        self,
        settings: ServiceSettings,
        store: AsyncStore,
        *,
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
        on_event: EventListener = log_event,
        config_path: str = "",
        pid: int | None = None,
        board: Scoreboard | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock: Clock = clock or SystemClock()
        self.metrics: Metrics = Metrics(board.found() if board else None)
        self.note_attempt: Attempted = self.metrics.count_attempt
        self.board = board
        self.health: Health = Health(store)
        self._probes: dict[str, Callable[[], Awaitable[Reply]]] = {
            "healthz": _healthz,
            "readyz": self.health.ready,
            "metrics": self._show_metrics,
        }
        self._documents = shared_signals.replies(settings.webhooks)
        self._on_event = on_event
        watched = TimedStore(store, self.metrics)
        self.kill_feed: kill_feed.KillFeed = kill_feed.KillFeed(watched, store.news)
        self.directory: Directory = Directory(settings, watched, self.clock, random=random, on_event=self._note)
        shown = settings.bounds.supported(), config_path, os.getpid() if pid is None else pid
        self.facts: ServiceFacts = ServiceFacts(*shown, settings.cookies(), self.clock.wall, random, self.directory)
        secrets = settings.secret_key, settings.accepted_secret_keys
        kept = settings.event_outbox, settings.ended_sessions_kept
        self._rpc_engines = rpc.RpcEngines(self.directory, self.clock, *secrets, random, self._note, *kept)
        self._gauges = ServiceGauges(settings, store, self.clock, self.directory, self._rpc_engines)
        keys = LiveKeys(settings.api_keys, settings.api_keys_file, self.clock)
        self._gate = Gate(keys, settings.ip_allow_regex, settings.ip_deny_regex)
        self._proxies = Proxies(settings.trusted_proxies)
        self._failures = FailureLimit(settings.failures_per_minute, self.clock)
        self._routes: dict[_Asked, Route] = {}

    async def open(self) -> None:
        """Open the store and make sure that there are keys."""
        await self.store.open()
        app = await self.directory.find("public", "public")
        assert app is not None  # the default app always exists
        await app.driver.ring()

    async def close(self) -> None:
        await self.kill_feed.close()
        await self.directory.close()
        await self.store.close()

    async def numbers(self) -> str:
        """Write the numbers of all workers down for Prometheus."""
        totals = await self.board.total(self.metrics) if self.board else self.metrics.samples()
        return FAMILIES.text_of(await self._gauges.samples() | {name: of for name, of in totals.items() if of})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            began, request = time.perf_counter(), read_request(scope, self._proxies)
            correlation_id = request_log.correlate(request)
            try:
                reply = await self.answer(request, receive)
            except ConnectionAbortedError:
                return
            if request.trace.known:
                scope[KNOWN] = True
            seconds = time.perf_counter() - began
            self.metrics.count_request(request.trace.operation, reply.status)
            if request.trace.operation in REFRESHES:
                self.metrics.note_refresh(seconds, failed=reply.status >= FAILED)
            request_log.log_request(request, reply.status, seconds)
            await send_reply(send, reply, (b"x-request-id", correlation_id.encode()), *self.health.headers())

    async def answer(self, request: Request, receive: Any) -> Reply:
        """Answer one request; whatever goes wrong becomes a reply."""
        before = CURRENT.set(self._gate.before_a_key)
        try:
            return await self._answer(request, receive)
        except Problem as error:
            problem = error if request.trace.known else self._failures.note(error, request.client_ip)
            return text_reply(problem.status, problem.text, *problem.headers)
        except ProtectedClaim as error:
            return text_reply(400, str(error))
        except InvalidInput as error:
            more = f": {error.problem}" if isinstance(error, TokenTooLong) else ""
            return text_reply(400, f"Field name '{error.field}' is invalid in JSON input{more}")
        except (StoreUnavailable, RefreshLater) as error:
            LOGGER.warning("%s %s: %s", request.trace.operation, request.trace.correlation_id, error)
            text = str(error) if isinstance(error, RefreshLater) else "Session store unavailable, try again"
            return text_reply(503, text, (b"retry-after", str(error.retry_after).encode()))
        except ConnectionAbortedError:
            raise
        except Exception:  # noqa: BLE001 - the caller learns nothing of it, the log everything
            LOGGER.exception("%s %s failed", request.trace.operation, request.trace.correlation_id)
            return text_reply(500, "Internal Error")
        finally:
            CURRENT.reset(before)

    async def _answer(self, request: Request, receive: Any) -> Reply:
        self._gate.check_address(request)
        asked = request.method, request.path, request.first.get(b"cdi-version")
        found = self._routes.get(asked)
        if found is None:
            if (published := shared_signals.published(self._documents, request)) is not None:
                return published
            path = self._below_base(request.path)
            if path.startswith(rpc.PREFIX):
                return await self._answer_native(path, request, receive)
            found = route(request.method, path, request.header(b"cdi-version"), self.settings.bounds)
        own = await self.directory.api_keys_of(found.app_id) if found.keyed else None
        permit = None if own is None else await self._gate.check_key(request, own)
        if (operation := found.operation) is None:
            raise found.problem or Problem(405, WRONG_METHOD)
        request.trace.operation = operation.name
        if permit is not None and permit is not EVERYTHING:
            check_permit(permit, operation, found.app_id)
        if operation.name in PROBES:
            return await self._probes[operation.name]()
        if found.problem is not None:
            raise found.problem
        app = self.directory.fresh(found.app_id, found.known_tenant) or await self._app(found)
        if own is not None and app.api_keys != own:  # it was unknown before, or has just changed
            check_permit(await self._gate.check_key(request, app.api_keys), operation, found.app_id)
        if operation.versioned and asked not in self._routes:
            self._remember(asked, found)
        body = await body_of(request, receive)
        query = Query(request.query) if request.query else NO_QUERY
        call = Call(found.version, found.tenant_id, request, body, query, app.driver, app.tenants, self.facts)
        outcome = await HANDLERS[operation.name](call)
        return outcome if isinstance(outcome, Reply) else Reply(200, replies.encode(outcome))

    async def _answer_native(self, path: str, request: Request, receive: Any) -> Reply:
        permit = await self._gate.check_key_of_any_app(request, await self.directory.api_keys())
        if path == kill_feed.PATH and self.settings.kill_list:
            return await kill_feed.reply(self.kill_feed, self.directory, request, receive, permit)
        name = rpc.find(path)
        if request.method != "POST":
            raise Problem(405, WRONG_METHOD, (b"allow", b"POST"))
        request.trace.operation = f"rpc_{name}"
        permit.check_right(rpc.CALLS[name].right)
        reply = await self._rpc_engines.answer(name, await body_of(request, receive), permit)
        number = harmless(request.header(rpc.CALL))
        return reply if number is None else msgspec.structs.replace(reply, headers=((rpc.CALL, number.encode()),))

    async def _show_metrics(self) -> Reply:
        return Reply(200, (await self.numbers()).encode(), CONTENT_TYPE.encode())

    def _note(self, event: Event) -> None:
        self.metrics.count_event(event)
        caller = CURRENT.get().name
        self._on_event(msgspec.structs.replace(event, by=event.by or caller) if caller else event)

    async def _app(self, found: Route) -> App:
        app = await self.directory.find(found.app_id, found.known_tenant, insist=found.insists)
        if app is None:
            raise unknown_tenant(found.app_id, found.tenant_id)
        return app

    def _remember(self, asked: _Asked, found: Route) -> None:
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[asked] = found

    def _below_base(self, path: str) -> str:
        if not (base := self.settings.base_path):
            return path
        if path != base and not path.startswith(f"{base}/"):
            raise Problem(404, "Not found")
        return path[len(base) :] or "/"

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.open()
        except ResealError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _healthz() -> Reply:
    """Answer as long as the event loop runs."""
    return text_reply(200, "OK")
