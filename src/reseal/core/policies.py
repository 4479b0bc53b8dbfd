"""The two policies: values, not code paths. Milliseconds. The embedded form and the service take them from here."""

from __future__ import annotations

from typing import Final

from reseal.core.model import Policy, Rollback, TheftResponse

WEEK: Final = 7 * 24 * 3600 * 1000


def graceful(
    race_window: int,
    idle_ms: int,
    *,
    lost_response_window: int | None = None,
    theft_response: TheftResponse | None = None,
    rollback: Rollback = Rollback.ADOPT,
) -> Policy:
    """Give the policy of the native interface and of CDI 5.6.

    Without a ``lost_response_window`` it is a week, so that a laptop that slept in the middle of a refresh over a long
    weekend is met kindly, and no longer than the idle limit.
    """
    window = min(WEEK, idle_ms) if lost_response_window is None else lost_response_window
    return Policy(
        race_window=race_window,
        lost_response_window=window,
        theft_response=theft_response or TheftResponse.REVOKE_SESSION,
        confirm_by_verify=False,
        rollback=rollback,
    )


def classic(
    race_window: int,
    *,
    theft_response: TheftResponse | None = None,
    rollback: Rollback = Rollback.ADOPT,
) -> Policy:
    """Give the policy of CDI 5.5 and older: an answer may be lost until the session expires."""
    return Policy(
        race_window=race_window,
        lost_response_window=None,
        theft_response=theft_response or TheftResponse.REPORT,
        confirm_by_verify=True,
        rollback=rollback,
    )
