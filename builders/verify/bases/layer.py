"""Compare a layer of an image's base with its entries in the manifest. Another tool made it, in its own form.

The digests of the blob and of its tar are those of the manifest, so nothing can be added; the entries are compared so
that the manifest's list is true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import BinaryIO

from blake3 import blake3
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, Blob, ManifestEntry
from fpack.builders.payload.whiteouts import is_whiteout
from fpack.builders.streams.stream import Stream
from fpack.builders.verify.findings import ADDED, CHANGED, LAYER, MISSING, Report, show
from fpack.builders.verify.layer_check import HashedLayer, LayerSummary, Watch
from fpack.builders.verify.strict_tar import OTHERS, StrictMember, StrictTar
from fpack.store.errors import FpackError

_DEVICES = (OTHERS[b"3"], OTHERS[b"4"])
_LINK, _CONTIGUOUS = OTHERS[b"1"], OTHERS[b"7"]


def check_base_layer(
    file: BinaryIO,
    blob: Blob,
    entries: Sequence[ManifestEntry],
    whiteouts: Sequence[bytes],
    report: Report,
    label: str,
    limit: int,
    watch: Watch = lambda entry: None,
) -> LayerSummary:
    """Read a layer of a base and compare it with its entries. whiteouts: those of the manifest.
    watch: as in `layer_check`.

    A tar that the strict reader cannot read is noted, and not compared: its digest is.
    """
    content = HashedLayer(file, blob, report, label)
    comparison = _BaseComparison(entries, whiteouts, report, label, watch)
    whole = False
    try:
        if (tar := content.tar()) is not None:
            try:
                comparison.run(StrictTar(Stream(tar, limit)))
            except FpackError as error:
                report.note(f"the entries of {label} were not compared: {error.what}")
                comparison.stop()
            for _ in tar:
                pass
            whole = True
    except FpackError as error:
        content.report(LAYER, f"it cannot be read: {error}")
    digest = content.finish()
    if whole:
        comparison.finish()
    files = [entry for entry in entries if entry.kind != DIRECTORY]
    total = sum(entry.size for entry in files)
    diff_id = content.tar_digest if whole else None
    return LayerSummary(digest, diff_id, content.tar_size, len(entries), len(files), total)


class _BaseComparison:
    """A comparison of the members of one layer with the manifest."""

    def __init__(
        self, entries: Sequence[ManifestEntry], whiteouts: Sequence[bytes], report: Report, label: str, watch: Watch
    ) -> None:
        self._watch = watch
        self._wanted = {entry.path: entry for entry in entries if entry.part is not None}
        self._left = {*self._wanted, *whiteouts}
        self._whiteouts = {*whiteouts}
        self._report = report
        self._label = label
        self._stopped = False

    def run(self, archive: StrictTar) -> None:
        """Compare every member."""
        for member in archive:
            path = member.path.removeprefix(b"./").rstrip(b"/")
            path = b"" if path == b"." else path
            self._left.discard(path)
            if is_whiteout(path):
                if path not in self._whiteouts:
                    self._report.add(ADDED, show(path), "the manifest does not have this whiteout", self._label)
                continue
            wanted = self._wanted.get(path)
            if wanted is None and member.kind in _DEVICES and path.startswith(b"dev/"):
                continue  # no manifest lists it: engines mount a /dev of their own over it
            if wanted is None:
                self._report.add(ADDED, show(path), "the manifest does not have this entry", self._label)
            elif self._differs(member, wanted, archive):
                self._report.add(CHANGED, show(path), "it differs from the manifest's list of the base", self._label)

    def _differs(self, member: StrictMember, wanted: ManifestEntry, archive: StrictTar) -> bool:
        if member.kind == _LINK:
            target = self._wanted.get(member.target.removeprefix(b"./"))
            return target is None or target._replace(path=wanted.path) != wanted
        kind = FILE if member.kind == _CONTIGUOUS else member.kind
        mode = 0o777 if kind == SYMLINK else member.mode & 0o7777
        found = (kind, mode, member.uid, member.gid, member.size, member.target if kind == SYMLINK else b"")
        if found != (*wanted[1:6], wanted.target):
            return True
        if kind != FILE:
            return False
        sha256, blake = hashlib.sha256(), blake3()
        consume = self._watch(wanted)
        for piece in archive.content():
            if consume is not None:
                consume(piece)
            sha256.update(piece)
            blake.update(piece)
        return (blake.digest(), sha256.digest()) != (wanted.blake3, wanted.sha256)

    def stop(self) -> None:
        """Do not report what is missing: the layer was not read to its end."""
        self._left.clear()

    def finish(self) -> None:
        """Report what the layer lacks."""
        for path in sorted(self._left):
            self._report.add(MISSING, show(path), "it is missing in the layer of the base", self._label)
