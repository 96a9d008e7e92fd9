"""`fpack gc`: delete unused paths from the store."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import click
from fpack.cli.options import days, print_json, size
from fpack.cli.ui.render import counted, megabytes
from fpack.store import DAY, settings

_SHOWN = 3  # number of result links that are listed
_KEEPERS = {
    "result": "results",
    "root": "named roots",
    "pack": "last packs",
    "process": "running commands",
    "shell": "open shells",
    "young": "their age",
    "recent": "their recent use",
}  # the kinds of roots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fpack.store.collection.survey import Survey
    from fpack.store.gc import GcResult
    from fpack.store.store import Store


def _keep_recent(context: click.Context, parameter: click.Parameter, value: str | None) -> float:
    days = settings.KEEP_RECENT.find(value)
    return float("inf") if days is None else days


@click.command(
    "gc",
    epilog="""\b
Examples:
  fpack gc                     delete paths that no root and no running fpack needs
  fpack gc --dry-run           only show what would be deleted
  fpack gc --explain           show why each path is kept or deleted
  fpack gc --keep-recent 7     keep paths used in the last seven days
  fpack gc --max-size 20G      delete the least recently used until the store has 20 GiB
  fpack gc --all               also delete the inputs of kept results' builds""",
)
@click.option("-n", "--dry-run", is_flag=True, help="Delete nothing.")
@click.option("--explain", is_flag=True, help="Delete nothing; show each path and why it is kept or not.")
@click.option("--older-than", type=days, default=0.0, metavar="DAYS", help="Keep younger paths.")
@click.option("--keep-recent", callback=_keep_recent, metavar="DAYS", help="Keep paths used in the last DAYS.")
@click.option("--max-size", type=size, metavar="SIZE", help="Stop when the store has this size, as in 20G.")
@click.option("--all", "everything", is_flag=True, help="Also delete the inputs of kept results' builds.")
@click.option(
    "--trust-clock", is_flag=True, help="Trust this machine's clock even if it contradicts the store's records."
)
@click.option("--automatic", is_flag=True, hidden=True, help="Stop when the disk is no longer low.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(dry_run: bool, explain: bool, automatic: bool, everything: bool, as_json: bool, **values: Any) -> int:
    """Delete paths from the store that nothing keeps. Builds may run meanwhile.

    Results, named roots (fpack root), the last pack of each project, open shells and running commands keep paths. The
    inputs of their builds are kept while the disk has room.
    """
    from fpack.cli.shells.project_directory import forget_deleted
    from fpack.cli.shells.prune import prune
    from fpack.cli.ui.render import note
    from fpack.store.collection import limits
    from fpack.store.gc import collect
    from fpack.store.root import default_root

    values["older_than"] *= DAY
    values["inputs"] = False if everything else None
    dry_run = dry_run or explain
    with _hint_on_a_full_disk(), contextlib.closing(_open()) as store:
        for gone in () if dry_run else forget_deleted():
            text = f"{gone.directory} has data or builds of {gone.project}, which no longer exists"
            note(f"{text}; delete the directory if you do not need it")
        if automatic:
            values["min_free"] = limits.enough_free(default_root())
        survey = _survey(store, values) if explain else None
        done = collect(store, dry_run=dry_run, **values)
        for link in done.gone[:_SHOWN]:
            note(f"the link {link} no longer exists, so gc may delete its path; if the project was moved, build again")
        if len(done.gone) > _SHOWN:
            note(f"and {counted(len(done.gone) - _SHOWN, 'more link no longer exists', 'more links no longer exist')}")
        for name in done.roots:
            note(f"the root {name} had no link in roots/; gc made the link again. fpack root remove removes a root")
        if done.doubt:
            note(f"{done.doubt}: by age, gc deleted nothing that may be new; if the clock is right, use --trust-clock")
        if not dry_run:
            prune(os.fspath(store.root))
    if as_json:
        _print_json(done, survey, dry_run)
    else:
        _print(done, survey, dry_run)
    return 0


@contextlib.contextmanager
def _hint_on_a_full_disk() -> Iterator[None]:
    """Do not advise a garbage collection that finds no room to run fpack gc."""
    from fpack.store.errors import StoreFull

    try:
        yield
    except (StoreFull, OSError) as error:
        from fpack.store.files.disk_errors import explain

        known = explain(error) if isinstance(error, OSError) else error
        if not isinstance(known, StoreFull):
            raise
        raise known.with_(hint="delete or move other files on this disk, then run fpack gc again") from None


def _open() -> Store:
    """Open the store. Free some space first if the disk is full."""
    from fpack.store.errors import StoreFull
    from fpack.store.files import space
    from fpack.store.gc import make_room
    from fpack.store.root import default_root
    from fpack.store.store import Store

    root = default_root()
    if root.is_dir() and space.room(root).is_scarce:
        space.release(root)
    try:
        return Store(root)
    except StoreFull:
        make_room(root)
        return Store(root)


def _survey(store: Store, values: dict[str, Any]) -> Survey:
    from fpack.store.collection.survey import Policy
    from fpack.store.gc import survey_store

    return survey_store(store, Policy(**values))


def _reasons(survey: Survey, done: GcResult) -> list[tuple[str, str, bool]]:
    """Return (path, reason, whether it is deleted) for each path, sorted."""
    doomed = set(done.deleted)
    found = []
    for hash_, row in survey.paths.items():
        path = survey.path(hash_)
        reason = survey.why(hash_)
        if not reason:
            reason = f"is kept by nothing, and was last used on {time.strftime('%Y-%m-%d', time.gmtime(row.used))}"
        elif path in doomed:
            reason = f"{reason}, but would be deleted"
        found.append((str(path), reason, path in doomed))
    return sorted(found)


def _print_json(done: GcResult, survey: Survey | None, dry_run: bool) -> None:
    deleted = [str(path) for path in done.deleted]
    value: dict[str, Any] = {"deleted": deleted, "kept": done.kept, "freed": done.freed, "dry_run": dry_run}
    if done.excess:
        value |= {"excess": done.excess, "kept_by": dict(done.keepers)}
    if survey is not None:
        value["paths"] = {path: {"reason": reason, "kept": not goes} for path, reason, goes in _reasons(survey, done)}
    print_json(value)


def _print(done: GcResult, survey: Survey | None, dry_run: bool) -> None:
    from fpack.store.errors import printable

    if survey is not None:
        for path, reason, goes in _reasons(survey, done):
            print(f"{'-' if goes else '+'} {path} {printable(reason)}")
    elif dry_run:
        for deleted in done.deleted:
            print(deleted)
    verb = "would be deleted" if dry_run else "deleted"
    freed = f"up to {megabytes(done.freed)}" if dry_run else megabytes(done.freed)
    print(f"{counted(len(done.deleted), 'path')} {verb}, {done.kept} kept, {freed} freed")
    if done.excess:
        _explain_excess(done, dry_run)


def _explain_excess(done: GcResult, dry_run: bool) -> None:
    """Print by how much a collection missed its goal, and the roots that keep the remaining paths."""
    from fpack.cli.ui.render import warn

    kept = sorted(done.keepers.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{_KEEPERS[kind]} ({megabytes(size)})" for kind, size in kept)
    why = f"the remaining paths are kept by {listed}" if kept else "no path remains, only the database and logs"
    verb = "would be" if dry_run else "is"
    warn(f"the goal {verb} missed by {megabytes(done.excess)}: {why}; fpack gc --explain shows why each path is kept")
