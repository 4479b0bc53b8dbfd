"""Secrets that somebody could guess. They are looked at, not measured: chance cannot be told from its absence."""

from __future__ import annotations

import re
from collections import Counter
from math import log2
from typing import Final

FEWEST: Final = 6
"""Different characters that a secret has at least."""
LONGEST_REPEATED: Final = 8
LEAST_REST: Final = 8
"""Different characters that are left of a secret once placeholders are taken out of it."""
WEAK_BITS: Final = 100
_PLACEHOLDER: Final = re.compile(
    r"change|replace|please|secret|password|passwd|example|placeholder|default|insecure|django|your|this|here|with|"
    r"key|must|should|random|string|text|value|token|super|very|long|reseal|supertokens|test|todo|fixme|"
    r"0123456789|1234567890|123456|abcdefghijklmnopqrstuvwxyz|abcdef|qwerty|lorem|ipsum|dolor",
    re.IGNORECASE,
)
_WORDS_ONLY: Final = re.compile(r"[a-z\W_]*")


def obvious(secret: str) -> str | None:
    """Say why anybody would try a secret among the first, or ``None``."""
    if len(set(secret)) < FEWEST:
        return f"has fewer than {FEWEST} different characters"
    if _period(secret) <= LONGEST_REPEATED:
        return "repeats a few characters again and again"
    rest = re.sub(r"[\W_]+", "", _PLACEHOLDER.sub("", secret))
    if len(set(rest)) < LEAST_REST and _PLACEHOLDER.search(secret):
        return "is a placeholder that anybody could guess"
    return None


def weakness(secret: str) -> str | None:
    """Say why a secret may be weak, or ``None``: it reads like words, or has little variety."""
    if _WORDS_ONLY.fullmatch(secret) or any(map(str.isspace, secret)):
        return "reads like words, which can be guessed"
    counts = Counter(secret)
    bits = -sum(count * log2(count / len(secret)) for count in counts.values())
    return "has little variety, so that it can be guessed" if bits < WEAK_BITS else None


def _period(text: str) -> int:
    """Return after how many characters a text repeats itself; its length if it does not."""
    return (text + text).find(text, 1)
