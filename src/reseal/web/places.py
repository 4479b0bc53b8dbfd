"""Public paths: the application's prefix, and the path of a request, as browsers see them.

A proxy may strip a prefix of the path before the application sees it, and a server or a mount may announce it
(``root_path`` of ASGI, ``SCRIPT_NAME`` of WSGI). Paths in the settings are those within the application; the ones in
cookies, forms and redirects include the prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts

_PLAIN: Final = "/!$&'()*+,=:@~"
"""Characters allowed unescaped both in a path and in a cookie's ``Path``; ``;`` is not."""


def prefix(facts: RequestFacts, settings: Settings) -> str:
    """Return the prefix of the application's paths for browsers; empty if there is none."""
    taken = settings.public_path_prefix
    if not facts.root_path:
        return taken
    root = _root(facts)
    return root if not taken or _is_under(root, taken) else taken + root


def public(path: str, facts: RequestFacts, settings: Settings) -> str:
    """Return a path as browsers see it, with or without ``root_path`` in the server's form. ``path`` is encoded."""
    before, root = prefix(facts, settings), _root(facts)
    return f"{before.removesuffix(root)}{path}" if root and _is_under(path, root) else f"{before}{path}"


def is_under(path: str, facts: RequestFacts, settings: Settings) -> bool:
    """Return whether a request was sent to this path of the application, or to one below it."""
    return _is_under(public(quote(facts.path, safe=_PLAIN), facts, settings), prefix(facts, settings) + path)


def _root(facts: RequestFacts) -> str:
    return quote(facts.root_path.rstrip("/"), safe=_PLAIN)


def _is_under(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
