"""Build the image that `fpack try` runs, or unpack it from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.builders.verify import documents
from fpack.cli.errors import UsageError
from fpack.cli.shells import emulator
from fpack.cli.ui.render import note
from fpack.cli.workspace import containers, machine
from fpack.cli.workspace.containers import Container
from fpack.cli.workspace.error_context import naming_option
from fpack.cli.workspace.target import find_image
from fpack.cli.workspace.workspace import Workspace
from fpack.store import derivation
from fpack.store.errors import one_line
from fpack.store.path import StorePath

if TYPE_CHECKING:
    from fpack.builders.verify.image_archive import ImageLocation

from . import closure, tree
from .container import changed
from .findings import ClosurePackage

ELSEWHERE = "pack the image with fpack pack"  # what to do if the machine cannot run it


class TrialSubject(NamedTuple):
    """An image to run. config: the settings that runtimes apply.

    release: the release of Debian whose index of files tells which packages have a file; "" if there is none. linked:
    the image has only the files that others load. closure: returns the packages that it may take files from. packed:
    fpack packed it. emulator: as in Trial.
    """

    name: str
    config: Mapping[str, Any]
    files: tree.ImageFiles
    release: str
    linked: bool
    closure: Callable[[], Sequence[ClosurePackage]]
    packed: bool = True
    emulator: tuple[str, str] | None = None


@contextmanager
def opened(workspace: Workspace, what: str | None) -> Iterator[TrialSubject]:
    """Build or unpack the image that `what` names. What was unpacked is deleted at the end of the context."""
    path = find_image(what, Path.cwd())
    if path is None:
        yield _built(workspace, what)
    else:
        with _unpacked(workspace, path) as subject:
            yield subject


def _built(workspace: Workspace, what: str | None) -> TrialSubject:
    """Build the image of a target."""
    container = containers.container(workspace, workspace.target(what))
    machine.needs_emulator(container.arch, "The image", ELSEWHERE)  # before anything is fetched
    with naming_option(workspace.options.fields):
        image, root = workspace.realise([container.image, container.root])
    emulated = emulator.built(workspace, container.arch, "The image")
    store = workspace.store
    store.used([image], workspace.project_name, f"{container.name}/{container.arch}")
    workspace.finish()
    return of_image(workspace, container, image, root)._replace(emulator=emulated.rule if emulated else None)


def of_image(workspace: Workspace, container: Container, image: StorePath, root: StorePath) -> TrialSubject:
    """Return what the image of a container is to a trial. image, root: what was built."""
    store = workspace.store
    record = read_record(store.tree(image))
    made = derivation.decode(workspace.evaluator.derivations[container.root.derivation])
    return TrialSubject(
        str(record.fields["name"]),
        json.loads(record.config).get("config", {}),
        tree.read(store, record),
        str(made.args["release"]),
        made.args["mode"] == "linked",
        lambda: closure.packages(workspace, made, root),
    )


@contextmanager
def _unpacked(workspace: Workspace, path: ImageLocation) -> Iterator[TrialSubject]:
    """Unpack the image of a file, an OCI layout or a registry, and delete its files at the end of the context."""
    from fpack.cli.images import image_file
    from fpack.store.files.remove import remove_tree

    from .unpack import unpack

    fields = workspace.options.fields
    if "configure" in fields:
        raise UsageError("--no-configure does not apply to an image", why=f"{path} is built already")
    archive = image_file.opened(path)
    directory = workspace.store.session.fresh()
    try:
        wanted = workspace.arch
        image = image_file.choose(archive, path, lambda image: image_file.arch(image) == wanted, wanted)
        reader = image_file.manifest(image) if image.data is not None else None
        emulated = emulator.built(workspace, wanted, "The image")
        files, left_out = unpack(archive, image, directory)
        if left_out:
            note(f"The sandbox has no devices and pipes of the image, such as {one_line(', '.join(left_out))}")
        made = closure.root_of(reader) if reader is not None else None
        known: Callable[[], Sequence[ClosurePackage]] = list
        if reader is not None and made is not None:
            known = partial(closure.packages_of, workspace.store, made, reader)
        yield TrialSubject(
            image.name or path.name,
            changed(documents.settings(image.configuration), fields),
            files,
            _release(made.args.get("release") if made is not None else _codename(files.text("etc/os-release"))),
            made is not None and made.args.get("mode") == "linked",
            known,
            reader is not None,
            emulated.rule if emulated else None,
        )
    finally:
        archive.close()
        remove_tree(directory)


def _release(name: object) -> str:
    """Return the release that an image names; "" if fpack does not know it. It becomes part of a path."""
    from fpack.builders.debian.suites import ALL_RELEASES

    return name if isinstance(name, str) and name in ALL_RELEASES else ""


def _codename(text: str) -> str:
    """Return the release of Debian or Ubuntu that an os-release file names; "" if there is none."""
    lines = text.replace('"', "").splitlines()
    names = [line.removeprefix("VERSION_CODENAME=") for line in lines if line.startswith("VERSION_CODENAME=")]
    return names[0] if {"ID=debian", "ID=ubuntu"}.intersection(lines) and names else ""
