"""What every store has to pass: one test per promise of ``ports.AsyncStore``.

Subclass it, give it a fixture ``make_store`` and let pytest collect the subclass::

    class TestMyStore(AsyncStoreSuite):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda clock: MyStore(tmp_path / "data", clock)

``make_store(clock)`` returns another store over the same data each time, not yet open.

A store whose database has no clock takes its time from :class:`reseal.clock.SteadyClock`. It records the clock's
``mark`` with the data and passes the last one when it is opened; it follows the times that other processes have
recorded; and after a repair every process takes the recorded time, which may be earlier.
"""

from __future__ import annotations

from reseal.testing._async.store_suites.audit import AsyncAuditSuite
from reseal.testing._async.store_suites.cases import AsyncCaseSuite
from reseal.testing._async.store_suites.claims import AsyncClaimSuite
from reseal.testing._async.store_suites.confirming import AsyncConfirmSuite
from reseal.testing._async.store_suites.devices import AsyncDeviceSuite
from reseal.testing._async.store_suites.ending import AsyncEndSuite
from reseal.testing._async.store_suites.events import AsyncEventSuite
from reseal.testing._async.store_suites.inserting import AsyncInsertSuite
from reseal.testing._async.store_suites.isolation import AsyncIsolationSuite
from reseal.testing._async.store_suites.keys import AsyncKeySuite
from reseal.testing._async.store_suites.kills import AsyncKillSuite
from reseal.testing._async.store_suites.limits import AsyncLimitSuite
from reseal.testing._async.store_suites.listing import AsyncListSuite
from reseal.testing._async.store_suites.not_before import AsyncNotBeforeSuite
from reseal.testing._async.store_suites.notes import AsyncNoteSuite
from reseal.testing._async.store_suites.providers import AsyncProviderSuite
from reseal.testing._async.store_suites.purging import AsyncPurgeSuite
from reseal.testing._async.store_suites.replacing import AsyncReplaceSuite
from reseal.testing._async.store_suites.rotating import AsyncRotateSuite
from reseal.testing._async.store_suites.tenants import AsyncTenantSuite
from reseal.testing._async.store_suites.time import AsyncTimeSuite


class AsyncStoreSuite(
    AsyncInsertSuite,
    AsyncRotateSuite,
    AsyncConfirmSuite,
    AsyncReplaceSuite,
    AsyncLimitSuite,
    AsyncEndSuite,
    AsyncProviderSuite,
    AsyncListSuite,
    AsyncDeviceSuite,
    AsyncIsolationSuite,
    AsyncNotBeforeSuite,
    AsyncPurgeSuite,
    AsyncClaimSuite,
    AsyncTenantSuite,
    AsyncKeySuite,
    AsyncTimeSuite,
    AsyncEventSuite,
    AsyncKillSuite,
    AsyncNoteSuite,
    AsyncCaseSuite,
    AsyncAuditSuite,
):
    """The tests of all groups."""
