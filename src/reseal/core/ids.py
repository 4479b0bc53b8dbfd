"""Ids given by callers: converted to plain text, or rejected with the argument's name before a store sees them.

Stores compare byte for byte, and each driver converts other types in its own way: a number would match no user in one
store and some user in another. An instance of a subclass of ``str`` becomes the text that it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from reseal.core.errors import InvalidInput

ANONYMOUS: Final = "reseal:anonymous"
"""The user id of visitors who are not signed in, where a framework keeps sessions for them too, as Django does.

Such a session holds data and identifies nobody: whoever verifies one finds no session.
"""
_CONSUMER: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def user_id(given: str) -> str:
    """Return a user id as plain text. Raises ``InvalidInput``."""
    return _plain("user_id", given, "str(user.pk)")


def user_to_sign_in(given: str) -> str:
    """Do the same for a sign-in. Raises ``InvalidInput`` for :data:`ANONYMOUS` as well."""
    text = user_id(given)
    if text == ANONYMOUS:
        raise InvalidInput("user_id", f"{ANONYMOUS} stands for visitors who are not signed in")
    return text


def handle(given: str, argument: str = "session_handle") -> str:
    """Return a session handle as plain text. Raises ``InvalidInput``."""
    return _plain(argument, given, f"str({argument})")


def handle_or_none(given: str | None, argument: str) -> str | None:
    """Return a session handle as plain text, and ``None`` unchanged. Raises ``InvalidInput``."""
    return None if given is None else handle(given, argument)


def handles(given: Iterable[str]) -> tuple[str, ...]:
    """Return session handles as plain text. Raises ``InvalidInput``, also for one handle instead of several."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidInput("session_handles", f"must be several handles, not one {_kind(given)}: pass [session_handle]")
    return tuple(_plain("session_handles", each, "str(session_handle) for each") for each in given)


def consumer(given: str) -> str:
    """Return the name of a consumer of events. Raises ``InvalidInput``."""
    if isinstance(given, str) and _CONSUMER.fullmatch(given):
        return str.__str__(given)
    raise InvalidInput("consumer", 'must be a name of 1 to 64 letters, digits and ._- like "mailer"')


def _plain(argument: str, given: object, advice: str) -> str:
    if type(given) is str:
        return given
    if isinstance(given, str):
        return str.__str__(given)  # not str(given): a text Enum would return its own name
    if given is None:
        advice = "text that was looked up, and nothing else"  # str(None) could be a user's id
    elif isinstance(given, bytes | bytearray):
        advice = f"{argument}.decode()"
    raise InvalidInput(argument, f"must be text, not {_kind(given)}: pass {advice}")


def _kind(given: object) -> str:
    return "None" if given is None else type(given).__name__
