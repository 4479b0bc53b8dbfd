"""Checkpoints of the audit trail, for an endpoint on another machine.

Each says all that earlier ones say, so only the newest is sent, again and again until it has arrived.
"""

from __future__ import annotations

import json
import time
from typing import Final, Protocol

from reseal._async.ports.audit import AsyncAuditStore
from reseal.core.audit import AuditRow
from reseal.core.audit_checkpoints import KIND, exported
from reseal.core.deliveries import Attempt, Attempted
from reseal.core.webhooks import WebhookEndpoint
from reseal.webhooks.delivering import DeliveryStore, Sender, name_of
from reseal.webhooks.forms import form_of
from reseal.webhooks.messages import checkpoint_message
from reseal.webhooks.state import read

EVERY: Final = 60_000
"""Milliseconds between two looks for a checkpoint that has not arrived."""
_ID_DIGITS: Final = 32


class AuditedStore(DeliveryStore, Protocol):
    """The parts of a store that checkpoints need."""

    @property
    def audit(self) -> AsyncAuditStore:
        """The audit trail."""


class CheckpointSender:
    """Sends checkpoints to one endpoint. Any number of processes may do so: the id of a checkpoint is the same."""

    def __init__(self, store: AuditedStore, endpoint: WebhookEndpoint, sender: Sender, attempted: Attempted) -> None:
        self._store = store
        self._sender = sender
        self._attempted = attempted
        self._form = form_of(endpoint)
        self._state = name_of(endpoint)
        self._name = f"checkpoint:{endpoint.name}"

    async def turn(self) -> int:
        """Send the newest checkpoint if it has not arrived yet; returns after how many milliseconds to look again.

        Raises ``StoreUnavailable``; nothing is lost by it.
        """
        newest, note = await self._newest(), await self._store.read_note(self._name)
        if newest is None or (note is not None and newest.hash.hex() == note.text):
            return EVERY
        if not read(await self._store.read_note(self._state)).disabled and await self._send(newest):
            await self._store.write_note(self._name, note.version if note else 0, newest.hash.hex())
        return EVERY

    async def _newest(self) -> AuditRow | None:
        """Return the last checkpoint, whose number the last row has, unless it is the last row itself."""
        head = await self._store.audit.last()
        members = json.loads(head.entry) if head else {}
        if head is None or members.get("kind") == KIND:
            return head
        for row in await self._store.audit.read(members["signed"] - 1, 1) if members.get("signed") else ():
            return row
        return None

    async def _send(self, checkpoint: AuditRow) -> bool:
        """Return whether it has arrived."""
        wall, began = (await self._store.times()).wall, time.time_ns()
        at, text = json.loads(checkpoint.entry)["at"], exported(checkpoint)
        message = checkpoint_message(checkpoint.hash.hex()[:_ID_DIGITS], at, text)
        body, headers = self._form.packed(message, wall)
        answer = self._form.judged(await self._sender.send(body, headers, wall), message)
        outcome = "ok" if answer.is_success else "failed"
        self._attempted(Attempt(self._state, outcome, began, time.time_ns(), answer.status))
        return answer.is_success
