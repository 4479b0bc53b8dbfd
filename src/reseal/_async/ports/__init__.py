"""The ports: what stores promise, and what sessions promise to the frameworks."""

from reseal._async.ports.audit import AsyncAuditStore
from reseal._async.ports.cases import AsyncCaseStore
from reseal._async.ports.events import AsyncEventStore
from reseal._async.ports.keys import AsyncKeyStore
from reseal._async.ports.kills import AsyncKillListStore
from reseal._async.ports.news import AsyncNews
from reseal._async.ports.notes import AsyncNoteStore
from reseal._async.ports.sessions import AsyncSessions
from reseal._async.ports.stores import AsyncSessionStore, AsyncStore
from reseal._async.ports.tenants import AsyncTenantStore

__all__ = [
    "AsyncAuditStore",
    "AsyncCaseStore",
    "AsyncEventStore",
    "AsyncKeyStore",
    "AsyncKillListStore",
    "AsyncNews",
    "AsyncNoteStore",
    "AsyncSessionStore",
    "AsyncSessions",
    "AsyncStore",
    "AsyncTenantStore",
]
