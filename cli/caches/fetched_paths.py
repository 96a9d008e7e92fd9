"""Fetch targets or store paths for `fpack cache pull`. This imports no click."""

from __future__ import annotations

from collections.abc import Sequence

from fpack.cli import shared_options as shared
from fpack.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from fpack.builders.caches.cache import Cache
    from fpack.builders.caches.substitution import CacheSubstituter
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath


def run(targets: Sequence[str], addresses: Sequence[str], link: Path | None, as_json: bool, **rest: Any) -> int:
    """Fetch targets, or the project, from the caches at these addresses, and print the paths. Return the exit status.

    link: a link to make to the first path. rest: the shared options.
    """
    from fpack.cli.store.links import check_link, keep_by_link
    from fpack.cli.ui.render import counted, note
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store import threads

    if link is not None:
        check_link(link)
    with Workspace(shared.options(rest)) as workspace:
        opening = threads.start(lambda: workspace.store, "store")  # a new one waits for the disk
        try:
            caches = _caches(addresses)
        finally:
            opening.wait()
        substituter = _substituter(workspace, caches)
        try:
            paths = [path for text in targets or (None,) for path in _pull(workspace, substituter, text)]
            fetched = len(substituter.used)
        finally:
            substituter.close()
        if link is not None:
            keep_by_link(workspace.store, link, paths[0])
        workspace.store.used(paths, workspace.project_name, "")
        workspace.finish()
    if as_json:
        shared.print_json({"paths": [str(path) for path in paths], "fetched": fetched})
    else:
        for path in paths:
            print(path)
        note(f"{counted(fetched, 'path')} fetched")
    return 0


def _caches(addresses: Sequence[str]) -> list[Cache]:
    import fpack.builders.caches.substitution  # noqa: F401  # loaded while the store is opened
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.caches.opener import open_cache
    from fpack.store.settings import CACHES

    caches = [open_cache(address) for address in dict.fromkeys(addresses or CACHES.find())]
    if not caches:
        raise UsageError("No cache is named", hint="give --from URL, or the setting caches")
    return caches


def _substituter(workspace: Workspace, caches: Sequence[Cache]) -> CacheSubstituter:
    from fpack.builders.caches.substitution import CacheSubstituter
    from fpack.builders.kinds.table import generation
    from fpack.cli.ui.render import warn
    from fpack.store.errors import printable
    from fpack.store.settings import CACHE_THRESHOLD

    return CacheSubstituter(
        workspace.store,
        caches,
        generation(),
        threshold=CACHE_THRESHOLD.find(),
        warn=lambda text: warn(printable(text)),
    )


def _pull(workspace: Workspace, substituter: CacheSubstituter, text: str | None) -> list[StorePath]:
    from fpack.store.path import STORE, parse

    if text is not None and text.startswith(f"{STORE}/"):
        return substituter.fetch([parse(text)])
    from fpack.builders.caches.format.errors import CacheError
    from fpack.cli.workspace.containers import outputs_of
    from fpack.cli.workspace.project_package import project_package
    from fpack.store.derivation import Output

    target = workspace.target(text)
    if target.file is not None and (text is None or "#" not in text):
        target = project_package(workspace, target)
    found: list[StorePath] = []
    for entry in outputs_of(workspace, target, together=False):
        output: Output = entry.output
        if (known := workspace.store.built([output])) is not None:
            found += known
            continue
        workspace.store.plan(workspace.evaluator.derivations)
        path = substituter.fetch_output(output)
        if path is None:
            raise CacheError(
                f"No cache has {text or 'the project'}",
                why="no trusted signer says which path it is, or a path of its closure is missing",
                hint="fpack build builds it; the setting cache.keys names the trusted keys",
            )
        found.append(path)
    return found
