"""Define the sections of a report: what a page shows, apart from how it looks.

A section is data for the page's script, which draws it. All text in it is of others (names of files, of packages, of
authors), and goes to the page as JSON through `page.encoded`, which escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Cell = str | int | float | None

# The types of columns. SIZE: bytes. CODE: text in a fixed font. LINK: the address of a web page. BADGE: a severity or
# state, which is drawn with a colour and its name.
TEXT, NUMBER, SIZE, CODE, LINK, BADGE = "text", "number", "size", "code", "link", "badge"


class Column(NamedTuple):
    """A column of a table."""

    name: str
    type: str = TEXT


class FieldList(NamedTuple):
    """Names with values. A value is text, or several."""

    id: str
    title: str
    rows: Sequence[tuple[str, str | Sequence[str]]]
    note: str = ""
    kind: str = "fields"


class DataTable(NamedTuple):
    """A table, which can be sorted and searched. empty: what to say if it has no rows."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    empty: str = ""
    kind: str = "table"


class EmptySection(NamedTuple):
    """A section of which there is no data. note: why, and how to get it."""

    id: str
    title: str
    note: str
    kind: str = "missing"


class Drawing(NamedTuple):
    """A treemap, a graph or a table of files. content: as the script's part for `kind` reads it."""

    id: str
    title: str
    content: Any
    note: str
    kind: str


Section = FieldList | DataTable | EmptySection | Drawing


class ReportPage(NamedTuple):
    """A page. title: names the image. facts: short facts below the title."""

    title: str
    facts: Sequence[str]
    sections: Sequence[Section]
