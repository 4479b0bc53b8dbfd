"""Errors of the server and of the connection to it, whichever driver they come from."""

from __future__ import annotations

from typing import Any, Final, Never

TAKEN: Final = 1062
DENIED: Final = frozenset({1044, 1142, 1143, 1227})
DEADLOCK: Final = 1213
LOCK_WAIT: Final = 1205
AGAIN: Final = frozenset({DEADLOCK, LOCK_WAIT, 1020})
"""A transaction that was rolled back for another one's sake, or is to be."""
ELSEWHERE: Final = frozenset({1047, 1053, 1290, 1836})
"""The server is leaving, has no majority, or takes no writes any longer: another one may."""
OF_ONE_ROW: Final = AGAIN | {TAKEN, 1048, 1153, 1264, 1300, 1366, 1406, 3140, 4025}
"""What failed about a row: a value that a column does not hold, or another transaction with the same row."""
CLEAR_TEXT: Final = 2061
"""The driver's number for a way of signing in that fails."""
NO_SERVER: Final = 2003
_WHY: Final = {
    1040: "too many connections",
    1044: "the user may not use the database",
    1045: "wrong user or password",
    1047: "the node is not in the primary part of its cluster",
    1049: "there is no such database",
    1130: "the server accepts no connections from here",
    2002: "no socket or server",
    NO_SERVER: "no server",
    2026: "no TLS connection: see ssl-mode",
    2059: "the driver does not know the user's way of signing in",
    CLEAR_TEXT: "the server wants the password in clear text, which ssl-mode must be VERIFY_IDENTITY or VERIFY_CA for",
}


def why(number: int, *, is_encrypted: bool) -> str:
    """Return what may be told of a failed connection: the texts of servers and drivers quote users and addresses."""
    if number == NO_SERVER and is_encrypted:
        return "no server, or one without TLS: see ssl-mode"
    return _WHY.get(number, "")


class ServerError(Exception):
    """Something that a driver raised, which is the cause. ``number``: that of the server or driver, or 0."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def is_of_the_server(self) -> bool:
        """Whether the server has answered with it, so that the connection can go on."""
        return bool(self.number) and not 2000 <= self.number < 3000  # noqa: PLR2004 - those are the drivers' numbers


class NoClearText:
    """In place of a driver's way of signing in that sends the password as it is: whoever answers could ask for it."""

    def __init__(self, _: Any) -> None:
        pass

    def authenticate(self, _: Any) -> Never:
        """Refuse. Raises ``ServerError``."""
        raise ServerError(CLEAR_TEXT)


NO_CLEAR_TEXT: Final = {"mysql_clear_password": NoClearText, "dialog": NoClearText}
"""By the names of these ways in the protocol; the second is PAM's."""


def wrapped(error: Exception) -> ServerError:
    """Wrap what a driver raised."""
    if isinstance(error, ServerError):
        return error
    number = error.args[0] if error.args else 0
    return ServerError(number if isinstance(number, int) and type(error).__module__ in _DRIVERS else 0)


_DRIVERS: Final = frozenset({"asyncmy.errors", "pymysql.err"})
