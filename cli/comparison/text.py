"""Show a comparison as text, with colours on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fpack.cli.ui.layout import Page, clean
from fpack.cli.ui.render import counted, megabytes

from .compare import summarise_files
from .model import ADDED, CHANGED, LOCK, REMOVED, Comparison, FileChange, FileState, PackageChange, SourceChangelog

MAX_LINES = 30  # of a source's changelog
MAX_FILES = 5_000
_STYLES = {ADDED: "green", REMOVED: "red", CHANGED: "yellow"}
_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
UNOWNED = "(container)"  # shown for files of no package and no build
NO_DATA = "no vulnerability data; --data names some (fpack audit --help)"


def lines(comparison: Comparison, page: Page, *, files: bool) -> Iterator[str]:
    """Yield the lines of a comparison. files: name each file, not only their numbers."""
    if not comparison.differs:
        yield f"{clean(comparison.old.name)} and {clean(comparison.new.name)} are the same"
    yield from packages(comparison, page)
    yield from _sizes(comparison, page)
    yield from _files(comparison, page, files)
    yield from _section("licences", _licences(comparison, page), page)
    yield from _section("settings", _settings(comparison, page), page)
    yield from changelogs(comparison.changelogs, page)
    yield from _vulnerabilities(comparison, page)


def packages(comparison: Comparison, page: Page) -> Iterator[str]:
    """Yield the table of packages that differ."""
    several = comparison.new.form == LOCK and len({change.either[2:4] for change in comparison.packages}) > 1
    rows = [_row(change, several) for change in comparison.packages]
    table = page.table(rows)
    painted = [page.paint(row, _STYLES[change.change]) for row, change in zip(table, comparison.packages, strict=True)]
    yield from _section(counted(len(rows), "package"), painted, page)


def _row(change: PackageChange, several: bool) -> list[str]:
    package = change.either
    old = change.old.version if change.old is not None else "-"
    new = change.new.version if change.new is not None else "-"
    note = [change.movement] if change.movement not in ("", "upgraded") else []
    note += [f"source {package.source}"] if package.source not in ("", package.name) else []
    note += ["security"] if change.new is not None and change.new.archive.endswith("-security") else []
    where = [f"{package.release} {package.arch}"] if several else []
    cells = [_SIGNS[change.change], package.name, *where, old, "->", new, ", ".join(note)]
    return [clean(cell) for cell in cells]


def _sizes(comparison: Comparison, page: Page) -> Iterator[str]:
    old, new = comparison.old, comparison.new
    noun = "packages to download" if new.form == LOCK else "unpacked"
    rows = [[noun, megabytes(old.unpacked), "->", megabytes(new.unpacked), signed(new.unpacked - old.unpacked)]]
    if old.compressed is not None and new.compressed is not None:
        difference = signed(new.compressed - old.compressed)
        rows.insert(0, ["compressed", megabytes(old.compressed), "->", megabytes(new.compressed), difference])
    largest = sorted(comparison.sizes, key=lambda change: (-abs(change.new - change.old), change.owner))
    rows += [
        [
            clean(change.owner) or UNOWNED,
            megabytes(change.old),
            "->",
            megabytes(change.new),
            signed(change.new - change.old),
        ]
        for change in largest[:10]
    ]
    if comparison.sizes or old.compressed != new.compressed:
        found = page.table(rows, right=(1, 3, 4))
        more = [f"and {len(largest) - 10} more"] if len(largest) > 10 else []
        yield from _section("size", [*found, *more], page)


def signed(size: int) -> str:
    """Format a difference of sizes."""
    return f"+{megabytes(size)}" if size > 0 else f"-{megabytes(-size)}" if size else "0 B"


def _files(comparison: Comparison, page: Page, every: bool) -> Iterator[str]:
    changes = comparison.files
    if every:
        shown = [page.paint(_file(change), _STYLES[change.change]) for change in changes[:MAX_FILES]]
        shown += [f"and {len(changes) - MAX_FILES} more, which --json lists"] if len(changes) > MAX_FILES else []
        yield from _section(counted(len(changes), "file"), shown, page)
        return
    rows = [
        [
            clean(row.owner) or UNOWNED,
            *(f"{sign}{number}" if number else "" for sign, number in zip("+-~", row[1:], strict=True)),
        ]
        for row in summarise_files(changes)
    ]
    title = f"{counted(len(changes), 'file')} (--files lists them)"
    yield from _section(title, page.table(rows, right=(1, 2, 3)), page)


def _file(change: FileChange) -> str:
    line = f"{_SIGNS[change.change]} /{clean(change.path)}"
    if change.old is None or change.new is None:
        return line
    details = [f"{part} {_part(change.old, part)} -> {_part(change.new, part)}" for part in change.parts]
    return f"{line}  {', '.join(details)}"


def _part(state: FileState, part: str) -> str:
    if part == "content":
        return f"{state.sha256.hex()[:12]} ({megabytes(state.size)})"
    if part == "mode":
        return f"{state.mode:04o}"
    if part == "owner":
        return f"{state.uid}:{state.gid}"
    if part == "target":
        return clean(state.target.decode("utf-8", "replace")) or "-"
    return {"f": "file", "d": "directory", "l": "symlink"}[state.kind]


def _licences(comparison: Comparison, page: Page) -> list[str]:
    rows = [[item.package, item.old or "-", "->", item.new or "-"] for item in comparison.licences]
    return page.table([[clean(cell) for cell in row] for row in rows])


def _settings(comparison: Comparison, page: Page) -> list[str]:
    found = []
    for item in comparison.settings:
        change = ADDED if item.old is None else REMOVED if item.new is None else CHANGED
        values = " -> ".join(clean(value) for value in (item.old, item.new) if value)
        found.append(page.paint(f"{_SIGNS[change]} {clean(item.name)}  {values}".rstrip(), _STYLES[change]))
    return found


def changelogs(items: Iterable[SourceChangelog], page: Page, most: int = MAX_LINES) -> Iterator[str]:
    """Yield the changelogs of sources, each with at most `most` lines."""
    for item in items:
        of = f" ({', '.join(item.packages)})" if item.packages != (item.source,) else ""
        title = f"{item.source} {item.old} -> {item.new}{of}"
        body = [
            line for entry in item.entries for line in (f"{entry.version} {entry.urgency} {entry.date}", *entry.lines)
        ]
        shown = [clean(line) for line in body[:most]]
        more = counted(len(body) - most, "more line")
        shown += [f"and {more}, which --json has"] if len(body) > most else []
        if not item.entries:
            shown = [
                f"no changelog: {clean(item.absent)}" if item.absent else "its changelog has no entries in between"
            ]
        if item.cves:
            shown.insert(0, page.paint(f"mentions {', '.join(item.cves)}", "bold"))
        yield from _section(clean(title), shown, page)


def _vulnerabilities(comparison: Comparison, page: Page) -> Iterator[str]:
    found = comparison.vulnerabilities
    if found is None:
        if comparison.differs:
            yield page.paint(NO_DATA, "dim")
        return
    for title, items, style in (("fixed", found.fixed, "green"), ("new", found.new, "red")):
        rows = [[item.id, item.severity, f"{item.package} {item.version}", item.description] for item in items]
        table = page.table([[clean(cell) for cell in row] for row in rows])
        heading = f"{len(items)} {'vulnerability' if len(items) == 1 else 'vulnerabilities'} {title}"
        yield from _section(heading, [page.paint(line, style) for line in table], page)
    yield f"{found.remaining} known {'vulnerability remains' if found.remaining == 1 else 'vulnerabilities remain'}"
    if found.without:
        yield page.paint(clean(f"no vulnerability data about {', '.join(found.without)}"), "yellow")


def _section(title: str, found: list[str], page: Page) -> Iterator[str]:
    """Yield a title and indented lines, or nothing if there are no lines."""
    if found:
        yield page.paint(title, "bold")
        yield from (f"  {line}".rstrip() for line in found)
