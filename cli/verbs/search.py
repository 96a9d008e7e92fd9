"""`fpack search`: packages by name and description, the curated ones first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.debian.search_table import Hit
    from fpack.cli.workspace.package_lookup import Packages

OLD = 30  # days


class Found(NamedTuple):
    """A package that was found. target: what the other commands call it."""

    name: str
    version: str
    section: str
    description: str
    curated: bool
    target: str


@click.command(
    "search",
    epilog="""\b
Examples:
  fpack search redis
  fpack search json command line           all of these words, in name or description
  fpack search -r bookworm postgresql --limit 0
  fpack search redis --json""",
)
@click.argument("words", nargs=-1, required=True)
@click.option("-r", "--release", help="Debian's release: by default the project's, else the newest stable one.")
@click.option("--limit", type=click.IntRange(0), default=25, show_default=True, help="Show at most so many; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(words: tuple[str, ...], release: str | None, limit: int, as_json: bool, **rest: Any) -> int:
    """Find packages that have all WORDS in their name or description. Without network, once a release's list is here.

    Curated packages come first; they are images that are made with care. All others are named debian.RELEASE.NAME
    where something is packed.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace

    wanted = [word.lower() for text in words for word in text.split()]
    if not wanted:
        raise UsageError("There is nothing to search for", hint="name a word, as in: fpack search redis")
    with Workspace(shared.options(rest)) as workspace:
        from fpack.cli.workspace.package_lookup import Packages

        workspace.use_project(find_project(Path.cwd()))
        packages = Packages(workspace, release)
        found = [*_curated(wanted), *_debian(packages, wanted)]
        shown = found[:limit] if limit else found
        near = [] if found else packages.universe.nearest("-".join(wanted))
    if as_json:
        shared.print_json(
            {
                "release": packages.release,
                "arch": packages.arch,
                "found": len(found),
                "packages": [each._asdict() for each in shown],
                "near": near,
            }
        )
        return 0 if found else 1
    if not found:
        _nothing(wanted, near, packages.release)
    _print(shown, len(found), packages)
    return 0


def _curated(words: Sequence[str]) -> list[Found]:
    from fpack.builders.debian.search_table import SearchRow, order, rank
    from fpack.cli.workspace.package_lookup import curated_packages

    rows = [SearchRow(each.name, "", "", each.summary) for each in curated_packages()]
    hits = [rank(row, words) for row in rows if all(w in row.name or w in row.description.lower() for w in words)]
    return [Found(*hit.row, True, hit.row.name) for hit in order(hits, words)]


def _debian(packages: Packages, words: Sequence[str]) -> list[Found]:
    """Debian's packages, of each the newest version of all suites."""
    from fpack.builders.debian.index import IndexCache
    from fpack.builders.debian.search_table import open_catalog, order, rank
    from fpack.builders.debian.version import version_key
    from fpack.cli.paths import cache_directory

    cache = IndexCache(cache_directory() / "debian")
    best: dict[str, Hit] = {}
    for each in packages.at_hand:
        for row in open_catalog(cache, each.pin, each.opened.text).find(words):
            old = best.get(row.name)
            if old is None or version_key(old.row.version) < version_key(row.version):
                best[row.name] = rank(row, words)
    prefix = f"debian.{packages.release}."
    return [Found(*hit.row, False, prefix + hit.row.name) for hit in order(best.values(), words)]


def _nothing(words: Sequence[str], near: Sequence[str], release: str) -> None:
    from fpack.store.errors import FpackError

    text = " ".join(words)
    raise FpackError(
        f"Nothing is found for {text!r} in {release}",
        why="no package has all of it in its name or description",
        hint=f"did you mean {' or '.join(near)}?" if near else "try fewer words, or another release with -r",
    )


def _print(shown: Sequence[Found], count: int, packages: Packages) -> None:
    from fpack.cli.ui.layout import Page, clean, show
    from fpack.cli.ui.render import note

    page = Page()
    star = "★" if page.unicode else "*"
    lines = []
    rows = [[each.name, star if each.curated else each.version, each.description] for each in shown]
    # The names and versions of a few must not take the room that all need for their descriptions.
    limits = (page.width * 2 // 5, page.width // 4)
    cut = [[page.fit(clean(row[0]), limits[0]), page.fit(clean(row[1]), limits[1]), clean(row[2])] for row in rows]
    for each, line in zip(shown, page.table(cut, styles=("bold", "", "dim")), strict=True):
        lines.append(line.replace(star, page.paint(star, "yellow"), 1) if each.curated else line)
    if page.width:
        lines.append("")
        more = f", and {count - len(shown)} more with --limit 0" if count > len(shown) else ""
        lines.append(page.paint(f"{len(shown)} of {count} found in {packages.release}{more}", "dim"))
        if any(each.curated for each in shown):
            lines.append(page.paint(f"{star} curated: fpack pack {shown[0].name}", "dim"))
        first = next((each for each in shown if not each.curated), None)
        if first is not None:
            lines.append(page.paint(f"fpack show {clean(first.target)} tells more", "dim"))
    elif count > len(shown):
        note(f"{count - len(shown)} more are found; --limit 0 shows all")
    show(lines)
    if packages.age > OLD:
        note(f"The list of packages is {int(packages.age)} days old; fpack update gets a new one")
