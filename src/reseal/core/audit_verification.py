"""Verification of an audit trail: what was changed, removed, inserted or moved, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import inf
from typing import Any, NamedTuple

from reseal.core.audit import BEGINNING, AuditRow, hash_of
from reseal.core.audit_checkpoints import KIND, is_signed


class AuditProblem(NamedTuple):
    """What is wrong with an audit trail."""

    seq: int
    """The number of the row where it was found."""
    text: str


class _Checkpoint(NamedTuple):
    """A checkpoint that its own key signed and that fits the rows before it."""

    seq: int
    key: str
    first: int
    previous: frozenset[str]


class AuditVerification(NamedTuple):
    """The result of verifying an audit trail."""

    first: int
    """The number of the oldest row that is kept; 0 if there is none."""
    last: int
    signed_up_to: int
    """The number of the last checkpoint: rows behind it are not signed yet."""
    problems: tuple[AuditProblem, ...]


class AuditVerifier:
    """Takes the rows of a trail in their order. ``keys``: the public keys that sign its checkpoints at present.

    A key that a checkpoint by a right key names as its predecessor is right before it, and so is that of ``kept``, a
    checkpoint that was exported before: whoever has a key that was replaced signs nothing more.
    """

    def __init__(self, keys: Iterable[str], kept: AuditRow | None = None) -> None:
        self._present = frozenset(keys)
        self._checkpoints: list[_Checkpoint] = []
        self._kept = kept
        self._problems: list[AuditProblem] = []
        self._first = self._last = self._signed = 0
        self._hash = BEGINNING
        self._number: int | None = None
        self._stated_first = 1

    def take(self, row: AuditRow) -> None:
        """Check the next row."""
        members = _members(row)
        if not self._last:
            self._begin(row, members)
        elif row.seq > self._last + 1:
            self._report(row, f"rows {self._last + 1} to {row.seq - 1} are missing")
        if members.get("seq") != row.seq:
            self._report(row, f"the entry is that of another row: it has the number {members.get('seq')}")
        if hash_of(self._hash, row.entry) != row.hash:
            self._report(row, "the hash does not fit: this row was changed, or the one before it, or some are missing")
        self._check_numbers(row, members)
        if members.get("kind") == KIND:
            self._check_signature(row, members)
        if self._kept is not None and row.seq == self._kept.seq and row != self._kept:
            self._report(row, "the row differs from the checkpoint that was exported")
        self._last, self._hash = row.seq, row.hash

    def result(self) -> AuditVerification:
        """Return what was found, at the end."""
        kept = self._kept
        self._settle()
        if kept is not None and kept.seq > self._last:
            missing = f"rows up to {kept.seq}, the checkpoint that was exported, are missing at the end"
            self._problems.append(AuditProblem(self._last, missing))
        if self._first > self._stated_first:
            missing = f"rows up to {self._first - 1} are missing at the beginning, and no checkpoint allows it"
            self._problems.insert(0, AuditProblem(self._first, missing))
        self._problems.sort(key=lambda problem: problem.seq)
        return AuditVerification(self._first, self._last, self._signed, tuple(self._problems))

    def _begin(self, row: AuditRow, members: dict[str, Any]) -> None:
        """The first row that is kept is row 1, or a checkpoint, which states and signs the hash before it."""
        self._first = row.seq
        if row.seq > 1 and members.get("kind") == KIND:
            self._hash = bytes.fromhex(str(members.get("prev")))

    def _check_numbers(self, row: AuditRow, members: dict[str, Any]) -> None:
        """Events have numbers without gaps, which the outbox gave them."""
        number = members.get("number")
        if members.get("kind") == "missing":
            self._report(row, "rows at the end had been removed before this row was written: events are missing")
        elif members.get("kind") == "event" and self._number is not None and number != self._number + 1:
            self._report(row, f"event {number} follows event {self._number}: the ones between are missing")
        self._number = number if isinstance(number, int) else self._number

    def _check_signature(self, row: AuditRow, members: dict[str, Any]) -> None:
        if not is_signed(members):
            self._report(row, "the signature of this checkpoint is not right")
        elif members.get("prev") != self._hash.hex():
            self._report(row, "the rows before this checkpoint are not those that it signed")
        else:
            named = members.get("previous")
            previous = frozenset(map(str, named if isinstance(named, list) else ()))
            self._checkpoints.append(_Checkpoint(row.seq, members["key"], members.get("first", 1), previous))

    def _settle(self) -> None:
        """Tell the checkpoints by right keys from others: which keys those are, later checkpoints say."""
        named = self._present | ({str(_members(self._kept).get("key"))} if self._kept else set())
        before = dict.fromkeys(named, inf)
        for checkpoint in reversed(self._checkpoints):
            if checkpoint.seq < before.get(checkpoint.key, 0):
                before |= dict.fromkeys(checkpoint.previous - self._present, checkpoint.seq)
        right = [each for each in self._checkpoints if each.seq < before.get(each.key, 0)]
        if right:
            self._signed, self._stated_first = right[-1].seq, right[-1].first
        self._problems += [
            AuditProblem(checkpoint.seq, "this checkpoint is signed by a key that is not the trail's")
            for checkpoint in self._checkpoints
            if checkpoint not in right
        ]

    def _report(self, row: AuditRow, text: str) -> None:
        self._problems.append(AuditProblem(row.seq, text))


def _members(row: AuditRow) -> dict[str, Any]:
    """Read an entry; empty if it is not JSON any more."""
    try:
        members = json.loads(row.entry)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}
