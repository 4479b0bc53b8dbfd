"""What may be told of an error: the texts of servers and drivers quote names, addresses and values. Knows no driver."""

from __future__ import annotations

import ssl
from typing import Final

_WHY: Final = {
    "AuthenticationError": "wrong or missing user or password",
    "BusyLoadingError": "the server is still reading its files",
    "ConnectionError": "no server, or it closed the connection",
    "MasterNotFoundError": "no Sentinel answers that knows this service and a master of it",
    "NoPermissionError": "the user lacks a right",
    "OutOfMemoryError": "maxmemory is reached",
    "ReadOnlyError": "it takes no writes",
    "TimeoutError": "no answer in time",
}
"""By the names that the driver gives its errors."""
TOO_FEW_REPLICAS: Final = "NOREPLICAS"
"""What the text begins with that a server sends which is short of ``min-replicas-to-write``."""


def reason(error: BaseException | None) -> str:
    """Say what happened, or name the class of an error that is not among those to be expected."""
    at = error
    while at is not None:
        if isinstance(at, ssl.SSLError):
            return "no TLS connection: see ssl_ca_certs, and the name in the server's certificate"
        at = at.__cause__ or at.__context__
    if str(error).startswith("DB index is out of range"):
        return "there is no database of this number"
    if str(error).startswith("unknown command"):
        return "it does not know a command that it was sent: is it what the scheme says?"
    if str(error).startswith(TOO_FEW_REPLICAS):
        return "it takes no writes: fewer replicas follow it than min-replicas-to-write"
    name = type(error).__name__
    return _WHY.get(name, name)
