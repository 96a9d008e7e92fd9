"""Find the container, or the output to build, that a target stands for."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import Any, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.paths import PROJECT_FILE
from fpack.lang.runtime.parameter_types import special
from fpack.lang.runtime.values import describe, with_article
from fpack.store import derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder

from .error_context import naming_definition
from .target import Target
from .workspace import Workspace

# Kinds that are parts of images, so that their outputs are not packed as programs.
_PARTS = ("deb", "files", "image", "layer", "manifest", "root", "slice")
_SHOWN = 6  # fields of a record to name in an error

# Changes the fields of a container. Variables are added to its own, and so are ports and volumes.
_CHANGED = """
(container, fields) => container.with {
  ...fields
  ...if has(fields, "env") then { env = { ...container.env, ...fields.env } } else {}
  ...if has(fields, "ports") then { ports = [...container.ports, ...fields.ports] } else {}
  ...if has(fields, "volumes") then { volumes = [...container.volumes, ...fields.volumes] } else {}
}
"""


class Container(NamedTuple):
    """A container as the command line uses it: its outputs to build, and the fields of its record to show.

    meta: what the image and the packages in it say of themselves, by the digests of their derivations.
    """

    image: Output
    root: Output
    name: str
    file_name: str
    ports: tuple[str, ...]
    run_options: tuple[str, ...]
    meta: Mapping[str, Value] = {}


def container(workspace: Workspace, target: Target) -> Container:
    """Return the container that a target is or is packed in. A package gets a container of its own."""
    with naming_definition(target):
        return container_of(workspace, workspace.evaluator.force(workspace.value(target)), target)


def container_of(workspace: Workspace, value: Any, target: Target) -> Container:
    """Return the container that a target's value is or is packed in.

    A function without parameters, such as `debug` of a container, stands for its result.
    """
    evaluator = workspace.evaluator
    if isinstance(value, FunctionType) and not value.__code__.co_argcount:
        value = evaluator.force(evaluator.call(value))
    if isinstance(value, Mapping) and _is_packable(workspace, value):
        value = evaluator.force(evaluator.call(evaluator.expression("container-for"), value))
    elif isinstance(value, Mapping) and workspace.field(value, "type") == "shell":
        value = workspace.field(value, "image")
    if not (isinstance(value, Mapping) and workspace.field(value, "type") == "container"):
        raise _unfit(
            value, target, "a container", "pack a container { ... }, a package or a derivation, as in FILE.fp#NAME"
        )
    if fields := workspace.options.fields:
        value = evaluator.force(evaluator.call(evaluator.expression(_CHANGED), value, dict(fields)))
    # The record is user input, so check that the builders of images and roots make its parts.
    image = workspace.output(workspace.field(value, "image"))
    root = workspace.output(workspace.field(value, "root"))
    name = str(_made_by(workspace, image, "image", target).args.get("name"))
    _made_by(workspace, root, "root", target)
    return Container(
        image=image,
        root=root,
        name=name,
        file_name=name.rpartition("/")[2],
        ports=_texts(workspace, value, "ports"),
        run_options=_texts(workspace, value, "run-options"),
        meta=_described(workspace, value),
    )


def _described(workspace: Workspace, value: Mapping[str, Any]) -> dict[str, Value]:
    """Return the field `described` of a container's record."""
    found: dict[str, Value] = {}
    for item in map(workspace.evaluator.force, workspace.field(value, "described") or []):
        meta = workspace.field(item, "meta")
        fields = {name: workspace.field(meta, name) for name in meta if name != "maintainers"}
        if "maintainers" in meta:
            fields["maintainers"] = list(_texts(workspace, meta, "maintainers"))
        found[workspace.output(workspace.field(item, "of")).derivation.hex()] = fields
    return found


def files_of(workspace: Workspace, container: Container) -> Output | None:
    """Return the output of the container's own files, directories and links, or None if it has none."""
    made = _derivation(workspace, container.image)
    for output in made.inputs:
        if str(placeholder(output.derivation, _derivation(workspace, output).name, output.name)) == made.args.get(
            "files"
        ):
            return output
    return None


def output_of(workspace: Workspace, target: Target) -> Output:
    """Return the output that a target stands for: that of a derivation, or a container's image."""
    with naming_definition(target):
        value = workspace.evaluator.force(workspace.value(target))
        if workspace.evaluator.is_derivation(value):
            return workspace.output(value)
        if isinstance(value, Mapping) and not special(value):  # type: ignore[arg-type]
            raise _unfit(value, target, "a derivation", "name a package, a container or another derivation")
        return container_of(workspace, value, target).image


def _unfit(value: Any, target: Target, wanted: str, hint: str) -> UsageError:
    """Return the error for a target whose value is not what a command takes. It names the fields to choose from."""
    return UsageError(
        f"{target.text} is not {wanted}", why=f"it is {described(value)}", hint=_member(value, target) or hint
    )


def described(value: Any) -> str:
    """Describe the value of a target in an error: its type, and a few fields of a record."""
    if not isinstance(value, Mapping):
        return describe(value)
    if kind := special(value):  # type: ignore[arg-type]
        return with_article(kind)
    names = sorted(value)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"a record with the fields {', '.join(names[:_SHOWN])}{more}" if names else "a record"


def _member(value: Any, target: Target) -> str:
    """Return a hint for a record of other values, or a function; "" for other values."""
    if isinstance(value, FunctionType):
        return "call it; package-set(./DIRECTORY) calls the functions that the files of a directory define"
    if isinstance(value, Mapping) and value and not special(value) and target.path:  # type: ignore[arg-type]
        file = target.text.partition("#")[0] or PROJECT_FILE if "#" in target.text else PROJECT_FILE
        return f"name one of its fields, as in {file}#{'.'.join(target.path)}.{min(value)}"
    return ""


def _is_packable(workspace: Workspace, value: Mapping[str, Any]) -> bool:
    """Return whether a value is a package or a derivation that gets a container of its own."""
    if workspace.field(value, "type") != "derivation":
        return bool(workspace.field(value, "type") == "package")
    return (
        workspace.evaluator.is_derivation(value) and _derivation(workspace, workspace.output(value)).kind not in _PARTS
    )


def _derivation(workspace: Workspace, output: Output) -> Derivation:
    return derivation.decode(workspace.evaluator.derivations[output.derivation])


def _made_by(workspace: Workspace, output: Output, kind: str, target: Target) -> Derivation:
    made = _derivation(workspace, output)
    if made.kind != kind:
        raise UsageError(
            f"{target.text} is not a container",
            why=f"its {kind} is a derivation of kind {made.kind!r}",
            hint="write it as container { ... }",
        )
    return made


def _texts(workspace: Workspace, record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(workspace.evaluator.force(item)) for item in workspace.field(record, name) or [])
