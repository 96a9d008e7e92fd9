"""Compute what a container sees of the layers of an image's base, and check the manifest's record of the base."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fpack.builders.manifest import base_packages
from fpack.builders.manifest.format import DIRECTORY, FILE, OCI, BaseRecord, Head, ManifestEntry
from fpack.builders.manifest.head import MAX_ENTRIES, all_paths
from fpack.builders.streams import strict_json
from fpack.builders.verify.findings import MANIFEST, Report, VerifyError, show
from fpack.store.derivation import Derivation

_OPAQUE = b".wh..wh..opq"
_PREFIX = b".wh."
_Node = tuple[ManifestEntry | None, int, "dict[bytes, Any]"]  # entry, layer, what is below it


class BaseFiles:
    """The files of the layers added so far, one over another. `whiteouts` are those of the record."""

    def __init__(self, record: BaseRecord) -> None:
        self._record = record
        self._top: dict[bytes, _Node] = {}
        self._implied = 0  # directories that entries lie in
        self._texts: dict[tuple[bytes, bytes], list[bytes]] = {}  # of package databases, by path and BLAKE3

    def watch(self, entry: ManifestEntry) -> Callable[[bytes], None] | None:
        """Return a consumer for the content of a file of a layer, or None if it is no package database."""
        wanted = entry.kind == FILE and self._record.packages is not None and base_packages.is_database(entry.path)
        if not wanted or entry.size > base_packages.MAX_TEXT:
            return None
        pieces = self._texts[entry.path, entry.blake3] = []
        return pieces.append

    def check_packages(self, report: Report) -> None:
        """Compare the record's list of packages with the databases in the layers."""
        wanted = self._record.packages
        if wanted is None:
            return
        files = {entry.path: entry for entry, _ in _walk(self._top) if entry.kind == FILE}
        texts = {}
        for path, entry in files.items():
            if base_packages.is_database(path):
                pieces = self._texts.get((path, entry.blake3))
                text = b"".join(pieces or ())
                if pieces is not None and len(text) == entry.size:
                    texts[path] = text
                elif not any(reason.startswith(f"/{path.decode(errors='replace')} ") for reason in wanted.unread):
                    report.note("the list of the base's packages was not compared: its layers were not read")
                    return
        if base_packages.read(files, texts) != wanted:
            report.add(MANIFEST, "base", "its packages are not those of the databases in its layers")

    def add(self, number: int, entries: Sequence[ManifestEntry]) -> None:
        """Add a layer."""
        for layer, path in self._record.whiteouts:
            if layer == number:
                above, _, name = path.rpartition(b"/")
                found = self._directory(above)
                if found is not None and name == _OPAQUE:
                    found.clear()
                elif found is not None:
                    found.pop(name.removeprefix(_PREFIX), None)
        for entry in entries:
            if entry.path and entry.part is not None:
                self._put(number, entry)

    def _directory(self, path: bytes) -> dict[bytes, _Node] | None:
        node = self._top
        for name in path.split(b"/") if path else ():
            found = node.get(name)
            if found is None:
                return None
            node = found[2]
        return node

    def _put(self, number: int, entry: ManifestEntry) -> None:
        *above, name = entry.path.split(b"/")
        node = self._top
        for part in above:
            known = node.get(part)
            if known is None or (known[0] is not None and known[0].kind != DIRECTORY):
                self._imply()
                known = node[part] = (None, number, {})
            node = known[2]
        before = node.get(name)
        below = before[2] if before is not None and entry.kind == DIRECTORY else {}
        node[name] = (entry, number, below)

    def _imply(self) -> None:
        """Count a directory that an entry lies in. A manifest of fpack lists each, and so cannot have more of them."""
        self._implied += 1
        if self._implied > MAX_ENTRIES:
            what = "The image cannot be verified: the files of its base lie in too many directories"
            raise VerifyError(what, where="the image's manifest", why=f"the limit is {MAX_ENTRIES}")

    def layers(self) -> dict[int, list[ManifestEntry]]:
        """Return the entries of each layer that a container sees, without hidden ones."""
        hidden = {*self._record.hidden}
        found: dict[int, list[ManifestEntry]] = {number: [] for number in range(self._record.layers)}
        for entry, number in _walk(self._top):
            if entry.path not in hidden:
                found[number].append(entry)
        return found

    def paths(self) -> set[bytes]:
        """Return the paths of everything but directories, also of what is hidden."""
        return {entry.path for entry, _ in _walk(self._top) if entry.kind != DIRECTORY}


def _walk(top: dict[bytes, _Node]) -> Iterator[tuple[ManifestEntry, int]]:
    waiting = [top]
    while waiting:
        for entry, number, below in waiting.pop().values():
            if entry is not None:
                yield entry, number
            if below:
                waiting.append(below)


def check_record(head: Head, derivations: Mapping[str, Derivation], report: Report) -> None:
    """Check that the record of the base fits its name, the layers and the derivations."""
    base = head.base
    assert base is not None
    trouble = _trouble(base, head)
    if trouble:
        report.add(MANIFEST, "base", trouble)
    digest = base.name.rpartition("@sha256:")[2]
    if not any(source.kind == OCI and source.sha256 == digest for source in head.sources):
        report.add(MANIFEST, "base", f"no source of the manifest is {show(base.name.encode())}")
    for number, layer in enumerate(head.layers):
        made = derivations.get(layer.derivation)
        found = (made.args.get("sha256"), made.args.get("diff_id")) if made and made.kind == "ocilayer" else None
        wanted = (layer.blob.digest.removeprefix("sha256:"), layer.diff_id) if number < base.layers else None
        if found != wanted:
            report.add(MANIFEST, f"layer {number + 1}", "its derivation contradicts the record of the base")


def check_own(head: Head, report: Report) -> None:
    """Check that what the record has of the base's own manifest is about the layers and packages of the base.

    The manifest itself is not signed, so `verify` says of files of the base no more than that they are the base's.
    """
    base = head.base
    if base is None or base.own is None:
        return
    layers = [(layer.blob.digest, layer.diff_id) for layer in head.layers[: base.layers]]
    own = base.own.head
    if own.image.manifest.digest != base.manifest or layers != [(one.blob.digest, one.diff_id) for one in own.layers]:
        report.add(MANIFEST, "base", "its own manifest is about another image")
    listed = {(origin.package, origin.version) for origin in all_paths(own)}
    record: BaseRecord | None = own.base
    while record is not None:
        known = record.packages.packages if record.packages is not None else ()
        listed |= {(package.name, package.version) for package in known}
        record = record.own.head.base if record.own is not None else None
    for package in base.packages.packages if base.packages is not None else ():
        if package.kind == base_packages.DEB and (package.name, package.version) not in listed:
            name = f"{package.name} {package.version}"
            report.add(MANIFEST, "base", f"its own manifest lacks the package {name} of the base's database")


def check_owners(head: Head, number: int, entries: Sequence[ManifestEntry], report: Report) -> None:
    """Check that the record says of each entry of a layer of the base to what it belongs. number: of the layer."""
    own = head.base.own if head.base is not None else None
    files = sum(entry.kind != DIRECTORY for entry in entries)
    if own is not None and sum(count for count, _ in own.files[number]) != files:
        report.add(MANIFEST, f"layer {number + 1}", "the base's own manifest has another number of files in it")


def _trouble(base: BaseRecord, head: Head) -> str:
    """Follow the documents from the digest in the base's name to the layers. Return what is wrong, or ""."""
    wanted = base.name.rpartition("@")[2]
    value: Any = None
    for number, data in enumerate(base.documents):
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != wanted:
            return f"a document of it is not {wanted:.80}"
        try:
            value = strict_json.parse(data)
        except ValueError as error:
            return f"a document of it is invalid: {error}"
        if number + 1 < len(base.documents):
            listed = value.get("manifests") if isinstance(value, dict) else None
            digests = [entry.get("digest") for entry in listed or () if isinstance(entry, dict)]
            wanted = base.manifest
            if wanted not in digests:
                return "its index does not list the image"
    if wanted != base.manifest:
        return f"its image is {wanted:.80}, and not {base.manifest}"
    layers = value.get("layers") if isinstance(value, dict) else None
    digests = [layer.get("digest") for layer in layers or () if isinstance(layer, dict)]
    if digests != [layer.blob.digest for layer in head.layers[: base.layers]]:
        return "the first layers are not those of its image"
    return ""
