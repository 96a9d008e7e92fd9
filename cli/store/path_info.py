"""`fpack store path-info`: describe paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.ui.layout import Page
    from fpack.store.queries.description import PathDescription
    from fpack.store.store import Store

_SHOWN = 20  # references, referrers or roots that are shown in full


@click.command(
    "path-info",
    epilog="""\b
Examples:
  fpack store path-info ./result
  fpack store path-info /fpack/store/...-hello-2.10 --json""",
)
@click.argument("store_paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(store_paths: tuple[str, ...], as_json: bool) -> int:
    """Show the digest, size and references of each PATH, the derivations that made it, and the roots that keep it."""
    from fpack.cli.store.paths import find_paths, opened
    from fpack.cli.ui.layout import Page, show
    from fpack.store.queries.description import Describer

    with opened() as store:
        infos = find_paths(store, store_paths)
        describer = Describer(store)
        found = [describer.describe(info) for info in infos]
        data = [_data(store, entry) for entry in found]
    if as_json:
        shared.print_json({"paths": data})
        return 0
    page = Page()
    for number, (entry, values) in enumerate(zip(found, data, strict=True)):
        show([*([""] if number else []), page.paint(str(entry.info.path), "bold"), *_fields(page, entry, values)])
    return 0


def _data(store: Store, entry: PathDescription) -> dict[str, Any]:
    made = []
    for output in entry.origins:
        drv = store.derivation(output.derivation)
        facts = {"kind": drv.kind, "name": drv.name} if drv is not None else {}
        made.append({"derivation": output.derivation.hex(), "output": output.name, **facts})
    return {
        "path": str(entry.info.path),
        "disk": str(entry.disk),
        "tree": entry.info.tree.hex(),
        "size": entry.info.size,
        "closure_size": entry.closure_size,
        "closure_paths": len(entry.closure),
        "registered": entry.info.registered,
        "references": [str(path) for path in entry.references],
        "referrers": [str(path) for path in entry.referrers],
        "made_by": made,
        "kept_by": list(entry.kept_by),
        "reason": entry.reason or None,
    }


def _fields(page: Page, entry: PathDescription, values: dict[str, Any]) -> list[str]:
    import time

    from fpack.cli.ui.layout import clean
    from fpack.cli.ui.render import counted, megabytes

    made = [
        f"{clean(maker.get('kind', 'a derivation'))} {clean(maker.get('name', ''))} ({maker['derivation']}"
        + (f", output {clean(maker['output'])})" if maker["output"] != "out" else ")")
        for maker in values["made_by"]
    ]
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.info.registered))
    return page.fields(
        [
            ("on disk", clean(values["disk"])),
            ("tree", values["tree"]),
            ("size", megabytes(entry.info.size)),
            ("closure", f"{megabytes(entry.closure_size)} in {counted(len(entry.closure), 'path')}"),
            ("registered", date),
            ("references", _some(values["references"]) or "nothing"),
            ("referrers", _some(values["referrers"]) or "nothing"),
            ("made by", made or "no recorded derivation"),
            ("kept by", [clean(name) for name in _some(values["kept_by"])] or _unkept(entry)),
        ]
    )


def _unkept(entry: PathDescription) -> str:
    if entry.reason:
        return f"no root, but it {entry.reason}; gc keeps it while the disk has room"
    return "nothing: the next gc may delete it"


def _some(texts: list[str]) -> list[str]:
    return texts if len(texts) <= _SHOWN else [*texts[:_SHOWN], f"and {len(texts) - _SHOWN} more; --json lists all"]
