"""Build the `sbom` kind: the bill of materials of an image, in one or more formats.

The manifest names the store paths in the image. The facts of each are a derivation of their own, which the builder
requests, so that a path is read once for all images that have it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.manifest import referrer
from fpack.builders.manifest.format import MAX_SIZE
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.oci.spec import Descriptor
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.sbom import documents
from fpack.builders.sbom import facts as form
from fpack.builders.sbom.gather import PathWanted, gather, wanted
from fpack.builders.sbom.model import Bill
from fpack.builders.sbom.provenance import Provenance
from fpack.store.derivation import Derivation, Output
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, clean_name, parse

from .facts import FILE, MAX_FACTS, FactsArgs
from .manifest import CANONICAL_FILE

# 2: URLs of sources, digests of links, os-release, whole copyright files; 4: the supplier of builds; 5: the bills of
# materials in packages; 6: licence and copyright of the image and the system by their parts, SHA-512 of the image;
# 7: what packages of languages state, files of builds
VERSION = 7


class SbomArgs(NamedTuple):
    """The arguments. manifest: an output of the kind `manifest`. formats: see `sbom.documents`. fpack: the version.

    supplier: see `sbom.gather`.
    """

    manifest: StorePath
    formats: tuple[str, ...]
    fpack: str
    supplier: str = ""


class SbomBuilder(BaseBuilder):
    """The builder of `sbom`. Its output holds a document for each format, by its name, and the files for `referrer`."""

    version = VERSION

    def build(self, task: Task) -> Steps:
        """Request the facts, and write the documents."""
        args = arguments.read(SbomArgs, task.args)
        if unknown := [name for name in args.formats if name not in documents.FORMATS]:
            hint = f"the formats are {', '.join(documents.FORMATS)}"
            raise BuildError(f"{unknown[0]!r} is not a format of bills of materials", hint=hint)
        data = task.tree(args.manifest).read(CANONICAL_FILE, MAX_SIZE)
        reader = ManifestReader(data, str(args.manifest))
        head = reader.head
        provenance = Provenance(head, reader.derivations)
        paths = wanted(head)
        debs = {path.path: deb for path in paths if path.package and (deb := provenance.deb(path.derivation))}
        if lost := [path.package for path in paths if path.package and path.path not in debs]:
            raise BuildError(f"The manifest does not say from which .deb the package {lost[0]} is")
        builds = [path.derivation for path in paths if not path.table]
        behind = frozenset[str]().union(*map(provenance.behind, builds))
        sources, archives = provenance.sources(behind), provenance.archives(behind)
        read = [*sources, *archives]
        fetched = yield Need([*debs.values(), *(Output(bytes.fromhex(digest)) for digest in read)])
        files = dict(zip(debs, fetched, strict=False))
        trees = fetched[len(debs) : len(debs) + len(sources)]
        packages = map(_package, fetched[len(debs) + len(sources) :], archives.values())
        del reader, provenance  # they can be large
        built = yield Need(
            [*(facts_derivation(path, files.get(path.path)) for path in paths), *map(_locks, trees), *packages]
        )
        contents = [task.tree(path).read(FILE, MAX_FACTS) for path in built]
        digest = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).digest()
        found = list(map(form.decode, contents))
        facts = dict(zip((path.path for path in paths), found, strict=False))
        bill = gather(data, facts, dict(zip(read, found[len(paths) :], strict=True)), args.fpack, digest, args.supplier)
        writer = task.writer()
        subject = Descriptor(*head.image.manifest)
        for name in args.formats:
            _write(writer, bill, name, subject)
        return Built(writer)


def facts_derivation(path: PathWanted, deb: StorePath | None) -> Derivation:
    """Return the derivation of a path's facts."""
    args = FactsArgs(parse(path.path), path.table, path.package, deb)
    return Derivation("facts", clean_name(f"{args.path.name}-facts"), arguments.write(args))


def _locks(source: StorePath) -> Derivation:
    """Return the derivation of what the lock files of a source name."""
    args = FactsArgs(source, locks=True)
    return Derivation("facts", clean_name(f"{source.name}-locks"), arguments.write(args))


def _package(archive: StorePath, about: tuple[str, str]) -> Derivation:
    """Return the derivation of what a package of a language states. about: its kind and its name."""
    args = FactsArgs(archive, part=about[0], name=about[1])
    return Derivation("facts", clean_name(f"{archive.name}-states"), arguments.write(args))


def _write(writer: TreeWriter, bill: Bill, name: str, subject: Descriptor) -> None:
    """Write a document, and the artifact that holds it."""
    sha256, size = hashlib.sha256(), 0
    form = documents.FORMATS[name]

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in documents.document(bill, name):
            sha256.update(piece)
            size += len(piece)
            yield piece

    writer.file(name, pieces())
    if form.attached:
        blob = Descriptor(form.media_type, f"sha256:{sha256.hexdigest()}", size)
        title = f"{bill.subject.name.rpartition('/')[2]}.{form.file}"
        referrer.write(writer, subject, form.media_type, [referrer.ArtifactDocument(blob, name, title)], name)
