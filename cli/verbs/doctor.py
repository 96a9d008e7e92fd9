"""`fpack doctor`: check this machine, the mirrors and the store, and suggest fixes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.doctor.machine import CheckResult
    from fpack.cli.ui.layout import Page
    from fpack.store.verify import StoreCheck

LISTED = 20  # number of damaged paths to list


@click.command(
    "doctor",
    epilog="""\b
Examples:
  fpack doctor                    check the machine, the mirrors and the lock
  fpack doctor --offline          without asking the mirrors
  fpack doctor --store            also hash everything in the store again, as fpack store verify does
  fpack doctor --store --repair   also remove damaged paths; fpack store repair replaces them""",
)
@click.option("--store", "contents", is_flag=True, help="Verify every path in the store by hashing it again.")
@click.option("--repair", is_flag=True, help="Remove the paths that --store finds damaged.")
@click.option("--offline", is_flag=True, help="Do not ask the mirrors.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(contents: bool, repair: bool, offline: bool, as_json: bool, **rest: Any) -> int:
    """Check that fpack works on this machine. The exit status is 1 if there is a problem."""
    from fpack.cli.doctor.machine import OK, PROBLEM
    from fpack.cli.errors import UsageError
    from fpack.cli.ui.layout import Page, show

    if repair and not contents:
        raise UsageError("--repair needs --store", hint="fpack doctor --store --repair")
    page = Page()
    findings: list[CheckResult] = []
    for finding in _findings(shared.options(rest), contents, repair, offline):
        findings.append(finding)
        if not as_json:
            show(_lines(page, finding))
            sys.stdout.flush()
    problems = sum(entry.state == PROBLEM for entry in findings)
    warnings = sum(entry.state != OK for entry in findings) - problems
    if as_json:
        checks = [entry._asdict() for entry in findings]
        shared.print_json({"checks": checks, "problems": problems, "warnings": warnings})
    else:
        show(["", page.paint(_verdict(problems, warnings), "bold")])
    return 1 if problems else 0


def _findings(options: shared.SharedOptions, contents: bool, repair: bool, offline: bool) -> Iterator[CheckResult]:
    """Yield the findings of every check, in order. A problem does not stop the checks."""
    from fpack.cli.doctor import installation, machine, store
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import FpackError
    from fpack.store.root import default_root

    now = time.time()
    path = default_root()
    yield from machine.versions()
    yield machine.terminal()
    yield store.store_directory()
    yield machine.file_system(path)
    yield from store.mount(path)
    yield from machine.free_space(path)
    yield machine.hard_links(path)
    yield from store.database()
    yield from store.processes()
    yield from store.roots()
    yield machine.namespaces()
    yield machine.sandbox()
    yield from machine.runtimes()
    yield installation.settings()
    yield from installation.caches()
    with Workspace(options) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        yield installation.clock(workspace, now)
        yield installation.keyring(now)
        yield from installation.lock(workspace, now)
        try:
            if any(base.archive == "ubuntu" for base in workspace.mirrors.bases):
                yield installation.keyring(now, "ubuntu")
            if not offline:
                yield from installation.mirrors(workspace.mirrors, now)
        except FpackError as error:
            yield machine.failed("mirrors", error)
    if contents:
        yield from _contents(path, repair)


def _contents(path: Path, repair: bool) -> Iterator[CheckResult]:
    """Yield the findings of hashing the store again."""
    from fpack.cli.doctor.machine import OK, PROBLEM, WARNING, CheckResult, failed
    from fpack.cli.ui.render import counted, megabytes
    from fpack.store import repair as repairs
    from fpack.store import verify
    from fpack.store.errors import FpackError
    from fpack.store.store import Store

    if not (path / "db").is_dir():
        yield CheckResult("contents", OK, "there is no store yet")
        return
    try:
        store = Store(path)
        try:
            found = verify.check(store, _progress())
            if repair:
                repairs.delete_pool_files(found.pool)
            forgotten = store.invalidate(damage.path for damage in found.damaged) if repair else []
        finally:
            store.close()
    except FpackError as error:
        yield failed("contents", error)
        return
    if not found.damaged and not found.pool:
        intact = counted(found.paths, "path is", "paths are")
        yield CheckResult("contents", OK, f"{intact} intact, {megabytes(found.bytes)} hashed")
        return
    state = WARNING if repair else PROBLEM
    yield from _damage(found, state)
    if repair:
        paths, files = counted(len(forgotten), "path"), counted(len(found.pool), "file")
        text = f"removed: {paths} (damaged ones and their dependents) and {files}"
        yield CheckResult("contents", WARNING, text, "build them again")
    else:
        hint = "fpack store repair replaces them; fpack doctor --store --repair only removes them"
        yield CheckResult("contents", PROBLEM, f"{len(found.damaged)} of {counted(found.paths, 'path')} damaged", hint)


def _damage(found: StoreCheck, state: str) -> Iterator[CheckResult]:
    from fpack.cli.doctor.machine import CheckResult
    from fpack.cli.ui.render import counted

    for damage in found.damaged[:LISTED]:
        yield CheckResult("contents", state, f"{damage.path}: {damage.why}")
    if len(found.damaged) > LISTED:
        yield CheckResult("contents", state, f"and {counted(len(found.damaged) - LISTED, 'more path')}")
    for file in found.pool[:LISTED]:
        yield CheckResult("contents", state, f"{file}: its content does not match its name")
    if len(found.pool) > LISTED:
        yield CheckResult("contents", state, f"and {counted(len(found.pool) - LISTED, 'more file')}")


def _progress() -> Any:
    """Return a function that shows the progress of hashing on a terminal."""
    if not sys.stderr.isatty():
        return lambda done, total, name: None

    def tell(done: int, total: int, what: str) -> None:
        end = "" if done < total else "\r\x1b[2K"
        print(f"\r\x1b[2K{done} of {total} {what}", end=end, file=sys.stderr, flush=True)

    return tell


def _lines(page: Page, finding: CheckResult) -> Sequence[str]:
    """Return the lines of a finding: state, name, text and hint."""
    from fpack.cli.doctor.machine import OK, WARNING
    from fpack.cli.ui.layout import clean

    style = {OK: "green", WARNING: "yellow"}.get(finding.state, "red")
    indent = 22
    room = max(page.width - indent, 20)
    text, *more = page.wrap(clean(finding.text), room)
    lines = [f"{page.paint(f'{finding.state:<8}', style)} {finding.name:<12} {text}", *(" " * indent + m for m in more)]
    if finding.hint:
        hints = page.wrap(clean(finding.hint), max(room - 5, 20))
        lines.append(" " * indent + page.paint("try: ", "cyan") + hints[0])
        lines += [" " * (indent + 5) + hint for hint in hints[1:]]
    return lines


def _verdict(problems: int, warnings: int) -> str:
    from fpack.cli.ui.render import counted

    if not problems and not warnings:
        return "No problems found."
    parts = [counted(problems, "problem")] if problems else []
    parts += [counted(warnings, "warning")] if warnings else []
    return " and ".join(parts)
