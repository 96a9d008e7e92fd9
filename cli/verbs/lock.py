"""`fpack lock`: lock the exact packages that a project uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from pathlib import Path

    from fpack.cli.workspace.workspace import Workspace

MAX_VALUES = 100_000


@click.command(
    "lock",
    epilog="""\b
Examples:
  fpack lock                           lock all packages that ./fpack.fp uses
  fpack lock debian.trixie.jq          add a package
  fpack lock --frozen                  fail if a package is not locked yet
  fpack lock --keep HOST/team/kept     keep all that it pins in a registry, for good""",
)
@click.argument("what", required=False)
@click.option(
    "--keep",
    "places",
    multiple=True,
    metavar="ADDRESS",
    help="Keep all that the lock pins in a registry or directory; can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
@shared.locking
def command(what: str | None, places: tuple[str, ...], as_json: bool, **rest: Any) -> int:
    """Evaluate WHAT (by default everything in ./fpack.fp) and lock each package that it uses.

    Nothing is built, but locks of build tools that do not exist yet, such as maven.lock, are made in a sandbox. Records
    in the files gems.lock and composer-files.lock of older versions of fpack are moved to the lock. With --keep, the
    packages, the signed indexes, and all that the project fetches by digest are written to ADDRESS, such as HOST/NAME
    or ./mirror, which is then a mirror of this lock: see fpack mirror --help.
    """
    from fpack.cli.mirrors.keep import keep_lock, open_mirror
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.ui.render import counted
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import one_line

    options = shared.options(rest)
    mirrors = [open_mirror(address, writes=True) for address in places]
    with Workspace(options) as workspace:
        done = lock_all(workspace, what, frozen=options.frozen, moves=what is None)
        added = workspace.source.added
        path = str(workspace.lock_file)
        empty = not workspace.source.lock.packages
        kept = [keep_lock(workspace, mirror, workspace.evaluator.derivations) for mirror in mirrors]
    if as_json:
        found = [package._asdict() for package in added]
        shared.print_json(
            {"lock": path, "added": found, "written": [str(file) for file in done.written]}
            | ({"moved": [str(file) for file in done.moved]} if done.moved else {})
            | ({"kept": [item.json_form() for item in kept]} if places else {})
        )
        return 0
    for file in done.written:
        print(f"wrote {one_line(str(file))}")
    for file in done.moved:
        print(f"moved the digests of {one_line(str(file))} to {one_line(path)}")
    if added:
        show(Page().table([list(package) for package in added]))
    if empty and not done.written and not done.moved:
        print("No package is used, so there is nothing to lock.")
    elif not empty:
        name = one_line(path)
        none = f"{name} already has every package that is used."
        print(f"{counted(len(added), 'package')} added to {name}" if added else none)
    for item in kept:
        item.show()
    return 0


class LockedFiles(NamedTuple):
    """Files beside the lock. written: locks of build tools. moved: those whose digests the lock has now."""

    written: list[Path]
    moved: list[Path]


def lock_all(workspace: Workspace, what: str | None, *, frozen: bool = False, moves: bool = False) -> LockedFiles:
    """Evaluate a target, or the project's whole file, and lock all that it uses.

    moves: delete files in which older versions recorded digests, once the lock has what they have.
    """
    from fpack.cli.workspace.plans import file_digests, project_locks

    workspace.answers.moves = moves and not frozen
    value = _value(workspace, what)
    written = project_locks.write_missing(workspace, value, frozen=frozen)
    if written:
        workspace.source.save()
        workspace.forget_evaluation()
        value = _value(workspace, what)
    workspace.evaluator.run(lambda: _lock_packages(workspace, value))
    workspace.source.save()
    moved = file_digests.delete_moved(workspace.answers)
    if moved:
        # The sources have changed, and what is kept of them follows.
        workspace.forget_evaluation()
        value = _value(workspace, what)
        workspace.evaluator.run(lambda: _lock_packages(workspace, value))
    return LockedFiles(written, moved)


def _value(workspace: Workspace, what: str | None) -> Any:
    """Return the value to lock: by default, the whole file."""
    target = workspace.target(what)
    if what is not None:
        return workspace.value(target)
    assert target.file is not None
    return workspace.evaluator.load(target.file)


def _lock_packages(workspace: Workspace, value: Any) -> None:
    """Evaluate a value as far as needed to lock each package in it: containers, packages, records of them."""
    from fpack.cli.errors import UsageError
    from fpack.lang.runtime.values import OnDemand

    evaluator = workspace.evaluator
    # Keep the values alive: the id of a freed value may be reused.
    seen: dict[int, Any] = {}
    todo = [value]
    while todo:
        value = evaluator.force(todo.pop())
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if len(seen) > MAX_VALUES:
            raise UsageError(
                "There are too many values to lock",
                why=f"there are more than {MAX_VALUES}; a value may contain itself",
                hint="name an attribute, as in: fpack lock fpack.fp#image",
            )
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict) and not isinstance(value, OnDemand) and evaluator.is_derivation(value):
            workspace.field(value, "out")  # what builds it is a package too
        elif isinstance(value, dict) and not isinstance(value, OnDemand):
            kind = workspace.field(value, "type")
            if kind == "container":
                workspace.field(value, "image")
            elif kind == "package":
                name, release = str(workspace.field(value, "name")), str(workspace.field(value, "release"))
                arch = str(workspace.field(workspace.field(value, "platform"), "arch"))
                workspace.source.closure(release, [name], arch)
            else:
                todo += value.values()
