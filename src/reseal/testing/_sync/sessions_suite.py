# Generated from src/reseal/testing/_async/sessions_suite.py by tools/unasync.py; edit that file instead.
"""What everything that offers sessions has to pass: one test per promise of ``ports.Sessions``.

Subclass it and give it a fixture ``world`` (see :class:`reseal.testing._sync.world.World`)::

    class TestMySessions(SessionsSuite):
        @pytest.fixture
        def world(self, tmp_path):
            with MyWorld(lambda clock: SQLiteStore(tmp_path / "sessions.db", clock)) as world:
                yield world
"""

from __future__ import annotations

from reseal.testing._sync.session_suites.acting import ActingSuite
from reseal.testing._sync.session_suites.anti_csrf import AntiCsrfSuite
from reseal.testing._sync.session_suites.attempt_keys import AttemptKeySuite
from reseal.testing._sync.session_suites.cases import CaseListSuite
from reseal.testing._sync.session_suites.classic import ClassicSuite
from reseal.testing._sync.session_suites.data import DataSuite
from reseal.testing._sync.session_suites.devices import DeviceListSuite
from reseal.testing._sync.session_suites.elevation import ElevationSuite
from reseal.testing._sync.session_suites.ending import EndingSuite
from reseal.testing._sync.session_suites.failures import FailureSuite
from reseal.testing._sync.session_suites.holds import HoldSuite
from reseal.testing._sync.session_suites.life import LifeSuite
from reseal.testing._sync.session_suites.lost_responses import LostResponseSuite
from reseal.testing._sync.session_suites.new_devices import NewDeviceSuite
from reseal.testing._sync.session_suites.policies import PolicySuite
from reseal.testing._sync.session_suites.providers import ProviderLogoutSuite
from reseal.testing._sync.session_suites.restarts import RestartSuite
from reseal.testing._sync.session_suites.rotation import RotationSuite
from reseal.testing._sync.session_suites.tickets import TicketSuite
from reseal.testing._sync.session_suites.visitors import VisitorSuite


class SessionsSuite(
    LifeSuite,
    DataSuite,
    EndingSuite,
    ProviderLogoutSuite,
    DeviceListSuite,
    NewDeviceSuite,
    CaseListSuite,
    HoldSuite,
    PolicySuite,
    ElevationSuite,
    ActingSuite,
    FailureSuite,
    AntiCsrfSuite,
    RotationSuite,
    LostResponseSuite,
    AttemptKeySuite,
    ClassicSuite,
    TicketSuite,
    VisitorSuite,
    RestartSuite,
):
    """The tests of all groups."""
