"""`fpack store repair`: replace damaged paths, or make them invalid."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from fpack.cli import options as shared
from fpack.cli.option_table import BUILDING

if TYPE_CHECKING:
    from fpack.builders.scheduler.repairer import RepairFailure
    from fpack.cli.ui.layout import Page
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath
    from fpack.store.store import Store
    from fpack.store.verify import StoreCheck

_OPTIONS = tuple(option for option in BUILDING if option.names[-1] in ("--mirror", "--verbose"))


class Repair(NamedTuple):
    """The result of a repair. invalid: paths that became invalid: the failed paths and all that reference them."""

    found: StoreCheck
    repaired: tuple[StorePath, ...]
    failed: tuple[RepairFailure, ...]
    invalid: tuple[StorePath, ...]


@click.command(
    "repair",
    epilog="""\b
Examples:
  fpack store repair                the whole store
  fpack store repair ./result       one path and its closure
  fpack store repair --from app.closure       first from an exported file
  fpack store repair --forget       build nothing: make damaged paths invalid""",
)
@click.argument("store_paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Take trees from this file, which fpack store export wrote, before building others.",
)
@click.option("--forget", is_flag=True, help="Build nothing: make damaged paths invalid.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.from_table(_OPTIONS)
def command(
    store_paths: tuple[str, ...], file: Path | None, forget: bool, as_json: bool, mirror: str | None, verbose: bool
) -> int:
    """Check the store, or the closure of each PATH, and repair damaged paths.

    A damaged path is read from FILE, downloaded, copied from its project, or built from its recorded derivation. It is
    replaced if the result has the recorded digest. Otherwise the path and all that reference it become invalid, and the
    next build makes them.
    """
    from fpack.cli.store.paths import require_store
    from fpack.cli.store.verify import checked
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.root import default_root

    require_store(default_root())
    with Workspace(shared.SharedOptions(mirror=mirror, verbose=verbose)) as workspace:
        found = checked(workspace.store, store_paths)
        done = repair(workspace, found, build=not forget, whole=not store_paths, file=file)
    if as_json:
        shared.print_json(
            {
                "paths": found.paths,
                "repaired": [str(path) for path in done.repaired],
                "failed": [
                    {"path": str(entry.path), "why": _why(entry), "try": entry.error.hint or None}
                    for entry in done.failed
                ],
                "invalid": [str(path) for path in done.invalid],
                "files": list(found.pool),
            }
        )
    else:
        show(_lines(Page(), done))
    return 1 if done.failed else 0


def repair(workspace: Workspace, found: StoreCheck, *, build: bool, whole: bool, file: Path | None = None) -> Repair:
    """Repair what a check found.

    build: build damaged paths again. whole: the whole store was checked. file: a closure file to take trees from.
    """
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.scheduler.repairer import Repairer
    from fpack.cli.store.lost_sources import find_sources
    from fpack.cli.ui.progress import reporter
    from fpack.store.graph import dependents
    from fpack.store.repair import delete_pool_files, delete_views
    from fpack.store.verify import check_paths, damaged_pool_files

    store = workspace.store
    damaged = [damage.path for damage in found.damaged]

    def find_damage(paths: Collection[StorePath]) -> list[StorePath]:
        bad = [damage.path for damage in check_paths(store, paths).damaged]
        delete_pool_files(damaged_pool_files(store, bad) if bad else ())
        return bad

    repaired: list[StorePath] = []
    failed: list[RepairFailure] = []
    delete_pool_files([*found.pool, *([] if whole else damaged_pool_files(store, damaged))])
    delete_views(store, dependents(store.database.paths(), damaged))
    if file is not None and damaged:
        repaired = _from_file(store, file, damaged)
        damaged = [path for path in damaged if path not in repaired]
    if build and damaged:
        workspace.found_sources |= find_sources(store, damaged)
        shown = reporter(workspace.options.verbose, logs=False)
        try:
            repairer = Repairer(
                store,
                workspace.builders,
                shown,
                assemble=assemble,
                damaged=damaged,
                find_damage=None if whole else find_damage,
            )
            failed = repairer.run()
            repaired += repairer.repaired
        finally:
            shown.close()
    bad = [entry.path for entry in failed] if build else damaged
    invalid = store.invalidate(bad) if bad else []
    return Repair(found, tuple(repaired), tuple(failed), tuple(invalid))


def _from_file(store: Store, file: Path, damaged: Collection[StorePath]) -> list[StorePath]:
    """Replace the damaged trees that a closure file holds. Return their paths."""
    from fpack.cli.store.closure_source import closure_source
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.store.closure_file.importer import trees_of
    from fpack.store.repair import replace_tree

    line = ProgressLine("reading")
    try:
        with closure_source(file) as stream, trees_of(store, stream, damaged, line) as trees:
            for path, writer in trees:
                replace_tree(store, path, writer)
            return [path for path, _ in trees]
    finally:
        line.end()


def _why(entry: RepairFailure) -> str:
    error = entry.error
    return ": ".join(part for part in (error.what, error.why) if part)


def _lines(page: Page, done: Repair) -> list[str]:
    from fpack.cli.ui.layout import clean
    from fpack.cli.ui.render import counted

    # Every path is listed, because no later command can list what became invalid.
    lines = [f"{path} was repaired" for path in done.repaired]
    for entry in done.failed:
        lines.append(f"{entry.path} could not be repaired: {clean(_why(entry))}")
        if entry.error.hint:
            lines.append(f"  {page.paint('try:', 'cyan')} {clean(entry.error.hint)}")
    failed = {entry.path for entry in done.failed}
    why = "it references one of these" if failed else "it is damaged, or references a damaged path"
    lines += [f"{path} is no longer valid: {why}" for path in done.invalid if path not in failed]
    if not (done.repaired or done.invalid or done.found.pool or done.found.damaged):
        are = "is" if done.found.paths == 1 else "are"
        return [page.paint(f"{counted(done.found.paths, 'path')} {are} intact", "bold")]
    summary = f"{counted(len(done.repaired), 'path')} repaired"
    if done.invalid:
        summary += f", {len(done.invalid)} made invalid: the next build makes them again"
    return [*lines, page.paint(summary, "bold")]
