"""`fpack history`: show past builds, their inputs, outcomes and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.ui.layout import Page
    from fpack.store.database import HistoryEntry
    from fpack.store.store import Store

OUTCOMES = ("built", "fetched", "cut-off", "failed")
_LIMIT = 50  # builds
_INPUTS = 8  # number of inputs that are shown for each build
_STYLES = {"failed": "red", "cut-off": "dim"}


@click.command(
    "history",
    epilog="""\b
Examples:
  fpack history                         the last 50 builds
  fpack history 'app*' --inputs         builds of such names, with their inputs
  fpack history ./result                builds that gave this path
  fpack history --outcome failed
  fpack history --limit 0 --json        everything that is recorded""",
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only builds with this outcome.")
@click.option("--kind", metavar="KIND", help="Only derivations of this kind, such as fetch, deb or exec.")
@click.option(
    "--limit", type=click.IntRange(0, 1_000_000_000), default=_LIMIT, help=f"Maximum number; 0: all. Default: {_LIMIT}."
)
@click.option("--inputs", is_flag=True, help="Show the inputs of each build.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(name: str | None, outcome: str | None, kind: str | None, limit: int, inputs: bool, as_json: bool) -> int:
    """Show past builds, the latest first: time, outcome, duration and path. NAME is a name, a
    pattern with * and ?, or a path as for fpack store.

    `cut-off`: the derivation was not built, because its inputs were built again and did not change.
    """
    from fnmatch import fnmatchcase
    from itertools import islice

    from fpack.cli.store.kinds import check_kind
    from fpack.cli.store.paths import opened, parse_query
    from fpack.cli.ui.layout import Page, show

    with opened() as store:
        history = store.database.history()
        check_kind(kind, lambda: {entry.kind for entry in history})
        query = parse_query(store.root, name) if name is not None else None

        def is_named(entry: HistoryEntry) -> bool:
            if name is None or query is None or fnmatchcase(entry.name, name):
                return True
            return entry.path is not None and query.accepts(entry.path)

        found = (
            entry
            for entry in history
            if is_named(entry)
            and (outcome is None or entry.outcome == outcome)
            and (kind is None or entry.kind == kind)
        )
        entries = list(islice(found, limit or None))
        names = [_inputs(store, entry) if inputs or as_json else [] for entry in entries]
    if as_json:
        shared.print_json({"builds": [_data(*pair) for pair in zip(entries, names, strict=True)]})
        return 0
    show(
        _lines(Page(), entries, names)
        if entries
        else ["No such build is recorded." if name or kind or outcome else "No builds yet."]
    )
    return 0


def _inputs(store: Store, entry: HistoryEntry) -> list[str]:
    """Return the names of the derivations whose outputs a build used, if they are still recorded."""
    drv = store.derivation(entry.derivation)
    if drv is None:
        return []
    found = set()
    for output in drv.inputs:
        other = store.derivation(output.derivation)
        if other is not None:
            found.add(other.name if output.name == "out" else f"{other.name} ({output.name})")
    return sorted(found)


def _data(entry: HistoryEntry, inputs: list[str]) -> dict[str, Any]:
    values = {**entry._asdict(), "derivation": entry.derivation.hex(), "seconds": round(entry.seconds, 6)}
    return {**values, "path": str(entry.path) if entry.path else None, "inputs": inputs}


def _lines(page: Page, entries: list[HistoryEntry], names: list[list[str]]) -> list[str]:
    import time

    from fpack.cli.ui.layout import clean

    rows = []
    for entry in entries:
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))
        seconds = "" if entry.outcome == "cut-off" else f"{entry.seconds:.1f} s"
        rows.append([date, entry.outcome, seconds, clean(entry.kind), clean(entry.name), str(entry.path or "-")])
    lines: list[str] = []
    for line, entry, inputs in zip(page.table(rows, right=(2,)), entries, names, strict=True):
        style = _STYLES.get(entry.outcome)
        lines.append(page.paint(line, style) if style else line)
        if inputs:
            more = f" and {len(inputs) - _INPUTS} more" if len(inputs) > _INPUTS else ""
            lines.append(page.paint(f"    from {clean(', '.join(inputs[:_INPUTS]))}{more}", "dim"))
    return lines
