"""How lines reach standard error: together, in order, and none is lost."""

from __future__ import annotations

import asyncio
import io
import json
import logging

import pytest

from reseal.core.events import Event, EventName
from reseal.core.model import Scope
from reseal.log import LOGGER, log_event
from reseal.server import request_log

EVENT = Event(name=EventName.SESSION_CREATED, at=0, scope=Scope(), user_id="line\u2028break\n")
THEFT = Event(name=EventName.TOKEN_THEFT, at=0, scope=Scope())


class Stream(io.StringIO):
    """Counts the writes that hold something."""

    def __init__(self):
        super().__init__()
        self.writes = 0

    def write(self, text):
        self.writes += bool(text)
        return super().write(text)

    @property
    def lines(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def stream(monkeypatch):
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    request_log.set_up("INFO")
    return stream


async def test_what_is_logged_in_one_turn_of_the_loop_is_one_write(stream):
    for _ in range(3):
        log_event(EVENT)
    LOGGER.info("by hand")
    assert stream.writes == 0
    await asyncio.sleep(0)
    assert stream.writes == 1
    assert [line["event"] for line in stream.lines] == ["session_created"] * 3 + ["log"]
    log_event(EVENT)
    await asyncio.sleep(0)
    assert (stream.writes, len(stream.lines)) == (2, 5)


async def test_a_warning_is_written_at_once_and_after_what_came_before_it(stream):
    log_event(EVENT)
    log_event(THEFT)
    assert [line["event"] for line in stream.lines] == ["session_created", "token_theft"]


def test_outside_of_a_loop_a_line_is_written_at_once(stream):
    log_event(EVENT)
    assert stream.lines[0]["user_id"] == EVENT.user_id


def test_a_loop_that_ends_takes_no_line_with_it(stream):
    async def one():
        log_event(EVENT)

    for _ in range(2):
        asyncio.run(one())
    logging.getLogger("reseal").handlers[0].flush()
    assert len(stream.lines) == 2


def test_no_character_of_a_line_ends_it(stream):
    log_event(EVENT)
    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1


async def test_a_stream_that_is_gone_fails_no_request(stream, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream.close()
    monkeypatch.setattr(stream, "flush", stream.getvalue)  # raises now
    log_event(THEFT)
    log_event(EVENT)
    await asyncio.sleep(0)


def test_other_handlers_get_the_line_as_its_message(caplog):
    with caplog.at_level(logging.INFO, logger="reseal"):
        log_event(EVENT)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.levelno) == ("reseal", "INFO", logging.INFO)
    assert json.loads(record.getMessage())["event"] == "session_created"
    assert record.created > 0


async def test_a_line_that_cannot_be_formatted_fails_no_request_and_takes_no_other_with_it(stream, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log_event(EVENT)
    LOGGER.info("%d of them", "some")
    LOGGER.info("by hand")
    await asyncio.sleep(0)
    assert [line["event"] for line in stream.lines] == ["session_created", "log"]
