"""The audit trail of an application: a chain of events in the store, in which every later change shows.

Call ``seal`` regularly, in a task or a process of its own; ``verify`` shows what was changed.
"""

from __future__ import annotations

from reseal._async.audit import AsyncAuditTrail
from reseal._async.engine import AsyncEngine
from reseal._async.metrics import innermost
from reseal._async.reseal import AsyncReseal
from reseal._sync.audit import AuditTrail
from reseal._sync.engine import Engine
from reseal._sync.metrics import innermost as innermost_sync
from reseal._sync.reseal import Reseal
from reseal.core.audit import AuditRow
from reseal.core.audit_checkpoints import read_exported
from reseal.core.audit_verification import AuditProblem, AuditVerification
from reseal.core.errors import ConfigurationError

__all__ = [
    "AsyncAuditTrail",
    "AuditProblem",
    "AuditRow",
    "AuditTrail",
    "AuditVerification",
    "async_audit_trail",
    "audit_trail",
    "read_exported",
]

_FOREIGN = "audit: these sessions are a service's: its audit trail is there"


def async_audit_trail(reseal: AsyncReseal) -> AsyncAuditTrail:
    """Return the audit trail of an application's store. Raises ``ConfigurationError`` if that is a service's."""
    engine = innermost(reseal.backend)
    if not isinstance(engine, AsyncEngine):
        raise ConfigurationError((_FOREIGN,))
    return AsyncAuditTrail.of(engine.store, engine.settings)


def audit_trail(reseal: Reseal) -> AuditTrail:
    """Return the audit trail of an application's store, for sync code. Raises ``ConfigurationError`` like the other."""
    engine = innermost_sync(reseal.backend)
    if not isinstance(engine, Engine):
        raise ConfigurationError((_FOREIGN,))
    return AuditTrail.of(engine.store, engine.settings)
