"""Write the SLSA provenance of an image: of one that is packed, and of one in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.images import manifests

if TYPE_CHECKING:
    from fpack.builders.attest.slsa import BuildContext
    from fpack.builders.manifest.referrer import Referrer
    from fpack.cli.images.packing import PackedImage
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.files.checked_tree import CheckedTree

SUFFIX = "provenance.json"


def of_pack(
    workspace: Workspace, manifest: CheckedTree, what: str | None, finished: str = "", builder: str = ""
) -> bytes:
    """Return the provenance of an image that was packed. manifest: the output with its manifest. what: as the user
    named it. finished, builder: see `BuildContext`.
    """
    from fpack.builders.attest import slsa
    from fpack.builders.manifest.reader import ManifestReader

    data = manifests.canonical_form(manifest)
    found = context(workspace, what)._replace(finished=finished, builder=builder)
    return slsa.provenance(ManifestReader(data), data, found).encode()


def context(workspace: Workspace, what: str | None) -> BuildContext:
    """Return what the manifest does not say: the target, the project's files that were evaluated, and its commit."""
    import hashlib

    from fpack.builders.attest.slsa import BuildContext

    from . import git_commit

    if not workspace.project_name:
        return BuildContext(what or "")
    project = Path(os.path.realpath(workspace.project_name))
    files = [Path(file) for file in workspace.evaluator.own_files]
    rows = tuple((os.path.relpath(file, project), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files)
    lock = workspace.lock_file
    commit = git_commit.find(
        project, [*files, *workspace.evaluator.source_paths.values(), *([lock] if lock.is_file() else [])]
    )
    if commit is not None and "source" in workspace.__dict__ and workspace.source.added:
        commit = commit._replace(clean=False)  # the lock of the commit has not all packages
    return BuildContext(what or "", tuple(sorted(rows)), commit)


def referrers(made: PackedImage) -> Iterator[Referrer]:
    """Yield the artifacts of an image's provenances for an archive or a layout."""
    if not made.provenances:
        return
    from fpack.builders.attest.dsse import IN_TOTO
    from fpack.builders.manifest import referrer
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.oci.spec import Descriptor

    for tree, data in zip(made.manifests, made.provenances, strict=True):
        image = ManifestReader(manifests.canonical_form(tree)).head.image
        title = f"{image.name.rpartition('/')[2]}.{SUFFIX}"
        yield referrer.of_document(Descriptor(*image.manifest), IN_TOTO, data, title)


def write_beside(image: Path, statement: bytes, arch: str = "") -> str | None:
    """Write a provenance beside an image. arch: as for a manifest."""
    stem = image.name.removesuffix(".tar") + (f".{arch}" if arch else "")
    return manifests.write_pieces(image, [statement], f"{stem}.{SUFFIX}")
