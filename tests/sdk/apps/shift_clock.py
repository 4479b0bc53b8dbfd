"""Runs an application whose clock is the tests' one: ``python shift_clock.py app.py …``; ends when its input does.

How far it is ahead stands in the file that ``RESEAL_TEST_CLOCK`` names: milliseconds, 8 bytes, little-endian.
"""

import datetime as dt
import os
import runpy
import sys
import threading
import time

file = os.open(os.environ["RESEAL_TEST_CLOCK"], os.O_RDONLY)
machines = time.time_ns
Moment = dt.datetime


def time_ns():
    return machines() + int.from_bytes(os.pread(file, 8, 0), "little") * 1_000_000


class AnyMoment(type):
    """Every moment is an instance, also those that C code makes."""

    def __instancecheck__(cls, value):
        return isinstance(value, Moment)

    def __subclasscheck__(cls, other):
        return issubclass(other, Moment)


class ShiftedMoment(Moment, metaclass=AnyMoment):
    @classmethod
    def now(cls, tz=None):
        return Moment.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return Moment.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9
dt.datetime = ShiftedMoment
threading.Thread(target=end_with_input, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
