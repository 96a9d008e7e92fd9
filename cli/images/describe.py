"""Describe a package, a container, an image file or a derivation as data, for `show`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fpack.builders.verify import documents
from fpack.store import derivation
from fpack.store.path import StorePath
from fpack.store.root import default_root

from .stored_subject import StoredSubject
from .subject import BuiltSubject, Subject

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import PackagePin
    from fpack.builders.debian.package import Package
    from fpack.cli.workspace.containers import Container
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output

_RELATIONS = ("pre-depends", "depends", "recommends", "provides")


# A Debian package.


def package(workspace: Workspace, packages: Packages, name: str) -> dict[str, Any]:
    """Describe a package of a release: the locked version if there is one. Raise FpackError if the package is
    unknown.
    """
    from fpack.builders.debian.suites import target_of

    pin = packages.lock.packages.get((packages.release, packages.arch, name))
    versions = packages.universe.versions(name)
    if not versions and pin is None:
        raise packages.absent(name)
    newest = versions[-1] if versions else None
    chosen = next((package for package in versions if pin is not None and package.version == pin.version), newest)
    facts: dict[str, Any] = {"type": "package", "target": target_of(packages.release, name)}
    facts |= {"release": packages.release} | _basic(chosen, pin)
    facts |= _described(packages, name, chosen)
    facts["locked"] = None
    if pin is not None:
        from fpack.builders.debian.suites import show_date

        path = str(workspace.lock_file)
        facts["locked"] = {"version": pin.version, "date": show_date(pin.date), "sha256": pin.sha256, "lock": path}
        facts["locked"] |= {"sha512": pin.sha512} if pin.sha512 else {}
    facts["newest"] = newest.version if newest is not None else None
    facts["built"] = _payload(workspace, facts["target"], packages.arch) if pin is not None else None
    return facts


def _basic(chosen: Package | None, pin: PackagePin | None) -> dict[str, Any]:
    """Return the fields that both a lock and an index have; the lock takes precedence."""
    known = pin or chosen
    assert known is not None
    names = ("name", "version", "arch", "source", "source_version", "archive", "file", "size", "sha256")
    strong = {"sha512": known.sha512} if known.sha512 else {}
    about: dict[str, Any] = {name: getattr(known, name) for name in names} | strong
    return about | {"suite": chosen.suite if chosen is not None else None}


def _described(packages: Packages, name: str, chosen: Package | None) -> dict[str, Any]:
    """Return the fields that only an index has."""
    from fpack.builders.debian.control import parse_stanza

    fields: Mapping[str, str] = {}
    for index in packages.at_hand:
        for text in index.opened.stanzas(name):
            found = parse_stanza(text, name)
            if chosen is not None and found.get("version") == chosen.version:
                fields = fields or found
    kilobytes = fields.get("installed-size", "")
    facts: dict[str, Any] = {
        "section": fields.get("section", ""),
        "priority": fields.get("priority", ""),
        "description": fields.get("description", "").partition("\n")[0],
        "homepage": fields.get("homepage", ""),
        "installed_size": int(kilobytes) * 1024 if kilobytes.isascii() and kilobytes.isdigit() else None,
    }
    for relation in _RELATIONS:
        clauses = fields.get(relation, "").replace("\n", " ").split(",")
        facts[relation.replace("-", "_")] = [" ".join(clause.split()) for clause in clauses if clause.strip()]
    return facts


def _payload(workspace: Workspace, target: str, arch: str) -> dict[str, Any] | None:
    """Return the files of a locked package if it is unpacked in the store, else None."""
    evaluator = workspace.evaluator
    value = workspace.value(workspace.target(target))
    if arch != workspace.arch:
        value = evaluator.call(evaluator.select(value, ["for"]), arch)
    path = _built(workspace, workspace.output(evaluator.select(value, ["payload"])))
    if path is None:
        return None
    from fpack.builders.payload import meta

    disk = workspace.store.disk(path)
    entries, _ = meta.read(disk)
    files = [
        {"path": f"/{entry.path}", "size": entry.size, "target": entry.target or None}
        for entry in entries
        if entry.kind != meta.DIRECTORY
    ]
    return {"path": str(path), "disk": str(disk), "size": _size(workspace, path), "files": files}


# A container.


def container(workspace: Workspace, made: Container) -> dict[str, Any]:
    """Describe a container: its configuration, its packages, and its output if it is built."""
    bodies = workspace.evaluator.derivations
    image = derivation.decode(bodies[made.image.derivation])
    root = derivation.decode(bodies[made.root.derivation])
    facts: dict[str, Any] = {"type": "container", "name": image.args["name"], "tag": image.args["tag"]}
    facts |= {"arch": image.args["arch"], "release": root.args["release"], "closure": root.args["mode"]}
    facts["config"] = dict(image.args["config"])
    facts["run_options"] = list(made.run_options)
    path = _built(workspace, made.image)
    facts["built"] = None
    if path is None:
        # The further packages of a linked root are known only once it is built.
        asked = [slice_ for slice_ in root.args["slices"] if slice_["seed"] or facts["closure"] == "depends"]
        facts["packages"] = [
            _package(package["package"], package["version"], bool(package["seed"])) for package in asked
        ]
        return facts
    facts["built"], resolved = _image(workspace, path)
    facts["config"] |= resolved
    facts["packages"] = _packages_of(BuiltSubject(workspace, made))
    return facts


def _package(name: str, version: str, asked: bool, size: int | None = None) -> dict[str, Any]:
    return {"name": name, "version": version, "asked": asked, "size": size}


def _image(workspace: Workspace, path: StorePath) -> tuple[dict[str, Any], dict[str, Any]]:
    """Describe a built image. Return also the parts of its configuration that were computed during the build."""
    import json

    from fpack.builders.oci.image_record import read as read_record

    record, document, _ = read_record(workspace.store.tree(path))
    config = json.loads(document).get("config", {})
    built = {
        "path": str(path),
        "digest": record["digest"],
        "image_id": record["image_id"],
        "size_compressed": sum(layer["size"] for layer in record["layers"]),
        "size_unpacked": sum(layer["unpacked"] for layer in record["layers"]),
        "layers": len(record["layers"]),
    }
    worked_out = {"entrypoint": config.get("Entrypoint"), "uid": config.get("User") or None}
    return built, worked_out


def _packages_of(subject: Subject) -> list[dict[str, Any]]:
    sizes = subject.sizes()
    return [
        _package(slice_.package, slice_.version, slice_.by is None, sizes[slice_.package])
        for slice_ in subject.packages()
    ]


# An image file.


def image(subject: StoredSubject) -> dict[str, Any]:
    """Describe an image file as a container that is built. Without a manifest, some facts are not known (None)."""
    stored = subject.image
    found = subject.manifest().head if stored.data is not None else None
    name, colon, tag = stored.name.rpartition(":")
    layers = subject.layers()
    unpacked = [layer.unpacked for layer in layers if layer.unpacked is not None]
    facts: dict[str, Any] = {
        "type": "container",
        "name": name if colon else stored.file.name.removesuffix(".tar"),
        "tag": tag,
    }
    facts |= {"arch": stored.platform, "release": None, "closure": None}
    if found is not None:
        facts |= {"name": found.image.name, "tag": found.image.tag, "arch": found.image.arch}
        facts |= {"release": found.lock.release or None, "closure": subject.closure()}
    facts |= {"config": _settings(stored.configuration), "run_options": []}
    facts["built"] = {
        "path": found.image.path if found is not None and found.image.config.digest == stored.image_id else None,
        "digest": stored.digest or None,
        "image_id": stored.image_id,
        "size_compressed": sum(layer.size for layer in layers),
        "size_unpacked": sum(unpacked) if len(unpacked) == len(layers) else None,
        "layers": len(layers),
    }
    facts["packages"] = _packages_of(subject) if found is not None else None
    return {**facts, "file": str(stored.file), "platform": stored.platform, "no_manifest": stored.absent or None}


def _settings(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an image's configuration under the names of a container's fields."""
    found = documents.settings(configuration)
    user = _text(found.get("User"))
    variables = (variable.partition("=") for variable in _texts(found.get("Env")))
    return {
        "entrypoint": _texts(found.get("Entrypoint")) or None,
        "command": _texts(found.get("Cmd")) or None,
        "user": user,
        "uid": user,
        "workdir": _text(found.get("WorkingDir")),
        "env": {name: value for name, _, value in variables},
        "ports": [_port(port.removesuffix("/tcp")) for port in _texts(found.get("ExposedPorts"))],
        "volumes": _texts(found.get("Volumes")),
        "labels": {name: str(value) for name, value in (_record(found.get("Labels"))).items()},
        "stop_signal": _text(found.get("StopSignal")),
        "healthcheck": _health(_record(found.get("Healthcheck"))),
    }


def _port(text: str) -> int | str:
    return int(text) if re.fullmatch("[0-9]{1,5}", text) else text


def _text(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None


def _texts(value: Any) -> list[str]:
    """Return the texts of a list, or the names of a record, as OCI writes sets."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | dict) else []


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _health(value: dict[str, Any]) -> dict[str, Any] | None:
    how, *words = _texts(value.get("Test")) or ["NONE"]
    if how == "NONE" or not words:
        return None
    return {"command": words[0] if how == "CMD-SHELL" else words, "interval": _seconds(value.get("Interval"))}


def _seconds(nanoseconds: Any) -> str | None:
    return f"{nanoseconds / 1e9:g}s" if nanoseconds.__class__ is int and nanoseconds > 0 else None


# A derivation.


def derived(workspace: Workspace, output: Output) -> dict[str, Any]:
    """Describe a derivation: its kind, the number of its inputs, and its path if it is built."""
    made = derivation.decode(workspace.evaluator.derivations[output.derivation])
    facts: dict[str, Any] = {"type": "derivation", "name": made.name, "kind": made.kind, "inputs": len(made.inputs)}
    facts["derivation"] = output.derivation.hex()
    path = _built(workspace, output)
    facts["built"] = None
    if path is not None:
        references = [str(entry) for entry in workspace.store.closure([path]) if entry != path]
        disk = str(workspace.store.disk(path))
        facts["built"] = {"path": str(path), "disk": disk, "size": _size(workspace, path), "references": references}
    return facts


def _built(workspace: Workspace, output: Output) -> StorePath | None:
    """Return the path of an output if it is built. This never creates a store."""
    return workspace.store.database.built(output) if (default_root() / "db").is_dir() else None


def _size(workspace: Workspace, path: StorePath) -> int:
    info = workspace.store.info(path)
    return info.size if info is not None else 0
