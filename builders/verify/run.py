"""A whole verification: find the manifest, check the image against it, trace its packages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.manifest.format import Head, Reader

from . import embedded, load
from .archive import open_archive
from .athand import AtHand
from .check import Totals, check
from .report import Report, VerifyError
from .trace import Trace, Traced


class Outcome(NamedTuple):
    """What came of it. manifest: where the manifest was; sha256: of its canonical form, which is `data`."""

    report: Report
    head: Head
    totals: Totals
    packages: list[Traced]
    others: int
    manifest: str
    sha256: str
    data: bytes

    def value(self) -> dict[str, Any]:
        """As JSON has it."""
        image = self.head.image
        return {
            "name": image.name,
            "tag": image.tag,
            "digest": self.totals.digest or None,
            "image_id": image.config.digest,
            "manifest": {"from": self.manifest, "sha256": self.sha256, "fpack": self.head.fpack},
            **self.report.value(),
            "layers": self.totals.layers,
            "entries": self.totals.entries,
            "files": self.totals.files,
            "bytes": self.totals.size,
            "packages": [traced._asdict() for traced in self.packages],
            "other_entries": self.others,
        }

    def reader(self) -> Reader:
        """The manifest once more."""
        return load.reader(self.data, self.manifest)


def verify(image: Path, manifest: Path | None, beside: Path, hand: AtHand) -> Outcome:
    """Check the image at a path. manifest: a file to check against, else what it carries, else the file `beside`."""
    report = Report()
    archive = open_archive(image, report)
    try:
        where = str(manifest) if manifest is not None else ""
        data = load.from_file(manifest) if manifest is not None else embedded.find(archive)
        if data is None and beside.is_file():
            where, data = str(beside), load.from_file(beside)
        if data is None:
            raise VerifyError(
                "The image carries no manifest",
                where=str(image),
                why=f"and there is none at {beside}",
                hint="name it with --manifest FILE",
            )
        where = where or "the image"
        reader = load.reader(data, where)
        trace = Trace(reader, hand, report)
        try:
            totals = check(archive, data, reader, report, trace.visit)
            trace.finish()
        finally:
            trace.close()
    except RecursionError:
        raise VerifyError(
            "The image cannot be read", where=str(image), why="something in it is nested too deeply"
        ) from None
    except OSError as error:
        raise VerifyError("The image cannot be read", where=str(image), why=error.strerror or str(error)) from None
    finally:
        archive.close()
    sha256 = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Outcome(report, reader.head, totals, trace.packages, trace.others, where, sha256, data)
