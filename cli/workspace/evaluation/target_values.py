"""Evaluate what a target names, and find out whether a bare name is that of a package."""

from __future__ import annotations

from fpack.cli.paths import PROJECT_FILE
from fpack.cli.ui.render import note
from fpack.cli.workspace import target as targets
from fpack.cli.workspace.curated import curated
from fpack.cli.workspace.target import Target
from fpack.light_typing import TYPE_CHECKING, Any
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace


def release_of(workspace: Workspace, target: Target) -> tuple[str | None, FpackError | None]:
    """Return the release whose package a bare name means, if neither the project nor the curated packages have it.

    It is the release of the lock, or the newest stable one. A package list that cannot be read has no packages; the
    error, which is the second value, is shown if nothing else has the name.
    """
    if target.file or target.package or target.expression or target.store or len(target.path) != 1:
        return None, None
    name = target.path[0]
    try:
        if name in curated() or (target.project and name in workspace.evaluator.load(target.project / PROJECT_FILE)):
            return None, None
    except FpackError:
        return None, None  # evaluation of the target raises the error of the project's file
    from fpack.builders.debian.suites import target_of
    from fpack.cli.workspace.package_lookup import Packages

    try:
        packages = Packages(workspace)
        if not packages.universe.versions(name):
            return None, None
    except FpackError as error:
        return None, error
    note(f"{name} is {target_of(packages.release, name)}")
    return packages.release, None


def value_of(workspace: Workspace, target: Target, no_packages: FpackError | None) -> Any:
    """Return the value that a target names. That of a store path is what it was built from.

    no_packages: why a bare name was not searched among Debian's packages, for the error.
    """
    evaluator = workspace.evaluator
    if target.expression:
        return evaluator.expression(target.expression)
    if target.store:
        from fpack.cli.workspace.stored_path import adopt

        return adopt(workspace, target.store)
    if target.package is not None:
        from fpack.builders.debian.suites import ALL_RELEASES, distribution

        release, name = target.package
        of = distribution(ALL_RELEASES.get(release, ()))
        return evaluator.expression(f'import("fpack/{of}")."{_quoted(release)}"."{_quoted(name)}"', target.text)
    if target.file is not None:
        record = evaluator.load(target.file)
        if target.path[0] not in record:
            raise targets.no_field(target, list(record))
        return evaluator.select(record, list(target.path))
    return _named(workspace, target, no_packages)


def _named(workspace: Workspace, target: Target, no_packages: FpackError | None) -> Any:
    """Evaluate a bare name: an attribute of the project's file, or a curated package."""
    evaluator = workspace.evaluator
    fields: list[str] = []
    if target.project is not None:
        project = evaluator.load(target.project / PROJECT_FILE)
        fields = list(project)
        if target.path[0] in project:
            return evaluator.select(project, list(target.path))
    known = curated()
    if target.path[0] in known:
        # Load it as a file of the library, because its own files lie beside it there.
        found = evaluator.expression(f'import("fpack/{target.path[0]}")', target.text)
        path = list(target.path[1:])
        # A field of the image can be named without the image, as in redis.debug.
        is_of_image = not path or (path[0] not in found and "image" in found)
        return evaluator.select(found, ["image", *path] if is_of_image else path)
    raise targets.unknown(target, fields, list(known), no_packages)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
