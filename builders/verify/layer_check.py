"""Compare one layer with its entries in the manifest: the blob, the tar in it, and every member."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from blake3 import blake3
from fpack.builders.manifest.format import DIRECTORY, FILE, MTIME, SYMLINK, Blob, ManifestEntry
from fpack.builders.payload.whiteouts import is_whiteout
from fpack.builders.streams.codecs import LAYER_TYPES
from fpack.builders.streams.stream import Section, Stream, blocks
from fpack.store.errors import FpackError, counted

from .findings import ADDED, BLOB, CHANGED, LAYER, MISSING, Report, VerifyError, show
from .strict_tar import StrictMember, StrictTar

READ = 1 << 18  # bytes
MAX_EXTRA = 50_000  # entries that the manifest does not have, before reading ends
SAMPLE = 5  # paths of a layer that an error names
_NOUNS = {FILE: "a file", DIRECTORY: "a directory", SYMLINK: "a symlink"}


# Return a consumer for the content of an entry's file, or None.
Watch = Callable[[ManifestEntry], Callable[[bytes], None] | None]


class LayerSummary(NamedTuple):
    """The properties of a layer as read. digest: of the blob. diff_id, tar: the digest and size of the tar in it.

    diff_id is None if the layer cannot be read to its end. files, size: the number of files and their total size.
    """

    digest: str
    diff_id: str | None
    tar: int
    entries: int
    files: int
    size: int


class HashedLayer:
    """The blob of a layer, to read once. blob: its descriptor in the image; the file has this size.

    tar_size: the bytes of the tar that were read.
    """

    def __init__(self, file: BinaryIO, blob: Blob, report: Report, label: str) -> None:
        self._file = file
        self._blob = blob
        self._report = report
        self._label = label
        self._hasher, self._tar_hasher = hashlib.sha256(), hashlib.sha256()
        self._section = Section(self, blob.size, "The layer")  # type: ignore[arg-type]  # it needs read alone
        self.tar_size = 0

    @property
    def tar_digest(self) -> str:
        """The digest of the bytes of the tar that were read."""
        return f"sha256:{self._tar_hasher.hexdigest()}"

    def read(self, size: int = READ) -> bytes:
        """Read at most `size` bytes of the file. The section of this blob calls it."""
        data = self._file.read(size)
        self._hasher.update(data)
        return data

    def tar(self) -> Iterator[bytes] | None:
        """Return the blocks of the tar. If the media type is not of a layer, report that and return None."""
        codec = LAYER_TYPES.get(self._blob.media_type)
        if codec is None:
            self.report(LAYER, f"its media type is {self._blob.media_type!r:.100}")
            return None
        return self._unpacked(blocks(self._section, codec))

    def _unpacked(self, source: Iterator[bytes]) -> Iterator[bytes]:
        for block in source:
            self._tar_hasher.update(block)
            self.tar_size += len(block)
            yield block

    def finish(self) -> str:
        """Read the rest of the blob, and report if it does not have its digest. Return the digest that it has."""
        try:
            self._section.skip()
        except FpackError as error:
            self.report(BLOB, f"{error.what}: {error.why}")
        digest = f"sha256:{self._hasher.hexdigest()}"
        if digest != self._blob.digest:
            self.report(BLOB, f"the blob's content has the digest {digest}")
        return digest

    def report(self, kind: str, text: str) -> None:
        """Report a finding about the layer."""
        self._report.add(kind, self._blob.digest, text, self._label)


def check_layer(
    file: BinaryIO,
    blob: Blob,
    entries: Iterable[ManifestEntry] | None,
    report: Report,
    label: str,
    limit: int,
    watch: Watch = lambda entry: None,
) -> LayerSummary:
    """Read a layer from `file` and compare it with the manifest's `entries`, or None if the manifest has no such layer.

    blob: the layer's descriptor in the image; the file has this size. limit: the maximum of bytes to read of the tar.
    """
    content = HashedLayer(file, blob, report, label)
    comparison = _Comparison(entries, report, label, watch)
    whole = False
    try:
        if (tar := content.tar()) is not None:
            archive = StrictTar(Stream(tar, limit))
            comparison.run(archive)
            for text in archive.notes:
                content.report(LAYER, text)
            whole = True
    except FpackError as error:
        after = f" after {show(comparison.last)}" if comparison.last is not None else ""
        content.report(LAYER, f"it cannot be read{after}: {error}")
    digest = content.finish()
    if whole:
        comparison.finish()
    diff_id = content.tar_digest if whole else None
    return LayerSummary(digest, diff_id, content.tar_size, comparison.count, comparison.files, comparison.size)


class _Comparison:
    """A comparison of a layer's members with the expected entries."""

    def __init__(self, entries: Iterable[ManifestEntry] | None, report: Report, label: str, watch: Watch) -> None:
        self._watch = watch
        self._known = entries is not None
        # The value is None after the member was found.
        self._wanted: dict[bytes, ManifestEntry | None] = {entry.path: entry for entry in entries or ()}
        self._limit = len(self._wanted) + MAX_EXTRA
        self._added: set[bytes] = set()
        self._report = report
        self._label = label
        self._order_said = False
        self._sample: list[bytes] = []
        self.last: bytes | None = None
        self.count = self.files = self.size = 0

    def run(self, archive: StrictTar) -> None:
        """Compare every member."""
        for member in archive:
            self.count += 1
            if self.count > self._limit:
                raise VerifyError("it has too many entries", why=f"reading stopped after {self._limit}")
            self._check(member, archive)
            self.last = member.path

    def finish(self) -> None:
        """Report missing entries, or the content of a layer that the manifest does not have."""
        if not self._known:
            names = ", ".join(show(path) for path in self._sample)
            more = " and more" if self.count > len(self._sample) else ""
            count = counted(self.count, "entry", "entries")
            self._report.add(LAYER, self._label, f"it is added, with {count}: {names}{more}")
        for path, entry in self._wanted.items():
            if entry is not None:
                self._add(MISSING, path, f"it is missing: {_describe(entry)}")

    def _add(self, kind: str, path: bytes, what: str) -> None:
        self._report.add(kind, show(path), what, self._label)

    def _check(self, member: StrictMember, archive: StrictTar) -> None:
        path = member.path
        if is_whiteout(path):
            self._add(ADDED, path, "it is a whiteout, which deletes files of the layers below")
            return
        if not self._known:
            if len(self._sample) < SAMPLE and member.kind != DIRECTORY:
                self._sample.append(path)
            return
        for odd in member.odd:
            self._add(CHANGED, path, odd)
        wanted = self._wanted.get(path)
        if wanted is None and (path in self._wanted or path in self._added):
            self._add(ADDED, path, "it occurs twice in one layer")
            return
        if wanted is None:
            self._added.add(path)
            noun = _NOUNS.get(member.kind, member.kind)
            to = f" to {member.target.decode('utf-8', 'backslashreplace')[:200]}" if member.target else ""
            self._add(ADDED, path, f"the manifest does not have this entry: {noun}{to}")
            return
        self._wanted[path] = None
        if self.last is not None and path < self.last and not self._order_said:
            self._order_said = True
            self._add(LAYER, path, f"it comes after {show(self.last)}: the entries are not sorted")
        for what in self._differences(member, wanted, archive):
            self._add(CHANGED, path, what)

    def _differences(self, member: StrictMember, wanted: ManifestEntry, archive: StrictTar) -> Iterator[str]:
        if member.kind != wanted.kind:
            yield f"it is {_NOUNS.get(member.kind, member.kind)}; the manifest has {_describe(wanted)}"
            return
        if member.mode != wanted.mode:
            yield f"its mode is {member.mode:04o}; the manifest has {wanted.mode:04o}"
        if (member.uid, member.gid) != (wanted.uid, wanted.gid):
            yield f"its owner is {member.uid}:{member.gid}; the manifest has {wanted.uid}:{wanted.gid}"
        if member.mtime != MTIME:
            yield f"its mtime is {member.mtime}; fpack always writes {MTIME}"
        if member.target != wanted.target:
            targets = (target.decode("utf-8", "backslashreplace")[:200] for target in (member.target, wanted.target))
            yield "its target is {}; the manifest has {}".format(*targets)
        if member.kind != FILE:
            return
        self.files += 1
        self.size += member.size
        if member.size != wanted.size:
            yield f"it has {member.size} bytes; the manifest has {wanted.size}"
            return
        sha256, blake, take = hashlib.sha256(), blake3(), self._watch(wanted)
        for piece in archive.content():
            sha256.update(piece)
            blake.update(piece)
            if take is not None:
                take(piece)
        if sha256.digest() != wanted.sha256:
            yield f"its content has the SHA-256 {sha256.hexdigest()}; the manifest has {wanted.sha256.hex()}"
        if blake.digest() != wanted.blake3:
            yield f"its content has the BLAKE3 {blake.hexdigest()}; the manifest has {wanted.blake3.hex()}"


def _describe(entry: ManifestEntry) -> str:
    detail = f" of {entry.size} bytes" if entry.kind == FILE else ""
    detail = f" to {entry.target.decode('utf-8', 'backslashreplace')[:200]}" if entry.kind == SYMLINK else detail
    return f"{_NOUNS[entry.kind]}{detail}, mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}"
