"""More callers than connections to PostgreSQL, and one of those stuck behind a lock (reliability: E11)."""

from __future__ import annotations

from tests.server.experiments import Crowd, Report

POOL = 5


async def test_of_more_callers_than_connections_those_in_excess_wait_or_hear_503_and_all_are_served_afterwards(
    start_sharing, server
):
    [process] = await start_sharing(1, RESEAL_POSTGRESQL_CONNECTION_POOL_SIZE=str(POOL))
    report = Report()
    crowd = Crowd(process, server, POOL, report)
    await crowd.gather()
    await crowd.meet_a_lock()
    await crowd.is_served()
    assert report.violations == []
    assert not report.failed_afterwards, "every call that begins after the release is answered"
