"""Commands for theft cases."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from reseal._async.case_files import AsyncCaseFiles
from reseal.core import cases
from reseal.core.cases import Case, CaseFilter, CasePlace, CaseStep
from reseal.core.handles import DEFAULT_TENANT
from reseal.core.model import Scope
from reseal.core.selection import PAGE
from reseal.server.cli.arguments import command, group, scoped
from reseal.server.cli.audit_log import accountable, operator
from reseal.server.cli.exits import DONE, CommandFailed
from reseal.server.cli.opened import in_store
from reseal.server.cli.output import Row, show, time_of
from reseal.web import case_page

if TYPE_CHECKING:
    from reseal._async.ports import AsyncStore
    from reseal.server.tenants.directory import Directory


def add(commands: Any) -> None:
    """Declare these commands."""
    of_cases = group(commands, "cases", "List, show and close theft cases.")
    parser = scoped(command(of_cases, "list", list_cases), tenant=True)
    parser.add_argument("--user", metavar="ID", help="whose cases; those of all users if absent")
    parser.add_argument("--open", action="store_true", help="leave out those that are closed")
    parser = _named(command(of_cases, "show", show_case))
    parser.add_argument("--html", action="store_true", help="print a page with a picture instead")
    parser = accountable(_named(command(of_cases, "close", close_case)))
    parser.add_argument("--release", action="store_true", help="let its session be refreshed again, if it is held")


def list_cases(options: Namespace) -> int:
    """List theft cases, newest first. They are written with theft_cases above 0."""

    async def run(_: Directory, store: AsyncStore) -> list[Row]:
        files, rows, after = _files(options, store), list[Row](), CasePlace()
        while page := await files.page(CaseFilter(options.user, options.open), after, PAGE):
            rows += map(_row, page)
            after = CasePlace(page[-1].opened_at, page[-1].id)
        return rows

    show(in_store(options, run, looks_only=True), options, empty="No cases.")
    return DONE


def show_case(options: Namespace) -> int:
    """Show the timeline of a case: who presented which token, and what they got."""

    async def run(_: Directory, store: AsyncStore) -> Case:
        return _found(await _files(options, store).read(options.id), options)

    case = in_store(options, run, looks_only=True)
    if options.html:
        print(case_page.page(case))
    else:
        show([_step(step) for step in case.timeline], options)
    return DONE


def close_case(options: Namespace) -> int:
    """Close a case, with a note. A later theft of the session opens it again."""
    if not options.note:
        raise CommandFailed("say what was found out: --note TEXT")
    note, by = cases.checked("--note", options.note), cases.checked("--by", options.by or operator())

    async def run(_: Directory, store: AsyncStore) -> Case:
        return _found(await _files(options, store).close(options.id, note, by, release=options.release), options)

    show([_row(in_store(options, run))], options)
    return DONE


def _named(parser: Any) -> Any:
    scoped(parser, tenant=True).add_argument("id", metavar="ID", help="as cases list shows it")
    return parser


def _files(options: Namespace, store: AsyncStore) -> AsyncCaseFiles:
    return AsyncCaseFiles(Scope(options.app, options.tenant or DEFAULT_TENANT), store)


def _found(case: Case | None, options: Namespace) -> Case:
    if case is None:
        raise CommandFailed(f"there is no case {options.id}: see reseal cases list")
    return case


def _row(case: Case) -> Row:
    return {
        "id": case.id,
        "user": case.user_id,
        "verdict": case.verdict,
        "token": case.subtype,
        "response": case.response,
        "opened": time_of(case.opened_at),
        "closed": None if case.closed_at is None else time_of(case.closed_at),
    }


def _step(step: CaseStep) -> Row:
    return {
        "at": time_of(step.at),
        "step": step.kind.value,
        "generation": step.generation,
        "token": step.token_mark or None,
        "ip": step.ip,
        "user_agent": step.user_agent,
        "outcome": step.outcome or step.note or None,
        "by": step.by or None,
    }
