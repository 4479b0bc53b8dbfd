"""Commands for webhooks."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from reseal._async.ports import AsyncStore
from reseal.core import webhook_signatures
from reseal.core.webhooks import Endpoint, WebhookEndpoint
from reseal.server import request_log, webhooks
from reseal.server.cli.arguments import command, configured, group, settings_of
from reseal.server.cli.exits import DONE, REFUSED, CommandFailed
from reseal.server.cli.opened import in_store
from reseal.server.cli.output import Row, printable, show, time_of
from reseal.server.tenants.directory import Directory
from reseal.webhooks.answers import Answer
from reseal.webhooks.delivering import name_of
from reseal.webhooks.forms import form_of
from reseal.webhooks.senders import sender_of
from reseal.webhooks.state import State, read, written


def add(commands: Any) -> None:
    """Declare these commands."""
    of_webhooks = group(commands, "webhooks", "List, test and repair webhooks, and deliver them.")
    configured(command(of_webhooks, "list", list_endpoints))
    for name, run in (("test", send_trial), ("enable", enable), ("replay", replay)):
        parser = configured(command(of_webhooks, name, run))
        parser.add_argument("name", metavar="NAME", help="the endpoint, as the configuration names it")
    parser.add_argument("--id", action="append", dest="ids", metavar="ID", help="this message alone; may be repeated")
    configured(command(of_webhooks, "deliver", deliver, json_too=False))


def list_endpoints(options: Namespace) -> int:
    """List the endpoints, their state, and what receivers need to verify asymmetric signatures."""

    async def run(_: Directory, store: AsyncStore) -> list[Row]:
        endpoints = settings_of(options).webhooks
        return [_row(endpoint, read(await store.read_note(name_of(endpoint)))) for endpoint in endpoints]

    show(in_store(options, run, looks_only=True), options, empty="No webhooks are configured.")
    return DONE


def send_trial(options: Namespace) -> int:
    """Send a message that only tests an endpoint, and show what it answered."""
    endpoint = _endpoint(options)

    async def run() -> Answer:
        sender, form, now = sender_of(endpoint), form_of(endpoint), time.time_ns() // 1_000_000
        message = form.trial(os.urandom(16).hex(), now)
        body, headers = form.packed(message, now)
        try:
            return form.judged(await sender.send(body, headers, now), message)
        finally:
            await sender.close()

    answer = asyncio.run(run())
    show([{"name": endpoint.name, "delivered": answer.is_success, "answer": str(answer)}], options)
    return DONE if answer.is_success else REFUSED


def enable(options: Namespace) -> int:
    """Send to an endpoint again that was disabled, at once."""
    before, _ = _change(options, State.enabled)
    show([{"name": options.name, "was_disabled": before.disabled or None, "waiting": len(before.messages)}], options)
    return DONE


def replay(options: Namespace) -> int:
    """Send messages once more that were given up: all of an endpoint, or some."""
    ids = None if options.ids is None else frozenset(options.ids)
    before, after = _change(options, lambda state: state.replayed(ids))
    gone = [each for each in before.failed if each not in after.failed]
    show([{"replayed": each.id} for each in gone], options, empty="No such message was given up.")
    return DONE if gone else REFUSED


def deliver(options: Namespace) -> int:
    """Deliver to all endpoints in this process, until SIGTERM or SIGINT; the service does so itself."""
    settings = settings_of(options)
    if not settings.webhooks:
        raise CommandFailed("no webhooks are configured")
    webhooks.require(settings)
    request_log.set_up(settings.log_level)

    async def run(directory: Directory, store: AsyncStore) -> None:
        task = asyncio.create_task(webhooks.deliver(settings, store, directory))
        with suppress(NotImplementedError):  # on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    in_store(options, run)
    return DONE


def _endpoint(options: Namespace) -> Endpoint:
    settings = settings_of(options)
    webhooks.require(settings)
    for endpoint in settings.webhooks:
        if endpoint.name == options.name:
            return endpoint
    known = ", ".join(each.name for each in settings.webhooks) or "none"
    raise CommandFailed(f"there is no webhook {printable(options.name)}; configured: {known}")


def _change(options: Namespace, change: Callable[[State], State]) -> tuple[State, State]:
    """Change the state of an endpoint, whoever else does; returns it as it was and as it is."""
    name = name_of(_endpoint(options))

    async def run(_: Directory, store: AsyncStore) -> tuple[State, State]:
        while True:
            note = await store.read_note(name)
            before = read(note)
            after = change(before)
            if after == before or await store.write_note(name, note.version if note else 0, written(after)):
                return before, after

    return in_store(options, run)


def _row(endpoint: Endpoint, state: State) -> Row:
    url = urlsplit(endpoint.url)
    return {
        "name": endpoint.name,
        "host": f"{url.scheme}://{url.hostname or url.path}",  # the path may be a secret
        "events": list(endpoint.types),
        "state": f"disabled: {state.disabled}" if state.disabled else "enabled",
        "waiting": len(state.messages),
        "given_up": [each.id for each in state.failed],
        "last_success": time_of(state.succeeded_at) if state.succeeded_at else None,
        "last_failure": f"{time_of(state.failed_at)} {state.problem}" if state.failed_at else None,
        "public_keys": _public_keys(endpoint),
    }


def _public_keys(endpoint: Endpoint) -> list[str]:
    secrets = endpoint.secrets if isinstance(endpoint, WebhookEndpoint) else ()
    return [key for each in secrets if (key := webhook_signatures.public_key(each))]
