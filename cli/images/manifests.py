"""What `pack` writes of an image besides the image: its exact manifest, beside it and as a referrer within."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.version import VERSION
from fpack.store import derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name, parse

# What runs builds from source: this machine's sandbox.
EXECUTOR = "local"

if TYPE_CHECKING:
    from fpack.builders.export.oci import Extra
    from fpack.cli.workspace.workspace import Container, Workspace


def manifest(workspace: Workspace, container: Container) -> Output:
    """The output that is a container's manifest, ready to be realised."""
    bodies = workspace.evaluator.derivations
    image = derivation.decode(bodies[container.image.derivation])
    name = image.name
    mentioned = {parse(path).hash for path in image.args["paths"]}
    made = Derivation(
        "manifest",
        clean_name(f"{name}-manifest"),
        {
            "image": str(placeholder(container.image.derivation, name, container.image.name)),
            "paths": image.args["paths"],
            "derivation": container.image.derivation.hex(),
            "lock": _lock(workspace, derivation.decode(bodies[container.root.derivation])),
            "fpack": VERSION,
            "executor": EXECUTOR,
        },
        (container.image, *(i for i in image.inputs if placeholder(i.derivation, "x", i.name).hash in mentioned)),
    )
    body = made.encode()
    digest = derivation.digest(body)
    bodies[digest] = body
    return Output(digest)


def _lock(workspace: Workspace, root: Derivation) -> Value:
    """The locked packages that a root may take."""
    names = [str(each["package"]) for each in root.args["slices"]]
    if not names:
        return None
    from fpack.builders.manifest import lock_part

    return lock_part.encode(workspace.source.lock, str(root.args["release"]), str(root.args["arch"]), names)


def within(places: Iterable[Path]) -> Extra:
    """What an archive or layout holds more for the artifacts that lie at `places`."""
    found = list(places)
    if not found:
        return {}
    from fpack.builders.manifest import referrer

    return referrer.attach(referrer.read(place) for place in found)


def beside(image: Path, arch: str = "") -> Path:
    """Where the manifest of an archive or a layout lies: NAME.manifest.json, or NAME.ARCH.manifest.json of several."""
    name = image.name.removesuffix(".tar")
    return image.with_name(f"{name}.{arch}.manifest.json" if arch else f"{name}.manifest.json")


def all_beside(image: Path) -> list[Path]:
    """The manifests that lie beside an image: the one, else those of its platforms."""
    one = beside(image)
    name = image.name.removesuffix(".tar")
    if one.is_file() or not image.parent.is_dir():
        return [one]
    several = [each for each in image.parent.iterdir() if each.name.startswith(f"{name}.")]
    return sorted(each for each in several if each.name.endswith(".manifest.json")) or [one]


def write_beside(image: Path, place: Path, arch: str = "") -> str | None:
    """Put the manifest that lies at `place` beside an image; None where there is no beside: a device or a pipe."""
    import shutil

    from fpack.store.errors import StoreError

    if not (image.is_file() or image.is_dir()) or image.absolute().parts[1:2] in (("dev",), ("proc",)):
        return None
    target = beside(image.absolute(), arch)
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}")
    try:
        try:
            shutil.copyfile(place / "manifest.json", temporary)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError("The manifest cannot be written", where=str(target), why=error.strerror or "") from None
    return str(target)
