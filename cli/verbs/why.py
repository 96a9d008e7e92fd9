"""`fpack why`: show the chain of files and sonames that brought a package into an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.images.inspect import GraftedFile, ImageSlice, Match
    from fpack.cli.images.subject import Subject
    from fpack.cli.ui.layout import Branch


@click.command(
    "why",
    epilog="""\b
Examples:
  fpack why postgres libicu76                         a package
  fpack why postgres libcrypto.so.3                   a library, by its soname
  fpack why debian.trixie.nginx /usr/bin/perl         a file
  fpack why nginx /etc/nginx/nginx.conf               a file of the container
  fpack why debian.trixie.apache2 /etc/apache2/mods-enabled/mpm_event.load
  fpack why postgres                                  everything
  fpack why app zlib                                  a built package, and what references it
  fpack why postgres.tar libicu76                     the same for an image file, by its manifest""",
)
@click.argument("image", required=False)
@click.argument("thing", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_any
@shared.of_file
@shared.building
def command(
    image: str | None,
    thing: str | None,
    expression: str | None,
    together: bool,
    platform: str | None,
    as_json: bool,
    **rest: Any,
) -> int:
    """Show why THING, a package, a file or a store path, is in IMAGE; without THING, show it for every package.

    IMAGE is anything that can be packed, or an image file. A list or a record has an image for each member.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.images.inspect import NotInside
    from fpack.cli.images.subject import open_subjects
    from fpack.cli.ui.layout import Page, show_members, tree
    from fpack.cli.workspace.workspace import Workspace

    if expression is not None and image is not None:
        if thing is not None:
            raise UsageError("Give either IMAGE or --expression, not both", hint=f"leave out {image} or -e")
        image, thing = None, image
    elif expression is None and image is None:
        raise UsageError("fpack why needs IMAGE", why="usage: fpack why [OPTIONS] IMAGE [THING]")
    with Workspace(shared.options(rest)) as workspace:
        text = shared.target_text(image, expression)
        found, absent = [], None
        for member, subject in open_subjects(workspace, text, platform, together=together):
            try:
                found.append((member, _reasons(subject, thing)))
            except NotInside as error:
                absent = absent or error
        if not found and absent is not None:
            raise absent
        workspace.finish()
    if as_json:
        shared.print_members([(member, reasons.as_json()) for member, reasons in found])
        return 0
    page = Page()
    show_members(page, [(member, tree(page, reasons.branches())) for member, reasons in found])
    return 0


class Reasons(NamedTuple):
    """Why a thing is in an image, or everything. slices: all packages and store paths. grafts: what is replaced.

    left_out: what of the units of servers the container does not do, by package.
    """

    slices: Sequence[ImageSlice]
    found: Match | None
    grafts: Sequence[GraftedFile] = ()
    left_out: Mapping[str, Sequence[str]] = {}

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return the object that `--json` prints."""
        from fpack.cli.images.inspect import chain

        found = self.found
        names = [slice_.package for slice_ in self.slices]
        if found:
            names = [found.package] if found.package else []
        lists = {name: [link._asdict() for link in chain(self.slices, name)] for name in names}
        for graft in self.grafts:
            if graft.package in lists:
                lists[graft.package].append({"kind": "grafted", "file": graft.file, "path": graft.by})
        for name, notes in self.left_out.items():
            if name in lists and not (found and found.file):
                lists[name] += [{"kind": "left-out", "what": note} for note in notes]
        if found and found.script:
            made = {"kind": "configured", "file": f"/{found.file}", "script": found.script, "sha256": found.sha256}
            lists[found.package].append({"by": found.package, **made})
        elif found and not found.package:
            kind = {"kind": "generated", "rule": found.rule} if found.rule else {"kind": "files"}
            if found.built:
                kind = {"kind": "built", "path": found.built}
            lists = {f"/{found.file}": [{**kind, "file": f"/{found.file}"}]}
        return lists

    def branches(self) -> list[Branch]:
        """Return the tree to draw."""
        from fpack.cli.images.inspect import chain

        if self.found is None:
            return _all(self.slices, self.left_out)
        found = self.found
        own = [graft for graft in self.grafts if found.package == graft.package or f"/{found.file}" == graft.file]
        package = found.package or (own[0].package if own else "")
        return _chain(chain(self.slices, package), found, own, self.left_out.get(package, ()))


def _reasons(subject: Subject, thing: str | None) -> Reasons:
    """Return why a thing is in an image. Raise NotInside if it is not."""
    from fpack.cli.images import inspect
    from fpack.cli.images.base import contents

    slices, grafts = subject.packages(), subject.grafts()
    base = subject.base()
    if base is not None:
        names = [slice_.package for slice_ in slices]
        slices = [*slices, *(item for item in contents.packages(base) if item.package not in names)]
    left_out = subject.left_out()
    if thing is None:
        return Reasons(slices, None, grafts, left_out)
    names = [slice_.package for slice_ in slices]
    if thing not in names:
        built = [*subject.built(), *(contents.built(base) if base is not None else ())]
        if (item := inspect.named(built, thing)) is not None:
            return Reasons(built, inspect.Match(item.package))
    below = contents.files(subject.manifest()) if base is not None else iter(())
    return Reasons(slices, inspect.find(names, thing, chain(below, subject.files())), grafts, left_out)


def _chain(
    links: Sequence[ImageSlice], found: Match, grafts: Sequence[GraftedFile], notes: Sequence[str]
) -> list[Branch]:
    """Return one branch down to a package, and to the named file in it, if any. grafts: its replaced libraries.

    notes: what of its unit is left out, which is told for the package itself.
    """
    from fpack.cli.ui.layout import Branch

    below = [Branch(graft.file, "", f"replaced by {graft.by}") for graft in grafts]
    if not found.file:
        below += _left_out(notes)
    if found.file and not any(f"/{found.file}" == graft.file for graft in grafts):
        below = [Branch(f"/{found.file}", "", found.maker), *below]
    for link in reversed(links):
        below = [_branch(link, below)]
    return below


def _left_out(notes: Sequence[str]) -> list[Branch]:
    from fpack.cli.ui.layout import Branch, clean

    return [Branch("left out", "", clean(note)) for note in notes]


def _all(slices: Sequence[ImageSlice], left_out: Mapping[str, Sequence[str]]) -> list[Branch]:
    """Return every package below the package that brought it in. left_out: what of units of servers is left out."""
    children: dict[str | None, list[ImageSlice]] = {}
    for slice_ in slices:
        children.setdefault(slice_.by, []).append(slice_)
    made: dict[str, Branch] = {}
    # From the leaves up, without recursion: a chain may be as long as the number of packages.
    order, todo = [], list(children.get(None, []))
    while todo:
        entry = todo.pop()
        order.append(entry)
        todo += children.get(entry.package, [])
    for entry in reversed(order):
        below = [made[child.package] for child in children.get(entry.package, [])]
        made[entry.package] = _branch(entry, [*_left_out(left_out.get(entry.package, ())), *below])
    return [made[entry.package] for entry in children.get(None, [])]


def _branch(entry: ImageSlice, below: Sequence[Branch]) -> Branch:
    from fpack.cli.images.inspect import reason_text
    from fpack.cli.ui.layout import Branch, clean

    return Branch(entry.package, entry.version, clean(reason_text(entry)), below)
