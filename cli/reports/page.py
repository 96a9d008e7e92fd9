"""Write a report as one HTML file that needs nothing else: no network, no other file, no clock.

The page holds its data as JSON, its style and its script. The script draws the sections with text nodes only. The
policy in the page allows this style and this script by their hashes and forbids everything else: no resource from
anywhere, no other script, and no text that becomes markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from .model import LINK, Cell, Column, DataTable, Drawing, EmptySection, ReportPage, Section
from .text import visible, web_address

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("elements.js", "tables.js", "treemap.js", "graph.js", "page.js")
_STYLE = "page.css"
MAX_ROWS = 20_000  # of a table


def html(page: ReportPage) -> Iterator[str]:
    """Yield the text of a page. It is ASCII."""
    style = (_ASSETS / _STYLE).read_text("ascii")
    code = "".join((_ASSETS / name).read_text("ascii") for name in _SCRIPTS)
    script = f"'use strict';\n(() => {{\n{code}}})();\n"
    title = escape(visible(page.title)).encode("ascii", "xmlcharrefreplace").decode("ascii")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy(script, style)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    yield f"<noscript><p>{title}. This page draws its content with a script, which this browser does not run.</p>"
    yield "</noscript>\n"
    yield f'<script type="application/json" id="data">{encoded(_data(page))}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy of a page. Trusted types forbid that text becomes markup."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def encoded(value: Any) -> str:
    """Return JSON that can stand in a script element, which ends at the first `</script` and knows `<!--`."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(page: ReportPage) -> dict[str, Any]:
    return {
        "title": visible(page.title),
        "facts": [visible(fact) for fact in page.facts],
        "sections": [_section(section) for section in page.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    made: dict[str, Any] = {"id": section.id, "title": section.title, "kind": section.kind, "note": section.note}
    if isinstance(section, EmptySection):
        return made
    if isinstance(section, Drawing):
        return {**made, "content": section.content}
    if isinstance(section, DataTable):
        columns = [[column.name, column.type] for column in section.columns]
        if len(section.rows) > MAX_ROWS:
            made["note"] = f"{section.note} The first {MAX_ROWS} of {len(section.rows)} rows.".strip()
        rows = [[_cell(*pair) for pair in zip(row, section.columns, strict=True)] for row in section.rows[:MAX_ROWS]]
        return {**made, "columns": columns, "rows": rows, "empty": section.empty}
    fields = [
        [name, [visible(v) for v in ([value] if isinstance(value, str) else value)]] for name, value in section.rows
    ]
    return {**made, "rows": fields}


def _cell(cell: Cell, column: Column) -> Cell:
    if not isinstance(cell, str):
        return cell
    return web_address(cell) if column.type == LINK else visible(cell)
