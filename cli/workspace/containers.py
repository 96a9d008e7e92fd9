"""Find the container, or the output to build, that a target stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fpack.cli.errors import UsageError
from fpack.light_typing import Any, NamedTuple
from fpack.store import derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import parse

from .error_context import naming_definition
from .named_values import NamedValue, label, only, values
from .target import Target
from .workspace import Workspace

# Kinds whose outputs are parts of images: in an image, their files are at `/` and not at a store path.
_PARTS = ("deb", "files", "image", "root", "slice")


# Changes the fields of a container. Variables are added to its own, and so are ports and volumes.
_CHANGED = """
(container, fields) => container.with {
  ...fields
  ...if has(fields, "env") then { env = { ...container.env, ...fields.env } } else {}
  ...if has(fields, "annotations") then { annotations = { ...container.annotations, ...fields.annotations } } else {}
  ...if has(fields, "ports") then { ports = [...container.ports, ...fields.ports] } else {}
  ...if has(fields, "volumes") then { volumes = [...container.volumes, ...fields.volumes] } else {}
}
"""


class Container(NamedTuple):
    """A container as the command line uses it: its outputs to build, and the fields of its record to show.

    meta: what the image and the packages in it say of themselves, by the digests of their derivations. member: its path
    in the list or record that the target names, or "". tries: commands that the image must pass.
    """

    image: Output
    root: Output
    name: str
    file_name: str
    ports: tuple[str, ...]
    run_options: tuple[str, ...]
    arch: str
    meta: Mapping[str, Value] = {}
    member: str = ""
    tries: tuple[tuple[str, ...], ...] = ()


class NamedOutput(NamedTuple):
    """An output that a target names. name, member: as of a NamedValue."""

    name: str
    member: str
    output: Output


def container(workspace: Workspace, target: Target, *, together: bool = False) -> Container:
    """Return the container that a target is or is packed in. Raise UsageError for a list or a record of several.

    together: the members of a list or a record are packed in one container.
    """
    if together:
        found = containers(workspace, target, together=True)
        return found[0]
    with naming_definition(target):
        return container_of(workspace, only(workspace, target), target)


def containers(workspace: Workspace, target: Target, *, together: bool = False) -> list[Container]:
    """Return the containers that a target is or is packed in: one, or one of each member of a list or a record.

    together: the members are packed in one container.
    """
    found = values(workspace, target)
    with naming_definition(target):
        if together and found[0].member:
            return [container_of(workspace, packed_together(workspace, found, target), target)]
        return [container_of(workspace, value, target) for value in found]


def packed_together(workspace: Workspace, members: Sequence[NamedValue], target: Target) -> NamedValue:
    """Return the container with the packages of all members."""
    for member in members:
        is_part = member.kind == "derivation" and _derivation(workspace, workspace.output(member.value)).kind in _PARTS
        if member.kind == "service" or is_part:
            raise UsageError(
                f"{member.member} of {target.text} cannot be packed together with others",
                why="a service, a root, an image and a slice have an image of their own",
                hint="leave out --together, or name packages and derivations",
            )
    function = workspace.evaluator.expression('import("fpack/parts").together')
    arguments = {"name": label(target), "members": [member.value for member in members]}
    return NamedValue(label(target), "container", workspace.evaluator.call(function, arguments))


def container_of(workspace: Workspace, named: NamedValue, target: Target) -> Container:
    """Return the container that a value is or is packed in."""
    evaluator = workspace.evaluator
    value: Any = named.value
    if named.kind == "package":
        value = evaluator.force(evaluator.call(evaluator.expression("container-for"), value))
    elif named.kind == "shell":
        value = workspace.field(value, "image")
    elif named.kind == "service":
        function = evaluator.expression('import("fpack/parts").of-service')
        value = evaluator.call(function, {"name": named.name, "service": value})
    elif named.kind == "derivation":
        output = workspace.output(value)
        if _derivation(workspace, output).kind == "image":
            return _of_image(workspace, output, target)
        value = _of_derivation(workspace, named, output)
    if fields := workspace.options.fields:
        value = evaluator.force(evaluator.call(evaluator.expression(_CHANGED), value, dict(fields)))
    # The record is user input, so check that the builders of images and roots make its parts.
    image = workspace.output(workspace.field(value, "image"))
    root = workspace.output(workspace.field(value, "root"))
    args = _made_by(workspace, image, "image", target).args
    name = str(args.get("name"))
    _made_by(workspace, root, "root", target)
    return Container(
        image=image,
        root=root,
        name=name,
        file_name=name.rpartition("/")[2],
        ports=_texts(workspace, value, "ports"),
        run_options=_texts(workspace, value, "run-options"),
        arch=str(args.get("arch")),
        meta=_described(workspace, value),
        member=named.member,
        tries=_tries(workspace, value),
    )


def _tries(workspace: Workspace, value: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the commands of a container's field `try`, in each of its forms."""
    if "try" not in value:
        return ()
    import shlex

    force = workspace.evaluator.force
    given = force(workspace.field(value, "try"))
    items = [given] if isinstance(given, str) else [force(item) for item in given]
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) == len(items) and not any(" " in text for text in texts[:1]):
        return (tuple(texts),) if texts else ()
    return tuple(
        tuple(shlex.split(item)) if isinstance(item, str) else tuple(str(force(word)) for word in item)
        for item in items
    )


def _of_derivation(workspace: Workspace, named: NamedValue, output: Output) -> Any:
    """Return the container for a derivation. That of a part of an image has the part at `/`."""
    evaluator = workspace.evaluator
    made = _derivation(workspace, output)
    if made.kind == "root":
        slices: Any = made.args["slices"]
        first = next((item["package"] for item in slices if item["seed"]), None)
        function = evaluator.expression('import("fpack/parts").with-root')
        return evaluator.call(function, {"name": named.name, "root": named.value, "program": first})
    if made.kind == "files":
        from fpack.builders.debian.suites import STABLE

        function = evaluator.expression('import("fpack/parts").of-files')
        return evaluator.call(function, {"name": named.name, "release": STABLE, "files": named.value})
    if made.kind in ("deb", "slice") and (package := payload_of(workspace, output)) is not None:
        function = evaluator.expression('import("fpack/parts").of-package')
        field = "slice" if made.kind == "slice" else "payload"
        facts = {"name": package.name, "version": package.version, "release": package.release}
        return evaluator.call(function, {**facts, field: named.value})
    return evaluator.force(evaluator.call(evaluator.expression("container-for"), named.value))


class PackagePayload(NamedTuple):
    """The package whose files a payload or a slice has. release: of the lock, else the one that has this version."""

    name: str
    version: str
    release: str
    output: Output


def payload_of(workspace: Workspace, output: Output) -> PackagePayload | None:
    """Return the package of a payload or a slice, or None if no release has a package of its name."""
    made = _derivation(workspace, output)
    if made.kind == "slice":
        wanted = parse(str(made.args["payload"])).hash
        for source in made.inputs:
            if placeholder(source.derivation, "x", source.name).hash == wanted:
                return payload_of(workspace, source)
        return None
    if made.kind != "deb":
        return None
    name, version = str(made.args["package"]), str(made.args["version"])
    pins = workspace.source.lock.packages.items()
    locked = (release for (release, _, package), pin in pins if package == name and pin.version == version)
    release = next(locked, None) or _release_with(workspace, name, version)
    return None if release is None else PackagePayload(name, version, release, output)


def _release_with(workspace: Workspace, name: str, version: str) -> str | None:
    """Return the release, of the lock's and the newest stable one, that has a version of a package, else the default
    one if it has the package.

    A stored payload need not be of this lock: `run` uses the user's, and a lock may have moved on.
    """
    from .package_lookup import Packages

    default = Packages(workspace)
    known = [default, *(Packages(workspace, other) for other in default.lock.releases() if other != default.release)]
    found = [(packages.release, packages.universe.current(name)) for packages in known]
    exact = [release for release, versions in found if any(candidate.version == version for candidate in versions)]
    return next(iter(exact), default.release if found[0][1] else None)


def _of_image(workspace: Workspace, image: Output, target: Target) -> Container:
    """Return the container of an image's derivation."""
    if workspace.options.fields.keys() - {"configure"}:
        raise UsageError(f"{target.text} is an image, whose settings are fixed", hint="name the container that has it")
    made = _derivation(workspace, image)
    root = input_of(workspace, made, "root")
    if root is None:
        raise UsageError(f"{target.text} is an image without a root", hint="write it as container { ... }")
    name = str(made.args.get("name"))
    return Container(image, root, name, name.rpartition("/")[2], (), (), str(made.args.get("arch")))


def input_of(workspace: Workspace, made: Derivation, argument: str) -> Output | None:
    """Return the input of a derivation that an argument names, or None."""
    for output in made.inputs:
        if str(placeholder(output.derivation, _derivation(workspace, output).name, output.name)) == made.args.get(
            argument
        ):
            return output
    return None


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
    return input_of(workspace, _derivation(workspace, container.image), "files")


def outputs_of(workspace: Workspace, target: Target, *, together: bool = False) -> list[NamedOutput]:
    """Return the outputs that a target stands for: those of derivations, or the images of containers."""
    found = values(workspace, target)
    with naming_definition(target):
        if together and found[0].member:
            found = [packed_together(workspace, found, target)]
        return [NamedOutput(value.name, value.member, _output_of(workspace, value, target)) for value in found]


def output_of(workspace: Workspace, target: Target) -> Output:
    """Return the only output that a target stands for: that of a derivation, or a container's image."""
    with naming_definition(target):
        return _output_of(workspace, only(workspace, target), target)


def _output_of(workspace: Workspace, named: NamedValue, target: Target) -> Output:
    if named.kind == "derivation":
        return workspace.output(named.value)
    return container_of(workspace, named, target).image


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
