"""`fpack closure`: list everything that a target needs at run time, with sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import megabytes
from fpack.store.path import parse

if TYPE_CHECKING:
    from fpack.cli.images.stored_subject import StoredSubject
    from fpack.cli.images.subject import Subject
    from fpack.cli.ui.layout import Branch, Page
    from fpack.cli.workspace.target import Target
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
  fpack closure postgres --paths        the store paths of a container
  fpack closure ./result                what a store path needs
  fpack closure postgres.tar            the packages of an image file, by its manifest""",
)
@click.argument("image", required=False, metavar="[WHAT]")
@click.option("--tree", "as_tree", is_flag=True, help="Draw the dependencies as a tree.")
@click.option("--size", "by_size", is_flag=True, help="Sort by size, largest first.")
@click.option("--paths", is_flag=True, help="List a container's store paths instead of its packages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_any
@shared.of_file
@shared.building
def command(
    image: str | None,
    expression: str | None,
    together: bool,
    platform: str | None,
    as_tree: bool,
    by_size: bool,
    paths: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """List everything that WHAT needs at run time: an image's packages, or a derivation's store paths.

    Of a list or a record, each member has a closure.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.images.subject import of_file
    from fpack.cli.ui.layout import Page, show_members, tree
    from fpack.cli.workspace.workspace import Workspace

    if as_tree and by_size:
        raise UsageError("--tree and --size exclude each other", hint="--size sorts the list; a tree has its own order")
    image = shared.target_text(image, expression)
    with Workspace(shared.options(rest)) as workspace:
        if (stored := of_file(image, platform)) is not None:
            found = [_ListedClosure("", "paths", *_stored_paths(stored), []) if paths else _packages("", stored)]
        else:
            found = _closures(workspace, workspace.target(image), paths, together)
        workspace.finish()
    for closure in found if by_size else ():
        for members in (closure.members, closure.built):
            members.sort(key=lambda entry: (-entry.size, entry.key))
    if as_json:
        shared.print_members([(closure.member, closure.as_json()) for closure in found])
        return 0
    page = Page()
    lines = [tree(page, _branches([*c.members, *c.built], c.tops)) if as_tree else _list(page, c) for c in found]
    show_members(page, [(closure.member, text) for closure, text in zip(found, lines, strict=True)])
    return 0


class _ListedClosure(NamedTuple):
    """A closure to print.

    member: of which member of a list or a record, or "". kind: what its members are. built: an image's store paths of
    builds, with keys that are paths.
    """

    member: str
    kind: str
    members: list[ClosureMember]
    tops: list[str]
    built: list[ClosureMember]

    @property
    def size(self) -> int:
        return sum(member.size for member in (*self.members, *self.built))

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found: dict[str, Any] = {self.kind: [_json(member) for member in self.members]}
        if self.built:
            found["built"] = [_json(member) for member in self.built]
        return {**found, "tops": self.tops, "size": self.size}


def _closures(workspace: Workspace, target: Target, paths: bool, together: bool) -> list[_ListedClosure]:
    """Return the closure of what a target names, or of each of its members."""
    from fpack.cli.images.subject import BuiltSubject
    from fpack.cli.workspace.containers import container_of, packed_together
    from fpack.cli.workspace.error_context import naming_definition
    from fpack.cli.workspace.named_values import values

    found = values(workspace, target)
    closures = []
    with naming_definition(target):
        if together and found[0].member:
            found = [packed_together(workspace, found, target)]
        for value in found:
            if value.kind == "derivation":
                output = workspace.output(value.value)
            else:
                container = container_of(workspace, value, target)
                if not paths:
                    closures.append(_packages(value.member, BuiltSubject(workspace, container)))
                    continue
                output = container.image
            closures.append(_ListedClosure(value.member, "paths", *_paths(workspace, workspace.realise([output])), []))
    return closures


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


def _packages(member: str, subject: Subject) -> _ListedClosure:
    """Return the packages of an image, and those that were requested."""
    slices, sizes, needs = subject.packages(), subject.sizes(), subject.needs()
    members = [
        ClosureMember(name, name, item.version, item.path, sizes[name], tuple(needs[name]))
        for item in slices
        for name in [item.package]
    ]
    built = subject.built()
    paths = {item.package: item.path for item in built}
    built_sizes = subject.built_sizes() if built else {}
    below: dict[str, list[str]] = {item.path: [] for item in built}
    for item in built:
        if item.by is not None:
            below[paths[item.by]].append(item.path)
    others = [
        ClosureMember(item.path, item.package, "", item.path, built_sizes[item.path], tuple(below[item.path]))
        for item in built
    ]
    tops = [item.package for item in slices if item.by is None] + [item.path for item in built if item.by is None]
    return _ListedClosure(member, "packages", members, tops, others)


def _stored_paths(image: StoredSubject) -> tuple[list[ClosureMember], list[str]]:
    """Return the store paths whose files are in an image file. Its manifest does not say their references."""
    sizes: dict[str, int] = {}
    reader = image.manifest()
    for layer, entries in reader.entries():
        for entry in entries:
            if entry.part is not None:
                path = layer.parts[entry.part][0]
                sizes[path] = sizes.get(path, 0) + entry.size
    paths = [(item.path, parse(item.path).name) for item in reader.head.paths]
    members = [ClosureMember(path, name, "", path, sizes.get(path, 0), ()) for path, name in paths]
    return sorted(members, key=lambda member: (member.name, member.key)), [path for path, _ in paths]


def _json(member: ClosureMember) -> dict[str, Any]:
    values: dict[str, Any] = {"name": member.name, "path": member.path, "size": member.size}
    return values | ({"version": member.version} if member.version else {}) | {"needs": list(member.needs)}


def _list(page: Page, closure: _ListedClosure) -> list[str]:
    from fpack.cli.ui.layout import clean

    members, kind = closure.members, closure.kind
    rows = [[megabytes(member.size), member.path] for member in members]
    if kind == "packages":
        rows = [[megabytes(member.size), member.name, clean(member.version)] for member in members]
        rows += [[megabytes(member.size), member.name, "built"] for member in closure.built]
    lines = [line.rstrip() for line in page.table(rows, right=(0,), styles=("", "bold" if kind == "packages" else ""))]
    total = f"{megabytes(closure.size)} in {len(members)} {kind}"
    if closure.built:
        total += f" and {len(closure.built)} built " + ("path" if len(closure.built) == 1 else "paths")
    return [*lines, page.paint(total, "bold")]


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
