"""Build what a command asks for: by the caches and the scheduler, with damaged paths repaired."""

from __future__ import annotations

from collections.abc import Sequence

from fpack.cli.paths import PROJECT_FILE
from fpack.cli.ui.render import note
from fpack.light_typing import TYPE_CHECKING
from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.path import StorePath
from fpack.store.settings import CACHE_PUSH, CACHES

if TYPE_CHECKING:
    from fpack.builders.caches.substitution import CacheSubstituter

    from .workspace import Workspace


def realise(workspace: Workspace, outputs: Sequence[Output]) -> list[StorePath]:
    """Build outputs, and show progress on stderr. Damaged paths that a builder meets are built again."""
    repairs = None
    while True:
        try:
            return _realise(workspace, outputs)
        except FpackError as error:
            from .damage import DamageRepairs

            repairs = repairs or DamageRepairs(workspace.described)
            if not repairs.make(workspace.store, error):
                raise


def _realise(workspace: Workspace, outputs: Sequence[Output]) -> list[StorePath]:
    workspace.cut_off = {}
    workspace.remember()  # also if the build fails
    try:
        # If everything is built, the scheduler's modules are not needed.
        return workspace.store.built(outputs) or _build(workspace, outputs)
    finally:
        _tell_of_store(workspace)


def _build(workspace: Workspace, outputs: Sequence[Output]) -> list[StorePath]:
    workspace.evaluator.complete((output.derivation for output in outputs), workspace.store.database.derivation)
    from fpack.builders.kinds.table import is_of_archive, local_kinds
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.scheduler.scheduler import Scheduler
    from fpack.cli.ui.progress import reporter

    shown = reporter(workspace.options.verbose, logs=workspace.options.build_logs)
    caches = _substituter(workspace)
    scheduler = Scheduler(
        workspace.store,
        workspace.builders,
        shown,
        assemble=assemble,
        bodies=workspace.evaluator.derivations,
        jobs=workspace.jobs,
        keep_going=workspace.options.keep_going,
        substituter=caches,
        local_kinds=() if caches is None else local_kinds(),
        is_of_archive=is_of_archive,
    )
    try:
        made = scheduler.realise(outputs)
        workspace.cut_off = scheduler.cut_off
        return made
    finally:
        shown.close()
        if caches is not None:
            caches.close()


def _substituter(workspace: Workspace) -> CacheSubstituter | None:
    """Return the caches to use, or None if there are none. Without caches, their modules are not needed."""
    named = _project_caches(workspace)
    if workspace.options.no_caches or not (named or CACHES.find() or CACHE_PUSH.find()):
        return None
    from .caches.opener import open_substituter

    return open_substituter(workspace.store, named)


def _project_caches(workspace: Workspace) -> list[str]:
    """Return the caches that the project's file names."""
    project = workspace.directory
    if project is None or "evaluator" not in workspace.__dict__ or not (project / PROJECT_FILE).is_file():
        return []
    record = workspace.evaluator.load(project / PROJECT_FILE)
    if "caches" not in record:
        return []
    named = workspace.evaluator.force(record["caches"])
    values = [workspace.evaluator.force(value) for value in named] if isinstance(named, list) else []
    return [value for value in values if isinstance(value, str) and "://" in value]


def _tell_of_store(workspace: Workspace) -> None:
    if workspace.store.is_collecting:
        workspace.store.is_collecting = False
        note("the disk is low: unused store paths are deleted in the background (gc.min-free, gc.automatic)")
    lost, workspace.store.lost = workspace.store.lost, []
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        note(f"{lost[0].base}{more}: built again, since the path or a dependency had disappeared from the store")
