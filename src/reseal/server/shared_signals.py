"""The documents that the service publishes about itself as a transmitter of Shared Signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from reseal.cdi.problem import WRONG_METHOD, Problem
from reseal.core.keys import JWKS_MAX_AGE
from reseal.core.shared_signals import documents
from reseal.core.webhooks import Endpoint
from reseal.server.http.messages import Reply, Request


def replies(endpoints: Iterable[Endpoint]) -> Mapping[str, Reply]:
    """Return the replies by their paths, which are those on the host of the issuer: no base path is before them."""
    lasting = ((b"cache-control", b"max-age=%d, must-revalidate" % JWKS_MAX_AGE),)
    found = documents(endpoints).items()
    return {path: Reply(200, msgspec.json.encode(document), headers=lasting) for path, document in found}


def published(known: Mapping[str, Reply], request: Request) -> Reply | None:
    """Return the reply to a request for one of the documents. Raises ``Problem`` 405."""
    reply = known.get(request.path)
    if reply is not None:
        request.trace.operation = "shared_signals"
        if request.method not in {"GET", "HEAD"}:
            raise Problem(405, WRONG_METHOD, (b"allow", b"GET, HEAD"))
    return reply
