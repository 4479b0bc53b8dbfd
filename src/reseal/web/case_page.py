"""A theft case as a page: a picture of its timeline, and a table that says the same.

The picture has a row for each client and a column for each step, at equal distances, as minutes and months may lie
between two of them. Page and picture need no script and no style sheet, so that no content security policy hinders
them; text is in the colours of the page around it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from reseal.core.cases import StepKind
from reseal.core.events import NO_DEVICE
from reseal.devices.labels import label_of

if TYPE_CHECKING:
    from reseal.core.cases import Case, CaseStep
    from reseal.core.model import Device

_ROW: Final = 96
_COLUMN: Final = 148
_LEFT: Final = 280
"""Pixels: the height of a row, and the widths of a column and of the names of the clients."""
_COLOURS: Final = {
    StepKind.BEGUN: "#2563eb",
    StepKind.ISSUED: "#2563eb",
    StepKind.CONFIRMED: "#059669",
    StepKind.PRESENTED: "#dc2626",
    StepKind.RELEASED: "#059669",
    StepKind.CLOSED: "#6b7280",
}
_WORDS: Final = {
    StepKind.BEGUN: "signed in",
    StepKind.ISSUED: "got a token",
    StepKind.CONFIRMED: "token in use",
    StepKind.PRESENTED: "presented a token",
    StepKind.RELEASED: "session confirmed",
    StepKind.CLOSED: "case closed",
}
_BY_NOBODY: Final = frozenset({StepKind.CONFIRMED, StepKind.RELEASED, StepKind.CLOSED})
"""Steps of which no client is recorded."""
_VERDICTS: Final = {
    "token_theft": "Token theft",
    "session_in_step": "Two parties may be refreshing in step",
}
_UNKNOWN: Final = "Client not recorded"
_HERE: Final = "Session"
"""The row of what no client did."""
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">
<title>{title}</title>
<h1>{title}</h1>
{facts}
<p>Which of the clients is the user is not known.</p>
{picture}
{table}
"""


def page(case: Case) -> str:
    """Write a whole page about a case, as HTML."""
    title = escape(_VERDICTS.get(case.verdict, case.verdict))
    return _PAGE.format(title=title, facts=_facts(case), picture=picture(case), table=_table(case))


def picture(case: Case) -> str:
    """Draw the timeline of a case, as an SVG element for a page in HTML."""
    rows = list(dict.fromkeys(_row(step) for step in case.timeline))
    width, height = _LEFT + _COLUMN * len(case.timeline), _ROW * len(rows)
    parts = [_lane(name, number, width) for number, name in enumerate(rows)]
    places = [
        (_LEFT + _COLUMN * n + _COLUMN // 2, _ROW * rows.index(_row(s)) + 46) for n, s in enumerate(case.timeline)
    ]
    parts += _same_tokens(case, places)
    parts += [_dot(step, *place) for step, place in zip(case.timeline, places, strict=True)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Timeline of the case; the table has the same '
        f'steps" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="currentColor">{"".join(parts)}</svg>'
    )


def _lane(row: str, number: int, width: int) -> str:
    y = _ROW * number + 46
    name, _, address = row.partition("\n")
    return (
        f'<line x1="{_LEFT}" y1="{y}" x2="{width}" y2="{y}" stroke="currentColor" stroke-opacity="0.25"/>'
        f'<text x="4" y="{y - 4}" font-weight="600">{escape(_short(name))}</text>'
        f'<text x="4" y="{y + 14}">{escape(_short(address))}</text>'
    )


def _dot(step: CaseStep, x: int, y: int) -> str:
    below = [_WORDS[step.kind], _token(step)]
    lines = "".join(
        f'<text x="{x}" y="{y + 24 + 16 * n}" text-anchor="middle">{escape(text)}</text>'
        for n, text in enumerate(below)
    )
    return (
        f"<g><title>{escape(step.outcome or _WORDS[step.kind])}</title>"
        f'<text x="{x}" y="{y - 30}" text-anchor="middle" font-size="11">{_day(step.at)}</text>'
        f'<text x="{x}" y="{y - 15}" text-anchor="middle">{_hour(step.at)}</text>'
        f'<circle cx="{x}" cy="{y}" r="8" fill="{_COLOURS[step.kind]}"/>{lines}</g>'
    )


def _same_tokens(case: Case, places: list[tuple[int, int]]) -> list[str]:
    """Join the steps of one token, where it went from one client to another."""
    lines = []
    last: dict[str, int] = {}
    for number, step in enumerate(case.timeline):
        if _row(step) == _HERE:
            continue
        before = last.get(step.token_mark)
        if step.token_mark and before is not None and _row(case.timeline[before]) != _row(step):
            (x1, y1), (x2, y2) = places[before], places[number]
            lines.append(
                f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="currentColor" stroke-dasharray="4 4" '
                'stroke-opacity="0.5"/>'
            )
        last[step.token_mark] = number
    return lines


def _facts(case: Case) -> str:
    state = "open" if case.closed_at is None else f"closed at {_moment(case.closed_at)}"
    facts = {
        "User": case.user_id,
        "Session": case.id,
        "App and tenant": f"{case.app_id}, {case.tenant_id}",
        "Case": f"{state}, opened at {_moment(case.opened_at)}",
        "Token": {"previous": "the one before the current one", "older": "an older one"}.get(case.subtype or "", ""),
        "Response": (case.response or "none").replace("_", " "),
    }
    return f"<dl>{''.join(f'<dt>{name}<dd>{escape(fact)}' for name, fact in facts.items() if fact)}</dl>"


def _table(case: Case) -> str:
    heads = ("Time (UTC)", "Step", "Client", "Token", "Result", "Request")
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}' for cell in _cells(step))}" for step in case.timeline)
    return f'<table border="1" cellpadding="6"><tr>{"".join(f"<th>{head}" for head in heads)}{rows}</table>'


def _cells(step: CaseStep) -> tuple[str, ...]:
    result = step.outcome or " ".join(
        each for each in (step.by and f"by {step.by}{':' if step.note else ''}", step.note) if each
    )
    client = "" if step.kind in _BY_NOBODY else ", ".join(filter(None, step.device))
    return _moment(step.at), _WORDS[step.kind], client, _token(step), result, step.correlation_id or ""


def _row(step: CaseStep) -> str:
    """Name the row of a step: a label, and below it an address."""
    if step.kind in _BY_NOBODY:
        return _HERE
    return _UNKNOWN if step.device == NO_DEVICE else _label(step.device)


def _label(device: Device) -> str:
    return f"{label_of(device.user_agent)}\n{device.ip or ''}"


def _token(step: CaseStep) -> str:
    if step.generation is None:
        return ""
    return f"no. {step.generation} {step.token_mark}".rstrip()


def _short(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:31]}\N{HORIZONTAL ELLIPSIS}"  # noqa: PLR2004 - what fits into _LEFT


def _moment(at: int) -> str:
    return f"{_day(at)} {_hour(at)}"


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"


def _hour(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M:%S}"
