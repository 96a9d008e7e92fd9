"""`fpack search`: find packages by name and description, curated ones first, or by their files."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared
from fpack.store import DAY

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import FoundPackages
    from fpack.builders.debian.contents.index import FileEntry
    from fpack.builders.debian.contents.needs import BuildNeed
    from fpack.builders.debian.indexes.search_table import Hit
    from fpack.cli.workspace.package_lookup import Packages

OLD = 30  # days


class SearchResult(NamedTuple):
    """A package that matches. target: its name for the other commands."""

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
  fpack search json command line           all these words, in name or description
  fpack search -r bookworm postgresql --limit 0
  fpack search --file zlib.h               the packages that have such a header
  fpack search --file 'libpq.so*'          or /usr/bin/psql, openssl/ssl.h, numpy
  fpack search --pc wayland-client         the package that a build needs for a pkg-config module
  fpack search --header curses.h           or --lib ncurses, --program bison, --cmake Qt6
  fpack search redis --json""",
)
@click.argument("words", nargs=-1)
@click.option(
    "-f",
    "--file",
    "file_name",
    metavar="FILE",
    help="Find the packages that have a file of this name, path or pattern.",
)
@click.option("--pc", metavar="MODULE", help="Find the package of a pkg-config module, as in 'zlib >= 1.2'.")
@click.option("--lib", metavar="NAME", help="Find the package of a library, as in -lNAME.")
@click.option("--program", metavar="NAME", help="Find the package of a program.")
@click.option("--header", metavar="FILE", help="Find the package of a header, as in #include <FILE>.")
@click.option("--cmake", metavar="NAME", help="Find the packages of find_package(NAME) of CMake.")
@click.option(
    "-r", "--release", help="Release, such as trixie or noble. Default: the project's, else Debian's stable one."
)
@click.option("--limit", type=click.IntRange(0), default=25, show_default=True, help="Show at most this many; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(
    words: tuple[str, ...],
    file_name: str | None,
    pc: str | None,
    lib: str | None,
    program: str | None,
    header: str | None,
    cmake: str | None,
    release: str | None,
    limit: int,
    as_json: bool,
    **rest: Any,
) -> int:
    """Find packages that have all WORDS in their name or description, or that have a FILE.

    Curated packages come first. Other packages are named debian.RELEASE.NAME, or ubuntu.RELEASE.NAME, in other
    commands. The network is needed only until the release's package list is cached.

    FILE is a header, pkg-config file, CMake configuration, library, program or top module of Python: its name, its
    path, the end of its path, its directory, or a pattern, in which * and ? do not match a slash, and ** does. The
    first search for a file fetches the release's index of files, about 50 MB.

    --pc, --lib, --program, --header and --cmake name what a build needs. They find the file where a build looks for it,
    and the first package is the one that `fpack init` and `fpack fix` choose.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace

    wanted = [_searched(word.lower()) for text in words for word in text.split()]
    given = {"pc": pc, "lib": lib, "program": program, "header": header, "cmake": cmake}
    asked = {option: value for option, value in given.items() if value is not None}
    if asked:
        if len(asked) > 1 or wanted or file_name is not None:
            option, value = next(iter(asked.items()))
            hint = f"run fpack search --{option} {shlex.quote(value)}"
            raise UsageError(f"Nothing else can be searched for together with --{option}", hint=hint)
        return _needed(*next(iter(asked.items())), release, limit, as_json, rest)
    if file_name is not None and wanted:
        hint = f"run fpack search --file {shlex.quote(file_name)}"
        raise UsageError("Words and --file cannot be searched for together", hint=hint)
    if file_name is not None:
        return _files(file_name, release, limit, as_json, rest)
    if not words:
        raise click.UsageError("Missing argument 'WORDS...'.", click.get_current_context())
    if not wanted:
        raise UsageError("There is no word to search for", hint="give a word, as in: fpack search redis")
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
                "packages": [item._asdict() for item in shown],
                "near": near,
            }
        )
        return 0 if found else 1
    if not found:
        _nothing(wanted, near, packages.release)
    _print(shown, len(found), packages)
    return 0


def _files(text: str, release: str | None, limit: int, as_json: bool, rest: dict[str, Any]) -> int:
    """Print the packages that have a file."""
    from fpack.cli.workspace.file_lookup import KEPT, check
    from fpack.cli.workspace.needs import files_of
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import FpackError

    check(text)
    with Workspace(shared.options(rest)) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        packages = Packages(workspace, release)
        found, date = files_of(packages, text)
    shown = found[:limit] if limit else found
    if as_json:
        files = [{"path": entry.path, "packages": list(entry.packages)} for entry in shown]
        shared.print_json({"release": packages.release, "arch": packages.arch, "found": len(found), "files": files})
        return 0 if found else 1
    if not found:
        raise FpackError(
            f"No package of {packages.release} has a file {text!r}",
            why=f"its index of files has {KEPT}",
            hint=f"a name must be complete; a pattern need not be: fpack search --file {shlex.quote(f'*{text}*')}",
        )
    _print_files(shown, len(found), packages, date)
    return 0


def _needed(option: str, text: str, release: str | None, limit: int, as_json: bool, rest: dict[str, Any]) -> int:
    """Print the packages that meet what a build needs: first the one to choose."""
    from fpack.cli.workspace.needs import open_finder, parse_needs
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import FpackError

    needs = parse_needs(option, text)
    with Workspace(shared.options(rest)) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        packages = Packages(workspace, release)
        finder = open_finder(packages)
        found = [(need, finder.find(need), finder.files(need)) for need in needs]
    if as_json:
        shared.print_json(
            {
                "release": packages.release,
                "arch": packages.arch,
                "needs": [
                    {
                        "kind": need.kind,
                        "name": need.name,
                        "field": need.field,
                        "packages": list(met.packages),
                        "old": met.too_old or None,
                        "files": [{"path": e.path, "packages": list(e.packages)} for e in files[: limit or None]],
                    }
                    for need, met, files in found
                ],
            }
        )
        return 0 if all(met.packages for _, met, _ in found) else 1
    for need, met, _ in found:
        if not met.packages:
            parts = shlex.quote(f"*{need.name}*")
            hint = f"the name must be complete; parts of names are found by fpack search --file {parts}"
            raise FpackError(f"No package of {packages.release} has {need}", hint=hint)
    _print_needs(found, limit, packages)
    return 0


def _print_needs(
    found: Sequence[tuple[BuildNeed, FoundPackages, list[FileEntry]]], limit: int, packages: Packages
) -> None:
    from fpack.builders.debian.contents.index import FileEntry
    from fpack.cli.ui.layout import Page, clean, show
    from fpack.cli.ui.render import note

    page = Page()
    entries: list[FileEntry] = []
    for _, met, files in found:
        entries += files[: limit or None] or [FileEntry("", met.packages)]
    first = {path: met.packages for _, met, files in found for path in [entry.path for entry in files[:1]]}
    rows = [[page.fit(" ".join(first.get(e.path, e.packages)), page.width * 2 // 5), clean(e.path)] for e in entries]
    lines = page.table(rows, styles=("bold", ""))
    if page.width:
        lines.append("")
        for need, met, _ in found:
            lines.append(page.paint(f"for {need}, a build lists debian.{met.best} in `{need.field}`", "dim"))
    show(lines)
    for need, met, _ in found:
        if met.too_old:
            note(f"{met.best} of {packages.release} is {met.too_old}, which is less than {need.least}")


def _searched(word: str) -> str:
    """Return a word without the `debian.trixie.` that stands before the names of packages in other commands."""
    from fpack.builders.debian.suites import ALL_RELEASES

    distribution, dot, rest = word.partition(".")
    if distribution not in ("debian", "ubuntu") or not dot:
        return word
    release, dot, name = rest.partition(".")
    return (name if dot and release in ALL_RELEASES else rest) or word


def _curated(words: Sequence[str]) -> list[SearchResult]:
    from fpack.builders.debian.indexes.search_table import SearchRow, order, rank
    from fpack.cli.workspace.curated import curated_packages

    rows = [SearchRow(package.name, "", "", package.summary) for package in curated_packages()]
    hits = [rank(row, words) for row in rows if all(w in row.name or w in row.description.lower() for w in words)]
    return [SearchResult(*hit.row, True, hit.row.name) for hit in order(hits, words)]


def _debian(packages: Packages, words: Sequence[str]) -> list[SearchResult]:
    """Return the newest version, of all suites, of each matching Debian package."""
    from fpack.builders.debian.indexes.search_table import open_catalog, order, rank
    from fpack.builders.debian.suites import target_of
    from fpack.builders.debian.version import version_key

    best: dict[str, Hit] = {}
    for index in packages.at_hand:
        for row in open_catalog(packages.cache, index.pin, index.opened).find(words):
            old = best.get(row.name)
            if old is None or version_key(old.row.version) < version_key(row.version):
                best[row.name] = rank(row, words)
    prefix = target_of(packages.release)
    return [SearchResult(*hit.row, False, prefix + hit.row.name) for hit in order(best.values(), words)]


def _nothing(words: Sequence[str], near: Sequence[str], release: str) -> None:
    from fpack.store.errors import FpackError

    text = " ".join(words)
    raise FpackError(
        f"No package matches {text!r} in {release}",
        why="no package has all words in its name or description",
        hint=f"did you mean {' or '.join(near)}?" if near else "try fewer words, or another release with -r",
    )


def _print(shown: Sequence[SearchResult], count: int, packages: Packages) -> None:
    from fpack.cli.ui.layout import Page, clean, show
    from fpack.cli.ui.render import counted, note

    page = Page()
    star = "★" if page.unicode else "*"
    lines = []
    rows = [[item.name, star if item.curated else item.version, item.description] for item in shown]
    # A few long names and versions must not take the space of the descriptions.
    limits = (page.width * 2 // 5, page.width // 4)
    cut = [[page.fit(clean(row[0]), limits[0]), page.fit(clean(row[1]), limits[1]), clean(row[2])] for row in rows]
    for entry, line in zip(shown, page.table(cut, styles=("bold", "", "dim")), strict=True):
        lines.append(line.replace(star, page.paint(star, "yellow"), 1) if entry.curated else line)
    if page.width:
        lines.append("")
        more = f", and {count - len(shown)} more with --limit 0" if count > len(shown) else ""
        lines.append(page.paint(f"{len(shown)} of {count} found in {packages.release}{more}", "dim"))
        if any(item.curated for item in shown):
            lines.append(page.paint(f"{star} curated: fpack pack {shown[0].name}", "dim"))
        first = next((item for item in shown if not item.curated), None)
        if first is not None:
            lines.append(page.paint(f"fpack show {clean(first.target)} shows details", "dim"))
    elif count > len(shown):
        note(f"{counted(count - len(shown), 'more package matches', 'more packages match')}; --limit 0 shows all")
    show(lines)
    if packages.age > OLD:
        note(f"The list of packages is {int(packages.age)} days old; fpack update fetches a new one")


def _print_files(shown: Sequence[FileEntry], count: int, packages: Packages, date: float) -> None:
    from fpack.builders.debian.suites import target_of
    from fpack.cli.ui.layout import Page, clean, show
    from fpack.cli.ui.render import counted, note

    page = Page()
    names = [page.fit(" ".join(entry.packages), page.width * 2 // 5) for entry in shown]
    rows = [[name, clean(entry.path)] for name, entry in zip(names, shown, strict=True)]
    lines = page.table(rows, styles=("bold", ""))
    if page.width:
        more = f", and {count - len(shown)} more with --limit 0" if count > len(shown) else ""
        lines += ["", page.paint(f"{len(shown)} of {count} found in {packages.release}{more}", "dim")]
        lines.append(page.paint(f"fpack show {target_of(packages.release, shown[0].packages[0])} shows details", "dim"))
    elif count > len(shown):
        note(f"{counted(count - len(shown), 'more file matches', 'more files match')}; --limit 0 shows all")
    show(lines)
    days = int((time.time() - date) / DAY)
    if days > OLD:
        note(f"The index of files is {days} days old; fpack update fetches a new one")
