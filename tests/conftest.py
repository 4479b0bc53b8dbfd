"""Set up before any test is read."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("reseal", deadline=None)  # how long an example takes is a matter for the benchmarks
settings.load_profile("reseal")
pytest.register_assert_rewrite("reseal.testing._async", "reseal.testing._sync")

from tests.support import lanes  # noqa: E402
from tests.support.lanes import (  # noqa: E402, F401 - hooks
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_report_header,
)
from tests.support.mariadb import mariadb, mariadb_uri, own_mariadb  # noqa: E402, F401 - fixtures, after the above
from tests.support.postgres import own_postgres, postgres, postgres_uri  # noqa: E402, F401 - fixtures, after the above
from tests.support.redis import own_redis, redis_server, redis_uri  # noqa: E402, F401 - fixtures, too
from tests.support.redis_cluster import redis_nodes, shared_cluster, watched_redis  # noqa: E402, F401 - fixtures, too


def pytest_configure(config: pytest.Config) -> None:
    lanes.pytest_configure(config)
    config.pluginmanager.register(lanes.LongestFirst())
