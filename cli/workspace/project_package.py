"""Find the package that a project is, for commands that name nothing.

It is the first built package of the file's `image`, whose program the image runs, or the only built package of a file
without an image. A project that builds nothing from source has only its image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fpack.cli.errors import UsageError
from fpack.store import derivation
from fpack.store.errors import FpackError

from .named_values import kind_of, standing_for
from .target import Target
from .workspace import Workspace


def project_package(workspace: Workspace, target: Target) -> Target:
    """Return the target of the package of a file, or `target`, its image, if it has no package.

    Raise UsageError if the file has several packages and no image, and the error of the first field that cannot be
    evaluated if it has neither: that field is the package, such as one whose lock is missing.
    """
    assert target.file is not None
    record = workspace.evaluator.load(target.file)
    if "image" not in record:
        errors: list[FpackError] = []
        names = sorted(name for name, _ in _built(workspace, record, errors))
        if not names and errors:
            raise errors[0]
        if len(names) > 1:
            raise UsageError(
                f"{target.file.name} has several packages, and no image that says which one is meant",
                why=f"it has {', '.join(names)}",
                hint=f"name one: fpack build {names[0]}",
            )
        return _named(target, names[0]) if names else target
    image = workspace.evaluator.select(record, ["image"])
    if not isinstance(image, Mapping) or kind_of(workspace, image) != "container":
        return target
    for item in workspace.field(image, "packages") or ():
        value = standing_for(workspace, workspace.evaluator.force(item))
        if kind_of(workspace, value) == "derivation":
            wanted = workspace.output(value)
            name = next((name for name, made in _built(workspace, record) if workspace.output(made) == wanted), None)
            return _named(target, name) if name is not None else target
    return target


def _named(target: Target, name: str) -> Target:
    quoted = name if name.replace("-", "_").isidentifier() else f'"{name}"'
    return target._replace(text=f"{target.text.partition('#')[0]}#{quoted}", path=(name,))


def _built(
    workspace: Workspace, record: Mapping[str, Any], errors: list[FpackError] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a file that are built from source. errors: gets those of fields that cannot be evaluated."""
    for name in record:
        try:
            value = standing_for(workspace, workspace.evaluator.force(record[name]))
            if kind_of(workspace, value) != "derivation":
                continue
            made = derivation.decode(workspace.evaluator.derivations[workspace.output(value).derivation])
        except FpackError as error:
            if errors is not None:
                errors.append(error)
            continue
        if made.kind == "exec":
            yield name, value
