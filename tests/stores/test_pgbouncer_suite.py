"""The PostgreSQL store keeps every promise of a store through PgBouncer too, whichever way that lends sessions."""

from __future__ import annotations

import pytest

from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.testing._async.store_suite import AsyncStoreSuite
from tests.support.pgbouncer import pgbouncer


@pytest.fixture(scope="module")
def pooled(request, postgres):
    database = f"pooled_suite_{request.param}"
    with postgres.admin() as admin:
        admin.execute(f"CREATE DATABASE {database}")
    with pgbouncer(postgres, database, request.param, "default_pool_size = 40") as uri:
        yield database, uri


class Pooled(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, pooled, postgres):
        database, uri = pooled
        with postgres.admin(database) as admin:
            admin.execute("DROP SCHEMA public CASCADE")
            admin.execute("CREATE SCHEMA public")
        return lambda clock: AsyncPostgresStore(uri, pool_size=2, connect_timeout_s=30, clock=clock)


@pytest.mark.whole
@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
class TestThroughATransactionPooler(Pooled):
    pass


@pytest.mark.whole
@pytest.mark.parametrize("pooled", ["session"], indirect=True)
class TestThroughASessionPooler(Pooled):
    pass
