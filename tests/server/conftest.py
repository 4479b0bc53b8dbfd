"""RSA keys are slow to make and to read, and no test of the service depends on which ones there are: a few go round."""

from __future__ import annotations

import functools
import itertools
import logging
import os
from collections.abc import Iterator
from unittest import mock

import pytest
from cryptography.hazmat.primitives import serialization

from reseal.core import keys
from tests.server.sharing import rounds, server, sharing, start_sharing  # noqa: F401 - fixtures

POOL = 8
"""Enough for four apps in one test, each with keys of its own."""
WIRE_BITS = 2048
_generate = keys.generate
_load = functools.cache(serialization.load_der_private_key)
_pool: list[bytes] = []
_turn = itertools.count()


@pytest.fixture(autouse=True)
def _keys_from_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "generate", _draw)
    monkeypatch.setattr(serialization, "load_der_private_key", _load)


@pytest.fixture(autouse=True)
def _environment_as_before() -> Iterator[None]:
    """Commands hand their options to workers in the environment; what one test gave must not reach the next."""
    with mock.patch.dict(os.environ):
        yield


def _draw(algorithm: str, rsa_bits: int = keys.RSA_BITS) -> bytes:
    if (algorithm, rsa_bits) != ("RS256", WIRE_BITS):
        return _generate(algorithm, rsa_bits)
    if len(_pool) < POOL:
        _pool.append(_generate(algorithm, rsa_bits))
    return _pool[next(_turn) % len(_pool)]


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """A command that serves takes the loggers of its process; here that process goes on with other tests."""
    loggers = [logging.getLogger(name) for name in ("reseal", "uvicorn")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
