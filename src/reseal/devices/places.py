"""Places of addresses, from a database file on this machine: no address leaves it.

The file has the format of MaxMind DB, which several publishers of such data use. The package ``maxminddb`` (extra
``devices``) reads it. It is opened once in a process: a newer file is read after a restart.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from reseal.core.errors import ConfigurationError

_LANGUAGE: Final = "en"


def place_of(address: str | None, database: str | None) -> str | None:
    """Return the place of an address or network, like "Vienna, Austria"; ``None`` if it is not known.

    Raises ``ConfigurationError`` for a file that cannot be read.
    """
    if address is None or database is None:
        return None
    try:
        found = _reader(database).get(address.removeprefix("::ffff:").partition("/")[0])
    except ValueError:  # not an address: the caller said what it is
        return None
    if not isinstance(found, dict):
        return None
    names = [_name(found.get("city")), _name(found.get("country"))]
    return ", ".join(name for name in names if name is not None) or None


def _name(part: Any) -> str | None:
    names = part.get("names") if isinstance(part, dict) else None
    name = names.get(_LANGUAGE) if isinstance(names, dict) else None
    return name if isinstance(name, str) else None


@cache
def _reader(path: str) -> Any:
    try:
        import maxminddb  # noqa: PLC0415 - an extra

        return maxminddb.open_database(path)
    except ModuleNotFoundError:
        raise ConfigurationError(('place_database: needs a package: pip install "reseal[devices]"',)) from None
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigurationError((f"place_database: cannot be read: {error}",)) from None
