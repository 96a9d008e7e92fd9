"""Lay out trees, bars and columns on standard output.

Lines fit the width of a terminal. In a pipe each record is one line of any length. Text from archives may hold
anything; `clean` removes control characters.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .render import colored, paint

_EIGHTHS = " ▏▎▍▌▋▊▉█"
MIN_WIDTH = 40  # columns
MAX_WIDTH = 120  # columns


class Page:
    """The capabilities of standard output. width: in cells, or 0 for lines of any length."""

    def __init__(self, width: int | None = None, color: bool | None = None, unicode: bool | None = None) -> None:
        self.width = _width() if width is None else width
        self.color = colored(sys.stdout) if color is None else color
        self.unicode = _unicode() if unicode is None else unicode

    def paint(self, text: str, style: str) -> str:
        """Return `text` in a style, if the page has colours."""
        return paint(text, style, self.color)

    def fit(self, text: str, room: int) -> str:
        """Cut `text` to `room` cells and mark the cut. Return it unchanged if lines may have any length."""
        if not self.width or cells(text) <= room:
            return text
        mark = "…" if self.unicode else "..."
        kept, used = [], cells(mark)
        for letter in text:
            used += cells(letter)
            if used > room:
                break
            kept.append(letter)
        return "".join(kept).rstrip() + mark if room > cells(mark) else text[: max(room, 0)]

    def wrap(self, text: str, room: int) -> list[str]:
        """Break `text` between words into lines of at most `room` cells."""
        lines: list[str] = []
        for word in text.split(" "):
            if lines and (not self.width or cells(lines[-1]) + 1 + cells(word) <= room):
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines or [""]

    def bar(self, share: float, length: int) -> str:
        """Return a bar of `length` cells, filled up to `share` (0 to 1)."""
        share = min(max(share, 0.0), 1.0)
        if not self.unicode:
            return ("#" * round(share * length)).ljust(length)
        eighths = round(share * length * 8)
        full, rest = divmod(eighths, 8)
        return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(length)

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[int] = (), styles: Sequence[str] = ()) -> list[str]:
        """Lay out rows in columns, two spaces apart; the last column is cut to fit.

        right: columns to align right. styles: one for each column, or "".
        """
        if not rows:
            return []
        last = len(rows[0]) - 1
        widths = [max(cells(row[i]) for row in rows) for i in range(last + 1)]
        room = max(self.width - sum(widths[:last]) - 2 * last, 10)
        lines = []
        for row in rows:
            parts = []
            for i, text in enumerate(row):
                shown = self.fit(text, room) if i == last else text
                pad = " " * (widths[i] - cells(shown))
                style = styles[i] if i < len(styles) else ""
                painted = self.paint(shown, style) if style and shown else shown
                parts.append(pad + painted if i in right else painted if i == last else painted + pad)
            lines.append("  ".join(parts).rstrip())
        return lines

    def fields(self, pairs: Iterable[tuple[str, str | Sequence[str]]]) -> list[str]:
        """Lay out names and values below each other. Values of several lines, and long ones, are indented."""
        listed = [(name, value) for name, value in pairs if value]
        widest = max((cells(name) for name, _ in listed), default=0)
        room = max(self.width - widest - 2, 20)
        lines = []
        for name, value in listed:
            parts = [
                line for entry in ([value] if isinstance(value, str) else value) for line in self.wrap(entry, room)
            ]
            label = self.paint(name, "cyan") + " " * (widest - cells(name) + 2)
            lines.append(label + parts[0])
            lines += [" " * (widest + 2) + part for part in parts[1:]]
        return lines


class Branch(NamedTuple):
    """A node of a drawn tree: its name, a detail beside the name, a remark, and its children."""

    name: str
    detail: str = ""
    remark: str = ""
    below: Sequence[Branch] = ()


def tree(page: Page, branches: Iterable[Branch]) -> list[str]:
    """Draw branches with lines between them. A remark that does not fit beside its name goes below the name."""
    marks = ("├─ ", "│  ", "└─ ") if page.unicode else ("|- ", "|  ", "`- ")
    todo = [("", "", branch) for branch in reversed(list(branches))]
    lines: list[str] = []
    while todo:
        first, after, branch = todo.pop()
        below = list(branch.below)
        lines += _branch(page, first, after, branch, marks[1] if below else "   ")
        pairs = [(after + marks[0], after + marks[1])] * (len(below) - 1) + [(after + marks[2], after + "   ")]
        todo += [(a, b, child) for (a, b), child in zip(reversed(pairs), reversed(below), strict=False)]
    return lines


def _branch(page: Page, first: str, after: str, branch: Branch, stem: str) -> Iterator[str]:
    head = f"{branch.name} {branch.detail}".rstrip()
    painted = page.paint(branch.name, "bold") + (f" {branch.detail}" if branch.detail else "")
    lead = page.paint(first, "dim") if first else ""
    if not branch.remark:
        yield lead + painted
    elif not page.width or cells(first + head) + 2 + cells(branch.remark) <= page.width:
        yield f"{lead}{painted}  {page.paint(branch.remark, 'dim')}"
    else:
        yield lead + painted
        indent = after + stem
        for line in page.wrap(branch.remark, max(page.width - cells(indent), 20)):
            yield page.paint(indent, "dim") + page.paint(line, "dim")


def clean(text: str) -> str:
    """Replace control characters in `text` by spaces."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def cells(text: str) -> int:
    """Return the number of terminal columns that `text` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def show(lines: Iterable[str]) -> None:
    """Print lines. Characters that the terminal's encoding lacks become question marks."""
    text = "".join(f"{line}\n" for line in lines)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding, "replace"))


def show_members(page: Page, members: Sequence[tuple[str, Iterable[str]]]) -> None:
    """Print the lines of what a target names, or those of each member of a list or a record below its name."""
    lines: list[str] = []
    for member, text in members:
        if member:
            lines += [*([""] if lines else []), page.paint(f"{clean(member)}:", "bold")]
        lines += text
    show(lines)


def _width() -> int:
    if not sys.stdout.isatty():
        return 0
    return min(max(shutil.get_terminal_size().columns, MIN_WIDTH), MAX_WIDTH)


def _unicode() -> bool:
    try:
        "└█…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
