"""The command that reads the event outbox."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any, Final

from reseal._async.ports import AsyncStore
from reseal.core import ids
from reseal.core.outbox import EventPage
from reseal.log import as_json
from reseal.server.cli.arguments import command, configured, group
from reseal.server.cli.exits import DONE
from reseal.server.cli.opened import in_store
from reseal.server.tenants.directory import Directory

AT_ONCE: Final = 500
"""Events between two acknowledgements."""


def add(commands: Any) -> None:
    """Declare this command."""
    events = group(commands, "events", "Read the event outbox.")
    parser = configured(command(events, "read", read_events, json_too=False))
    parser.add_argument("consumer", metavar="CONSUMER", help="a name of your own; each consumer gets every event")


def read_events(options: Namespace) -> int:
    """Print the events that a consumer has not read yet, one line of JSON each, and acknowledge them once written."""
    consumer = ids.consumer(options.consumer)

    async def run(_: Directory, store: AsyncStore) -> None:
        while True:
            page = await store.read_events(consumer, AT_ONCE)
            _print(page)
            if page.events or page.lost:
                await store.acknowledge_events(consumer, page.cursor)
            if len(page.events) < AT_ONCE:
                return

    in_store(options, run)
    return DONE


def _print(page: EventPage) -> None:
    """Write a page to standard output, and to standard error what is missing before it."""
    if page.lost:
        print(f"{page.lost} events were removed before this consumer read them", file=sys.stderr)
    for event in page.events:
        print(as_json(event))
    sys.stdout.flush()
