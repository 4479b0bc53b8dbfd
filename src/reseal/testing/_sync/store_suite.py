# Generated from src/reseal/testing/_async/store_suite.py by tools/unasync.py; edit that file instead.
"""What every store has to pass: one test per promise of ``ports.Store``.

Subclass it, give it a fixture ``make_store`` and let pytest collect the subclass::

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda clock: MyStore(tmp_path / "data", clock)

``make_store(clock)`` returns another store over the same data each time, not yet open.

A store whose database has no clock takes its time from :class:`reseal.clock.SteadyClock`. It records the clock's
``mark`` with the data and passes the last one when it is opened; it follows the times that other processes have
recorded; and after a repair every process takes the recorded time, which may be earlier.
"""

from __future__ import annotations

from reseal.testing._sync.store_suites.audit import AuditSuite
from reseal.testing._sync.store_suites.cases import CaseSuite
from reseal.testing._sync.store_suites.claims import ClaimSuite
from reseal.testing._sync.store_suites.confirming import ConfirmSuite
from reseal.testing._sync.store_suites.devices import DeviceSuite
from reseal.testing._sync.store_suites.ending import EndSuite
from reseal.testing._sync.store_suites.events import EventSuite
from reseal.testing._sync.store_suites.inserting import InsertSuite
from reseal.testing._sync.store_suites.isolation import IsolationSuite
from reseal.testing._sync.store_suites.keys import KeySuite
from reseal.testing._sync.store_suites.kills import KillSuite
from reseal.testing._sync.store_suites.limits import LimitSuite
from reseal.testing._sync.store_suites.listing import ListSuite
from reseal.testing._sync.store_suites.not_before import NotBeforeSuite
from reseal.testing._sync.store_suites.notes import NoteSuite
from reseal.testing._sync.store_suites.providers import ProviderSuite
from reseal.testing._sync.store_suites.purging import PurgeSuite
from reseal.testing._sync.store_suites.replacing import ReplaceSuite
from reseal.testing._sync.store_suites.rotating import RotateSuite
from reseal.testing._sync.store_suites.tenants import TenantSuite
from reseal.testing._sync.store_suites.time import TimeSuite


class StoreSuite(
    InsertSuite,
    RotateSuite,
    ConfirmSuite,
    ReplaceSuite,
    LimitSuite,
    EndSuite,
    ProviderSuite,
    ListSuite,
    DeviceSuite,
    IsolationSuite,
    NotBeforeSuite,
    PurgeSuite,
    ClaimSuite,
    TenantSuite,
    KeySuite,
    TimeSuite,
    EventSuite,
    KillSuite,
    NoteSuite,
    CaseSuite,
    AuditSuite,
):
    """The tests of all groups."""
