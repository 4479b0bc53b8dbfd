"""What applications over the SDKs answer, and which SDKs a test is for."""

from __future__ import annotations

TRY_REFRESH = "401 try refresh token"
UNAUTHORISED = "401 unauthorised"
THEFT = "401 token theft detected"
SIGNED_OUT = {UNAUTHORISED, TRY_REFRESH}
"""The older ones say that to everybody who comes without tokens."""


def of_those(able):
    """Run a test only with the SDKs that are able to do what it is about."""

    def mark(test):
        test.able = able
        return test

    return mark


def accepted(reply):
    return reply.refusal is None


def about_sessions(calls):
    """Leave out that an SDK looks for keys, which it does when it starts and from time to time."""
    return [call for call in calls if not any(map(call.is_for, ("apiversion", "handshake", "jwks.json")))]
