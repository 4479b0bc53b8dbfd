"""Secrets that somebody could guess."""

from __future__ import annotations

import secrets

import pytest

from reseal.core.guessable import obvious, weakness


@pytest.mark.parametrize("secret", ["correct horse battery staple", "only-words-in-lower-case", "Two words 17 times"])
def test_words_are_weak(secret):
    assert "words" in weakness(secret)


@pytest.mark.parametrize("secret", ["A1b2" * 4, "0123456789ABCDEF"])
def test_little_variety_is_weak(secret):
    assert weakness(secret) is not None


def test_random_text_is_neither_weak_nor_obvious():
    for _ in range(100):
        secret = secrets.token_urlsafe(48)
        assert (weakness(secret), obvious(secret)) == (None, None)


@pytest.mark.parametrize("secret", ["a" * 40, "abc1" * 12, "abcdef1" * 6, "change-this-secret-key"])
def test_what_everybody_would_try_is_obvious(secret):
    assert obvious(secret) is not None
