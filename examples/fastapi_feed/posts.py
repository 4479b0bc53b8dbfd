"""The posts of the feed. They are kept in memory, because the example is about sessions."""

import itertools
from collections import deque
from typing import Any, Final

POSTS_KEPT: Final = 50

FIRST_POSTS: Final[list[dict[str, Any]]] = [
    {
        "id": 1,
        "author": "Ines",
        "text": "The bakery on Canal Street is open again. Go before ten, the rye is gone by then.",
        "ago": "yesterday",
    },
    {
        "id": 2,
        "author": "Marek",
        "text": "Replaced the chain, cleaned the brakes, and my bicycle no longer announces me two streets ahead.",
        "ago": "5 h",
    },
    {
        "id": 3,
        "author": "Yuki",
        "text": "Looking for a second violin for Thursday evenings. Sight-reading optional, cake mandatory.",
        "ago": "3 h",
    },
    {
        "id": 4,
        "author": "Dara",
        "text": "The tomatoes on the balcony have taken over. Please come by with a bag.",
        "ago": "48 min",
    },
    {
        "id": 5,
        "author": "Ola",
        "text": "Found: one red mitten, left hand, tram 7. It is waiting for you at the driver's cabin.",
        "ago": "12 min",
    },
]
"""Oldest first."""


class Posts:
    """What was written, and those posts with which the feed begins."""

    def __init__(self) -> None:
        self._posts = deque(FIRST_POSTS, maxlen=POSTS_KEPT)
        self._numbers = itertools.count(len(self._posts) + 1)

    def newest_first(self) -> list[dict[str, Any]]:
        return list(reversed(self._posts))

    def write(self, author: str, text: str) -> dict[str, Any]:
        written = {"id": next(self._numbers), "author": author, "text": text, "ago": "just now"}
        self._posts.append(written)
        return written
