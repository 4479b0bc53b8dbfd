"""Guessable secrets. The checks are heuristics: randomness itself cannot be measured."""

from __future__ import annotations

import re
from collections import Counter
from math import log2
from typing import Final

FEWEST: Final = 6
"""Minimum number of different characters in a secret."""
LONGEST_REPEATED: Final = 8
LEAST_REST: Final = 8
"""Minimum number of different characters that remain once placeholder words are removed."""
WEAK_BITS: Final = 100
_PLACEHOLDER: Final = re.compile(
    r"change|replace|please|secret|password|passwd|example|placeholder|default|insecure|django|your|this|here|with|"
    r"key|must|should|random|string|text|value|token|super|very|long|reseal|supertokens|test|todo|fixme|"
    r"0123456789|1234567890|123456|abcdefghijklmnopqrstuvwxyz|abcdef|qwerty|lorem|ipsum|dolor",
    re.IGNORECASE,
)
_WORDS_ONLY: Final = re.compile(r"[a-z\W_]*")


def obvious(secret: str) -> str | None:
    """Return why a secret would be guessed at once, or ``None``."""
    if len(set(secret)) < FEWEST:
        return f"has fewer than {FEWEST} different characters"
    if _period(secret) <= LONGEST_REPEATED:
        return "repeats a few characters over and over"
    rest = re.sub(r"[\W_]+", "", _PLACEHOLDER.sub("", secret))
    if len(set(rest)) < LEAST_REST and _PLACEHOLDER.search(secret):
        return "is a placeholder that anyone could guess"
    return None


def weakness(secret: str) -> str | None:
    """Return why a secret may be weak (it reads like words, or has little variety), or ``None``."""
    if _WORDS_ONLY.fullmatch(secret) or any(map(str.isspace, secret)):
        return "reads like words, which can be guessed"
    counts = Counter(secret)
    bits = -sum(count * log2(count / len(secret)) for count in counts.values())
    return "has little variety, so that it can be guessed" if bits < WEAK_BITS else None


def _period(text: str) -> int:
    """Return the period of a text that repeats itself; its length if it does not."""
    return (text + text).find(text, 1)
