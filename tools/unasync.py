"""Generate the sync code from the async code by replacing words. ``--check`` only reports whether it is up to date.

python tools/unasync.py [--check]
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREES = (
    ("src/reseal/_async", "src/reseal/_sync"),
    ("src/reseal/testing/_async", "src/reseal/testing/_sync"),
    ("tests/_async", "tests/_sync"),
)
BY_HAND = {
    Path("awaited.py"),
    Path("background.py"),
    Path("waiting.py"),
    Path("stores/batching.py"),
    Path("stores/mariadb_driver.py"),
    Path("serving.py"),
}
"""Files written by hand for both, because sync and async really differ there."""

WORDS = (
    (r"\bredis\.asyncio\b", "redis"),
    (r"\baclose\(", "close("),
    (r"\basync def\b", "def"),
    (r"\basync with\b", "with"),
    (r"\basync for\b", "for"),
    (r"\bawait ", ""),
    (r"\b_async\b", "_sync"),
    (r"\bAsync([A-Z]\w*)", r"\1"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAbstractAsyncContextManager\b", "AbstractContextManager"),
    (r"\b(?:Awaitable\[|Coroutine\[Any, Any, )(\w+)\]", r"\1"),
    (r"\basyncio\.Lock\b", "threading.Lock"),
    (r"\basyncio\.Semaphore\b", "threading.Semaphore"),
    (r"\bimport asyncio\b", "import threading"),
    (r"\bgather\(", "in_threads("),
    (r"\baiter_bytes\b", "iter_bytes"),
)
NOTE = "# Generated from {source} by tools/unasync.py; edit that file instead.\n"


def translate(text: str, source: str) -> str:
    """Return the sync text of an async module."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    return NOTE.format(source=source) + text


def wanted() -> dict[Path, str]:
    """Return every generated file with its expected text."""
    files = {}
    for async_tree, sync_tree in TREES:
        for path in sorted((ROOT / async_tree).rglob("*.py")):
            inside = path.relative_to(ROOT / async_tree)
            if inside not in BY_HAND:
                files[ROOT / sync_tree / inside] = translate(path.read_text(), f"{async_tree}/{inside}")
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    check = parser.parse_args().check
    files = wanted()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for _, sync_tree in TREES:
        by_hand = {ROOT / sync_tree / name for name in BY_HAND}
        stale += [p for p in (ROOT / sync_tree).rglob("*.py") if p not in files and p not in by_hand]
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs from its async source: run python tools/unasync.py")
        return 1 if stale else 0
    for path in stale:
        if path not in files:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    print(f"{len(stale)} of {len(files)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
