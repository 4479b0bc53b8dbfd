"""What is the same in every framework: the page, its script, the posts, the settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reseal import Settings

HERE: Final = Path(__file__).parent
FILES: Final = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/feed.css": ("feed.css", "text/css; charset=utf-8"),
    "/feed.js": ("feed.js", "text/javascript; charset=utf-8"),
}
POSTS: Final = (
    "The bakery on Canal Street is open again. Go before ten.",
    "Found: one red mitten, left hand, tram 7.",
    "The tomatoes on the balcony have taken over. Please come by with a bag.",
)
SHORT_LIFE: Final = "5"
"""Seconds of an access token; an hour would be usual, but too long to watch."""


def file(path: str) -> tuple[bytes, str]:
    """Return content and type of one file of the page."""
    name, content_type = FILES[path]
    return (HERE / name).read_bytes(), content_type


def feed(framework: str, user_id: str) -> dict[str, object]:
    """Return the feed of a user."""
    return {"framework": framework, "user": user_id, "posts": [f"Welcome, {user_id}.", *POSTS]}


def user_of(body: object) -> str:
    """Read who wants to sign in. A real application asks for more than a name, and answers 400 to nonsense."""
    name = body.get("user") if isinstance(body, dict) else None
    return name if isinstance(name, str) and 0 < len(name) <= 40 else "guest"  # noqa: PLR2004 - a name's length


def settings(framework: str, port: int, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration from the environment; what it leaves open is chosen for the demo."""
    chosen = {
        "RESEAL_API_DOMAIN": f"http://localhost:{port}",
        "RESEAL_TRUSTED_ORIGINS": f"http://127.0.0.1:{port}",
        "RESEAL_ACCESS_TOKEN_VALIDITY": SHORT_LIFE,
        "RESEAL_REFRESH_TOKEN_ROTATION_GRACE_PERIOD": "2",
        "RESEAL_DATABASE_URI": f"sqlite:///feed-{framework}.db",
    }
    return Settings.load(environ={**chosen, **environ})
