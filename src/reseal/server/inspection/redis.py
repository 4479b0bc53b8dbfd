"""Check Redis or Valkey before the store opens it; nothing is written."""

from __future__ import annotations

from reseal._async.stores.redis_server import AsyncRedisServer
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.server.inspection.finding import Finding, warned
from reseal.stores.redis import durability

PATIENCE = 5
"""Timeout in seconds for connecting, and for each reply."""


async def look(uri: Secret) -> list[Finding]:
    """Check what each node keeps. Returns no findings if the connection fails: opening the store reports why."""
    server = AsyncRedisServer(uri, pool_size=1, timeout_s=PATIENCE)
    try:
        nodes = await server.inspect()
    except StoreUnavailable:
        return []
    finally:
        await server.close()
    findings = []
    for node in nodes:
        problems = durability.problems(node, server.address) + durability.shortages(node, server.address)
        findings += [Finding("durability", fine=False, text=problem) for problem in problems]
        findings += [] if problems else [Finding("durability", fine=True, text=node.keeps())]
        findings += [warned("durability", warning) for warning in durability.warnings(node, server.address)]
    return findings
