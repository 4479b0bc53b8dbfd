"""What everything that offers sessions has to pass: one test per promise of ``ports.AsyncSessions``.

Subclass it and give it a fixture ``world`` (see :class:`reseal.testing._async.world.AsyncWorld`)::

    class TestMySessions(AsyncSessionsSuite):
        @pytest.fixture
        async def world(self, tmp_path):
            async with MyWorld(lambda clock: AsyncSQLiteStore(tmp_path / "sessions.db", clock)) as world:
                yield world
"""

from __future__ import annotations

from reseal.testing._async.session_suites.acting import AsyncActingSuite
from reseal.testing._async.session_suites.anti_csrf import AsyncAntiCsrfSuite
from reseal.testing._async.session_suites.attempt_keys import AsyncAttemptKeySuite
from reseal.testing._async.session_suites.cases import AsyncCaseListSuite
from reseal.testing._async.session_suites.classic import AsyncClassicSuite
from reseal.testing._async.session_suites.data import AsyncDataSuite
from reseal.testing._async.session_suites.devices import AsyncDeviceListSuite
from reseal.testing._async.session_suites.elevation import AsyncElevationSuite
from reseal.testing._async.session_suites.ending import AsyncEndingSuite
from reseal.testing._async.session_suites.failures import AsyncFailureSuite
from reseal.testing._async.session_suites.holds import AsyncHoldSuite
from reseal.testing._async.session_suites.life import AsyncLifeSuite
from reseal.testing._async.session_suites.lost_responses import AsyncLostResponseSuite
from reseal.testing._async.session_suites.new_devices import AsyncNewDeviceSuite
from reseal.testing._async.session_suites.policies import AsyncPolicySuite
from reseal.testing._async.session_suites.providers import AsyncProviderLogoutSuite
from reseal.testing._async.session_suites.restarts import AsyncRestartSuite
from reseal.testing._async.session_suites.rotation import AsyncRotationSuite
from reseal.testing._async.session_suites.tickets import AsyncTicketSuite
from reseal.testing._async.session_suites.visitors import AsyncVisitorSuite


class AsyncSessionsSuite(
    AsyncLifeSuite,
    AsyncDataSuite,
    AsyncEndingSuite,
    AsyncProviderLogoutSuite,
    AsyncDeviceListSuite,
    AsyncNewDeviceSuite,
    AsyncCaseListSuite,
    AsyncHoldSuite,
    AsyncPolicySuite,
    AsyncElevationSuite,
    AsyncActingSuite,
    AsyncFailureSuite,
    AsyncAntiCsrfSuite,
    AsyncRotationSuite,
    AsyncLostResponseSuite,
    AsyncAttemptKeySuite,
    AsyncClassicSuite,
    AsyncTicketSuite,
    AsyncVisitorSuite,
    AsyncRestartSuite,
):
    """The tests of all groups."""
