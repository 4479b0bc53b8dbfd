"""Whether an application is one of ASGI or one of WSGI, to say so where the wrong one is wrapped."""

from __future__ import annotations

import inspect
from typing import Final

_REQUIRED: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_KINDS: Final = {
    2: "one of WSGI, which takes environ and start_response: use reseal.wsgi.Reseal",
    3: "one of ASGI, which takes scope, receive and send: use reseal.asgi.Reseal",
}


def demand(app: object, arguments: int, kind: str) -> None:
    """Raise ``TypeError`` for an application that cannot be called with so many arguments."""
    found = _arguments(app)
    if found in {arguments, None}:
        return
    named = getattr(app, "__name__", None) or f"the {type(app).__name__}"
    raise TypeError(f"{named} is not an application of {kind}, but {_KINDS.get(found or 0, 'something else')}")


def _arguments(app: object) -> int | None:
    """Count the arguments that a call needs; ``None`` if nobody can say."""
    if not callable(app):
        return 0
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return None
    return len([each for each in parameters if each.kind in _REQUIRED and each.default is inspect.Parameter.empty])
