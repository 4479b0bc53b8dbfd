"""The two policies: values, not code paths. Milliseconds. The embedded form and the service both use them."""

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
    """Return the policy of the native interface and of CDI 5.6.

    ``lost_response_window`` defaults to a week, so that a laptop that slept through a long weekend in the middle of a
    refresh stays signed in. It never exceeds the idle limit.
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
    """Return the policy of CDI 5.5 and older: a lost response is tolerated until the session expires."""
    return Policy(
        race_window=race_window,
        lost_response_window=None,
        theft_response=theft_response or TheftResponse.REPORT,
        confirm_by_verify=True,
        rollback=rollback,
    )
