# Generated from src/reseal/_async/ports/__init__.py by tools/unasync.py; edit that file instead.
"""The ports: what stores promise, and what sessions promise to the frameworks."""

from reseal._sync.ports.audit import AuditStore
from reseal._sync.ports.cases import CaseStore
from reseal._sync.ports.events import EventStore
from reseal._sync.ports.keys import KeyStore
from reseal._sync.ports.kills import KillListStore
from reseal._sync.ports.news import News
from reseal._sync.ports.notes import NoteStore
from reseal._sync.ports.sessions import Sessions
from reseal._sync.ports.stores import SessionStore, Store
from reseal._sync.ports.tenants import TenantStore

__all__ = [
    "AuditStore",
    "CaseStore",
    "EventStore",
    "KeyStore",
    "KillListStore",
    "News",
    "NoteStore",
    "SessionStore",
    "Sessions",
    "Store",
    "TenantStore",
]
