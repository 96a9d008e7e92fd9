"""Rebuild an image in an empty store from the derivations in its manifest, and compare the result."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from fpack.builders.manifest.format import Head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.protocol import Builder, Built, BuiltAll, Steps, Task
from fpack.builders.scheduler.reporter import Reporter
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.builders.scheduler.task import Assemble
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import counted
from fpack.store.files.tree import chunks
from fpack.store.path import StorePath
from fpack.store.store import Store

from . import script_packages
from .evidence import deb_reader
from .findings import REBUILD, Report
from .image_archive import ImageLocation, open_archive
from .script_packages import CONFIGURE
from .source_intake import SourceIntake

_Index = dict[tuple[str, str, bool], Path]


class RebuiltImage(NamedTuple):
    """A rebuilt image: the path of its output, and the fingerprints of what Debian's scripts made in the rebuild."""

    output: Path
    configured: frozenset[bytes]


class LocalFetch:
    """A builder of `fetch` that uses local files instead of downloads, after it has verified their digests.

    paths: the paths of local files by SHA-256 or else SHA-512, name and executable bit.
    """

    network = True

    def __init__(self, inner: Builder, paths: _Index) -> None:
        self._inner = inner
        self._paths = paths

    def key(self, drv: Derivation) -> Value:
        """Return the key of `fetch`."""
        return self._inner.key(drv)

    def build(self, task: Task) -> Built | BuiltAll | Steps:
        """Copy the local file, or download it."""
        args = task.args
        executable = bool(args.get("executable", False))
        sha256, sha512 = str(args.get("sha256", "")), str(args.get("sha512", ""))
        path = self._paths.get((sha256 or sha512, task.name, executable))
        if path is not None and deb_reader.is_file(path, path.stat().st_size, sha256, sha512):
            writer = task.writer()
            writer.file("", chunks(path), executable)
            return Built(writer)
        return self._inner.build(task)

    def foresee(self, drv: Derivation, parts: Sequence[StorePath]) -> Sequence[Derivation]:
        """Return what `fetch` foresees."""
        return self._inner.foresee(drv, parts)


def rebuild(
    image: ImageLocation,
    manifest: Callable[[], ManifestReader],
    given: Sequence[Path],
    directory: Path,
    builders: Mapping[str, Builder],
    evidence: LocalEvidence,
    reporter: Reporter,
    assemble: Assemble,
    jobs: int = 0,
) -> RebuiltImage:
    """Build the image of a manifest in a new store in `directory`. Raise MissingSources if a source cannot be found.

    image: the file that carries sources. manifest: returns a new reader. given: files and directories that may be
    sources. builders: the builder of each kind. evidence: local files and sources to reuse. assemble: creates the
    directory of a root. The caller provides these, because the verifier shares no code with the builders.
    """
    reader = manifest()
    store = Store(directory)
    try:
        intake = SourceIntake(store, reader.derivations, builders["source"])
        if intake.missing:
            archive = open_archive(image, Report())
            try:
                intake.take_from_image(archive, reader)
            finally:
                archive.close()
            intake.take_from_store(evidence)
            intake.take_from_files(given)
            intake.check()
        own: dict[str, Builder] = {"fetch": LocalFetch(builders["fetch"], _fetched(reader, evidence))}
        bodies = {bytes.fromhex(digest): drv.encode() for digest, drv in reader.derivations.items()}
        scheduler = Scheduler(
            store, ChainMap(own, cast(Any, builders)), reporter, assemble=assemble, bodies=bodies, jobs=jobs
        )
        (made,) = scheduler.realise([Output(bytes.fromhex(reader.head.image.derivation))])
        scripts = [Output(bytes.fromhex(digest)) for digest, drv in reader.derivations.items() if drv.kind == CONFIGURE]
        paths = [path for output in scripts for path in [store.database.built(output)] if path is not None]
        return RebuiltImage(
            store.disk(made), frozenset(row for path in paths for row in script_packages.made(store.disk(path)))
        )
    finally:
        store.close()


def _fetched(reader: ManifestReader, evidence: LocalEvidence) -> _Index:
    """Return the paths of the downloads that are on this machine."""
    found: _Index = {}
    for digest, drv in reader.derivations.items():
        tree = evidence.built(digest) if drv.kind == "fetch" else None
        if tree is not None:
            digest = str(drv.args.get("sha256") or drv.args.get("sha512", ""))
            found[digest, drv.name, bool(drv.args.get("executable", False))] = tree.disk
    return found


def compare(head: Head, image: Path, report: Report) -> None:
    """Report the differences between a rebuilt image and the manifest: each layer, then the documents."""
    record = canonical.decode((image / "image").read_bytes())
    count = len({layer["path"] for layer in record["layers"]})
    for number, (layer, found) in enumerate(zip(head.layers, record["layers"], strict=False)):
        if found["digest"] != layer.blob.digest:
            inner = "the same tar, compressed differently" if found["diff_id"] == layer.diff_id else "another tar"
            report.add(REBUILD, f"layer {number + 1}", f"the rebuilt layer is {found['digest']}, {inner}")
    if count != len(head.layers):
        report.add(
            REBUILD, "image", f"the rebuilt image has {counted(count, 'layer')}; the manifest has {len(head.layers)}"
        )
    for name, blob in (("config", head.image.config), ("manifest", head.image.manifest)):
        digest = f"sha256:{deb_reader.digest(image / name)[0]}"
        if digest != blob.digest:
            report.add(REBUILD, name, f"the rebuilt document is {digest}; the manifest has {blob.digest}")
