"""What the tests of the documentation read: pages, the code on them, their links and anchors.

Conventions of a page:

* Its ``python`` blocks are run from top to bottom in one namespace, ``await`` allowed, in an empty folder.
* ``<!-- no-run: reason -->`` in the line before a block keeps that block from being run; it is compiled all the same.
* ``<!-- check`` … ``-->`` holds Python that readers do not see and that is run in its place: what the prose claims.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!-- no-run: (?P<reason>[^\n]+) -->\n)?```python\n(?P<code>.*?)^```$|^<!-- check\n(?P<check>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^(```+)(\w*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """One piece of Python on a page."""

    page: Path
    line: int
    code: str
    reason: str | None
    """Why it is not run, if it is not."""
    hidden: bool

    def compiled(self) -> CodeType:
        padding = "\n" * (self.line - 1)  # so that a traceback names the line of the page
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(padding + self.code, str(self.page), "exec", flags=flags, dont_inherit=True)
        return code


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        kind = "code" if match["code"] is not None else "check"
        line = text.count("\n", 0, match.start(kind)) + 1
        found.append(Block(page, line, match[kind], match["reason"], hidden=kind == "check"))
    return found


def fenced(page: Path, language: str) -> Iterator[str]:
    for _, written, code in _FENCED.findall(page.read_text("utf-8")):
        if written == language:
            yield code


def prose(page: Path) -> str:
    """The text without code blocks and comments."""
    return _COMMENT.sub("", _FENCED.sub("", page.read_text("utf-8")))


def code_spans(page: Path) -> list[str]:
    return _CODE_SPAN.findall(prose(page))


def links(page: Path) -> list[str]:
    return _LINK.findall(_CODE_SPAN.sub("``", prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page, headings named as code forges name them."""
    text = prose(page)
    seen: dict[str, int] = {}
    slugs = set(_ANCHOR.findall(text))
    for heading in _HEADING.findall(text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        slugs.add(f"{slug}-{count}" if count else slug)
    return slugs


def table_after(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = page.read_text("utf-8").split(f"\n{heading}\n", 1)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[2:]
