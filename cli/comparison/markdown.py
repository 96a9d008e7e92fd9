"""Write a comparison as Markdown for a pull request.

Names, versions, paths and changelogs are others' text. They stand in code spans and indented code, where Markdown
interprets nothing: no markup, no links, no mentions. The length is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fpack.cli.ui.render import counted, megabytes
from fpack.store.errors import printable

from .compare import summarise_files
from .model import ADDED, CHANGED, LOCK, REMOVED, Comparison, SettingChange, SourceChangelog
from .text import UNOWNED, signed

MAX_LENGTH = 60_000  # characters; a comment on GitHub has at most 65,536
MAX_ROWS = 100
MAX_CELL = 200
MAX_LINES = 60  # of a source's changelog
_VERBS = {ADDED: "added", REMOVED: "removed", CHANGED: "changed"}
_WORD = re.compile(r"[A-Za-z]+")
_ENDING = "\nThe rest is left out: it is too long for a comment.\n"


def document(comparison: Comparison, *, files: bool = False) -> str:
    """Return a comparison as a document of at most MAX_LENGTH characters. Sections that do not fit are left out."""
    parts, left = [], MAX_LENGTH - len(_ENDING)
    for section in _sections(comparison, files):
        if len(section) > left:
            parts.append(_ENDING)
            break
        parts.append(section)
        left -= len(section)
    return "".join(parts)


def code(text: str, most: int = MAX_CELL) -> str:
    """Return a text as a code span that may stand in a table, cut to `most` characters.

    In a span, nothing but a backtick ends it. A bar would end the cell of a table even in a span, and is replaced.
    """
    plain = _line(text).replace("`", "'").replace("|", "\u00a6").strip()
    if len(plain) > most:
        plain = f"{plain[: most - 3]}..."
    return f"`{plain}`" if plain else ""


def _sections(comparison: Comparison, files: bool) -> Iterator[str]:
    old, new = comparison.old, comparison.new
    yield f"### {code(old.name)} → {code(new.name)}\n\n"
    if not comparison.differs:
        yield "Nothing differs.\n"
        return
    yield _sizes(comparison)
    yield from _vulnerabilities(comparison)
    yield _table("Packages", ("package", "source", "old", "new", ""), _packages(comparison))
    yield _table("Licences", ("package", "old", "new"), [list(map(code, item)) for item in comparison.licences])
    yield _table("Settings", ("setting", "old", "new"), list(map(_setting, comparison.settings)))
    yield from (_changelog(item) for item in comparison.changelogs)
    sizes = sorted(comparison.sizes, key=lambda change: (-abs(change.new - change.old), change.owner))
    rows = [
        [code(change.owner or UNOWNED), megabytes(change.old), megabytes(change.new), signed(change.new - change.old)]
        for change in sizes
    ]
    yield _folded("Size by package", _rows(("package", "old", "new", "difference"), rows), len(rows))
    summary = [
        [code(row.owner or UNOWNED), *(str(n or "") for n in row[1:])] for row in summarise_files(comparison.files)
    ]
    yield _folded("Files by package", _rows(("package", "added", "removed", "changed"), summary), len(comparison.files))
    if files:
        listed = [
            [_VERBS[change.change], code(f"/{change.path}"), code(change.owner or UNOWNED), ", ".join(change.parts)]
            for change in comparison.files
        ]
        yield _folded("Files", _rows(("", "path", "package", "what"), listed), len(listed))


def _sizes(comparison: Comparison) -> str:
    old, new = comparison.old, comparison.new
    noun = "packages to download" if new.form == LOCK else "unpacked"
    text = f"{counted(len(comparison.packages), 'package')} and {counted(len(comparison.files), 'file')} differ; "
    text = text if new.form != LOCK else f"{counted(len(comparison.packages), 'package')} differ; "
    text += f"{noun}: {megabytes(old.unpacked)} → {megabytes(new.unpacked)} ({signed(new.unpacked - old.unpacked)})"
    if old.compressed is not None and new.compressed is not None:
        text += f", compressed: {megabytes(old.compressed)} → {megabytes(new.compressed)}"
    return f"{text}.\n\n"


def _packages(comparison: Comparison) -> list[list[str]]:
    rows = []
    for change in comparison.packages:
        package = change.either
        old = code(change.old.version) if change.old is not None else ""
        new = code(change.new.version) if change.new is not None else ""
        note = change.movement or _VERBS[change.change]
        if change.new is not None and change.new.archive.endswith("-security"):
            note += ", security"
        rows.append([code(package.name), code(package.source), old, new, note])
    return rows


def _setting(item: SettingChange) -> list[str]:
    return [code(item.name), code(item.old or ""), code(item.new or "")]


def _changelog(item: SourceChangelog) -> str:
    """Return a folded changelog. Its lines are indented code, which no line can end."""
    title = f"Changelog of <code>{_plain(item.source)}</code>"
    if item.cves:
        title += f": {', '.join(item.cves[:20])}" + (f" and {len(item.cves) - 20} more" if len(item.cves) > 20 else "")
    if not item.entries:
        return ""
    body = [
        line for entry in item.entries for line in (f"{entry.version} {entry.urgency} {entry.date}", *entry.lines, "")
    ]
    shown = [f"    {_line(line)[:MAX_CELL]}".rstrip() for line in body[:MAX_LINES]]
    more = f"\nand {counted(len(body) - MAX_LINES, 'more line')}\n" if len(body) > MAX_LINES else ""
    return f"<details><summary>{title}</summary>\n\n" + "\n".join(shown) + f"\n{more}\n</details>\n\n"


def _vulnerabilities(comparison: Comparison) -> Iterator[str]:
    found = comparison.vulnerabilities
    if found is None:
        yield "Vulnerabilities: no data.\n\n"
        return
    for title, items in (("Vulnerabilities fixed", found.fixed), ("New vulnerabilities", found.new)):
        rows = [[code(item.id), _only_letters(item.severity), code(item.package), code(item.version)] for item in items]
        yield _table(title, ("id", "severity", "source", "version"), rows)
    lacking = f" No data about {', '.join(map(code, found.without))}." if found.without else ""
    noun = "vulnerability remains" if found.remaining == 1 else "vulnerabilities remain"
    yield f"{found.remaining} known {noun}.{lacking}\n\n"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"#### {title}\n\n{_rows(heads, rows)}\n" if rows else ""


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows[:MAX_ROWS]]
    text = "\n".join(lines) + "\n"
    return text + f"\nand {len(rows) - MAX_ROWS} more\n" if len(rows) > MAX_ROWS else text


def _folded(title: str, body: str, number: int) -> str:
    return f"<details><summary>{title} ({number})</summary>\n\n{body}\n</details>\n\n" if number else ""


def _line(text: str) -> str:
    """Return a text on one line, without control characters: a second line could be markup."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def _plain(text: str) -> str:
    """Return a name for HTML: only its letters, digits, and the signs of package names."""
    return re.sub(r"[^A-Za-z0-9.+-]", "", text)[:MAX_CELL]


def _only_letters(text: str) -> str:
    found = _WORD.match(text)
    return found[0] if found is not None else ""
