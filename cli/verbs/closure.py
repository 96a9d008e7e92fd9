"""`fpack closure`: list everything that a target needs at run time, with sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import megabytes

if TYPE_CHECKING:
    from fpack.cli.ui.layout import Branch, Page
    from fpack.cli.workspace.containers import Container
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath


class ClosureMember(NamedTuple):
    """A store path of a closure.

    name, version: those of the package, or the path's name alone. needs: keys of other members.
    """

    key: str
    name: str
    version: str
    path: str
    size: int
    needs: tuple[str, ...]


@click.command(
    "closure",
    epilog="""\b
Examples:
  fpack closure postgres                a container's packages
  fpack closure postgres --tree         and which package needs which
  fpack closure fpack.fp#app --size     a derivation's store paths, largest first
  fpack closure postgres --paths        the store paths of a container""",
)
@click.argument("what", required=False)
@click.option("--tree", "as_tree", is_flag=True, help="Draw the dependencies as a tree.")
@click.option("--size", "by_size", is_flag=True, help="Sort by size, largest first.")
@click.option("--paths", is_flag=True, help="List a container's store paths instead of its packages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(what: str | None, as_tree: bool, by_size: bool, paths: bool, as_json: bool, **rest: Any) -> int:
    """List everything that WHAT needs at run time: a container's packages, or a derivation's store paths."""
    from fpack.cli.errors import UsageError
    from fpack.cli.ui.layout import Page, show, tree
    from fpack.cli.workspace.containers import container_of
    from fpack.cli.workspace.workspace import Workspace

    if as_tree and by_size:
        raise UsageError("--tree and --size exclude each other", hint="--size sorts the list; a tree has its own order")
    with Workspace(shared.options(rest)) as workspace:
        target = workspace.target(what)
        value = workspace.evaluator.force(workspace.value(target))
        if workspace.evaluator.is_derivation(value):
            kind, members, tops = "paths", *_paths(workspace, workspace.realise([workspace.output(value)]))
        else:
            container = container_of(workspace, value, target)
            if paths:
                kind, members, tops = "paths", *_paths(workspace, workspace.realise([container.image]))
            else:
                kind, members, tops = "packages", *_packages(workspace, container)
        workspace.finish()
    total = sum(member.size for member in members)
    if by_size:
        members.sort(key=lambda entry: (-entry.size, entry.key))
    if as_json:
        shared.print_json({kind: [_json(member) for member in members], "tops": tops, "size": total})
        return 0
    page = Page()
    if as_tree:
        show(tree(page, _branches(members, tops)))
    else:
        show(_list(page, members, kind, total))
    return 0


def _paths(workspace: Workspace, tops: Sequence[StorePath]) -> tuple[list[ClosureMember], list[str]]:
    """Return the closure of built paths, and the keys of its roots."""
    from fpack.store import base32

    members = []
    by_hash = {base32.decode(path.hash): path for path in workspace.store.closure(tops)}
    for path in sorted(by_hash.values(), key=lambda entry: (entry.name, entry.hash)):
        info = workspace.store.info(path)
        assert info is not None
        below = sorted(
            {by_hash[reference] for reference in info.references} - {path}, key=lambda entry: (entry.name, entry.hash)
        )
        needs = tuple(map(str, below))
        members.append(ClosureMember(str(path), path.name, "", str(path), info.size, needs))
    return members, [str(path) for path in tops]


def _packages(workspace: Workspace, container: Container) -> tuple[list[ClosureMember], list[str]]:
    """Return the packages of a container, and the keys of its roots. Build the container if needed."""
    from fpack.cli.images import inspect
    from fpack.store import derivation
    from fpack.store.path import parse

    (root,) = workspace.realise([container.root])
    slices = inspect.read_slices(workspace.store.disk(root))
    args = derivation.decode(workspace.evaluator.derivations[container.root.derivation]).args
    if args["mode"] == "linked":
        edges = inspect.loads(slices, {slice_.path: workspace.store.disk(slice_.path) for slice_ in slices})
    else:
        edges = inspect.declared(args, slices)
    members = []
    for slice_ in sorted(slices, key=lambda slice_: slice_.package):
        info = workspace.store.info(parse(slice_.path))
        needs = tuple(edges.get(slice_.package, ()))
        size = info.size if info is not None else 0
        members.append(ClosureMember(slice_.package, slice_.package, slice_.version, slice_.path, size, needs))
    return members, [slice_.package for slice_ in slices if slice_.by is None]


def _json(member: ClosureMember) -> dict[str, Any]:
    values: dict[str, Any] = {"name": member.name, "path": member.path, "size": member.size}
    return values | ({"version": member.version} if member.version else {}) | {"needs": list(member.needs)}


def _list(page: Page, members: Sequence[ClosureMember], kind: str, total: int) -> list[str]:
    from fpack.cli.ui.layout import clean

    rows = [[megabytes(member.size), member.path] for member in members]
    if kind == "packages":
        rows = [[megabytes(member.size), member.name, clean(member.version)] for member in members]
    lines = [line.rstrip() for line in page.table(rows, right=(0,), styles=("", "bold" if kind == "packages" else ""))]
    return [*lines, page.paint(f"{megabytes(total)} in {len(members)} {kind}", "bold")]


def _branches(members: Sequence[ClosureMember], tops: Sequence[str]) -> list[Branch]:
    """Draw the dependencies from the roots down. A member that was drawn before is repeated without its children."""
    from fpack.cli.ui.layout import Branch, clean

    by_key: Mapping[str, ClosureMember] = {member.key: member for member in members}
    below: dict[str, list[Branch]] = {}
    roots: list[Branch] = []
    todo = [(key, roots) for key in reversed(tops)]
    while todo:
        key, path = todo.pop()
        member = by_key[key]
        detail = clean(member.version)
        if key in below:
            path.append(Branch(member.name, detail, "see above" if member.needs else megabytes(member.size)))
            continue
        below[key] = []
        path.append(Branch(member.name, detail, megabytes(member.size), below[key]))
        todo += [(need, below[key]) for need in reversed(member.needs)]
    return roots
