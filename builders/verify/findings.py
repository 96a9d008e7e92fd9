"""Collect the results of a verification: differences, and notes about what could not be checked."""

from __future__ import annotations

from fpack.light_typing import Any, NamedTuple
from fpack.store.errors import FpackError

MAX_FINDINGS = 1000
MAX_REASON = 300

# Kinds of differences. The first three are about entries of layers.
CHANGED, ADDED, MISSING = "changed", "added", "missing"
OVERLAP = "overlap"  # a path at which one layer hides or moves another layer's files
LAYER = "layer"  # a layer that is misplaced, or has bytes that are not part of an entry
BLOB = "blob"  # bytes that do not match their digest or descriptor
DOCUMENT = "document"  # index.json, manifest.json, the image's manifest
CONFIGURATION = "configuration"
ARCHIVE = "archive"  # files of the archive other than blobs
MANIFEST = "manifest"  # the fpack manifest is inconsistent, or differs from the one that the image carries
TRACE = "trace"  # a package's file differs from what Debian ships
REBUILD = "rebuild"
SIGNATURE = "signature"  # a signature of a trusted key that is about something else, or is missing


class VerifyError(FpackError):
    """An image that cannot be verified at all."""


class ImageDifference(NamedTuple):
    """A difference. where: a path in the image, a field, or a file of the archive. layer: the layer's label, or "".

    For an image with several platforms, `layer` begins with the platform.
    """

    kind: str
    where: str
    what: str
    layer: str = ""


class Report:
    """The first MAX_FINDINGS differences; `more` counts the others. notes: up to as many texts on unchecked things.

    names: the image's names in the documents of the archive, which are not compared.
    """

    def __init__(self) -> None:
        self.findings: list[ImageDifference] = []
        self.more = 0
        self.notes: list[str] = []
        self.names: set[str] = set()
        self._noted: set[str] = set()

    def add(self, kind: str, where: str, what: str, layer: str = "") -> None:
        """Add a difference."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(ImageDifference(kind, where, what, layer))
        else:
            self.more += 1

    def note(self, text: str, first: bool = False) -> None:
        """Add a note on something that was not checked, unless it is there already. first: put it before the others."""
        if text not in self._noted and (first or len(self.notes) < MAX_FINDINGS):
            self._noted.add(text)
            self.notes.insert(0 if first else len(self.notes), text)

    def take(self, other: Report, platform: str = "") -> None:
        """Add all differences and notes of another report. platform: a prefix for the layers, or ""."""
        for finding in other.findings:
            self.add(*finding[:3], f"{platform} {finding.layer}".strip())
        self.more += other.more
        for text in other.notes:
            self.note(text)

    @property
    def differs(self) -> bool:
        """Return whether anything differs."""
        return bool(self.findings)

    def value(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        return {
            "differences": [finding._asdict() for finding in self.findings],
            "more": self.more,
            "unchecked": list(self.notes),
        }


def unavailable(error: FpackError) -> str:
    """Return the end of a note: the reason why something could not be downloaded."""
    reason = f"{error.what}: {error.why}" if error.why else error.what
    return f"is unavailable: {reason if len(reason) <= MAX_REASON else reason[:MAX_REASON] + '...'}"


def show(name: bytes) -> str:
    """Format a path of a layer for messages."""
    text = name.decode("utf-8", "backslashreplace")
    return "/" + (text if len(text) <= 300 else text[:300] + "...")
