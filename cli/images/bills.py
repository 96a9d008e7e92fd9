"""Build the bill of materials of an image, and place its documents beside the image and, as referrers, in the image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.cli.version import VERSION
from fpack.light_typing import TYPE_CHECKING
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name

from . import manifests

if TYPE_CHECKING:
    from fpack.builders.manifest.referrer import Referrer
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.files.checked_tree import CheckedTree


def formats(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the formats of options, each a list with commas, sorted. Raise UsageError for an unknown one."""
    from fpack.builders.sbom.documents import FORMATS

    names = {name for text in texts for name in text.split(",")}
    if unknown := sorted(names - FORMATS.keys()):
        raise UsageError(
            f"{unknown[0]!r} is not a format of bills of materials", hint=f"the formats are {', '.join(FORMATS)}"
        )
    if {"legal", "legal-sources"} <= names:
        raise UsageError("legal-sources has all that legal has", hint="write one of them")
    return tuple(sorted(names))


def bill(workspace: Workspace, manifest: Output, names: Sequence[str], supplier: str = "") -> Output:
    """Add the derivation of the bill of materials of an image to the workspace. Return its output.

    manifest: the image's. supplier: who supplies the image.
    """
    bodies = workspace.evaluator.derivations
    name = derivation.decode(bodies[manifest.derivation]).name
    made = Derivation(
        "sbom",
        clean_name(f"{name.removesuffix('-manifest')}-sbom"),
        {
            "manifest": str(placeholder(manifest.derivation, name, manifest.name)),
            "formats": list(names),
            "fpack": VERSION,
            "supplier": supplier,
        },
        (manifest,),
    )
    body = made.encode()
    digest = derivation.digest(body)
    bodies[digest] = body
    return Output(digest)


def referrers(trees: Iterable[CheckedTree], names: Sequence[str]) -> Iterator[Referrer]:
    """Yield the artifacts of bills for an archive, a layout or a registry."""
    from fpack.builders.manifest import referrer
    from fpack.builders.sbom.documents import FORMATS

    for tree in trees:
        for name in names:
            if FORMATS[name].attached:
                yield referrer.read(tree, name)


def write_beside(image: Path, tree: CheckedTree, names: Sequence[str], arch: str = "") -> list[str]:
    """Write the documents of a bill beside an image. arch: as for a manifest."""
    from fpack.builders.sbom.documents import FORMATS

    stem = image.name.removesuffix(".tar") + (f".{arch}" if arch else "")
    written = (manifests.write_document(image, tree, name, f"{stem}.{FORMATS[name].file}") for name in names)
    return [path for path in written if path is not None]
