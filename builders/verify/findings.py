"""What a check found: differences, each with a name and a reason, and what could not be checked."""

from __future__ import annotations

from typing import Any, NamedTuple

from fpack.store.errors import FpackError

MAX_FINDINGS = 1000
MAX_REASON = 300

# Kinds of findings. The first three are about entries of layers.
CHANGED, ADDED, MISSING = "changed", "added", "missing"
OVERLAP = "overlap"  # a path of which layers hide or move what others have
LAYER = "layer"  # a layer that is not in its place, or holds what is no entry
BLOB = "blob"  # bytes that are not those of their digest or descriptor
DOCUMENT = "document"  # index.json, manifest.json, the image's manifest
CONFIGURATION = "configuration"
ARCHIVE = "archive"  # what is around the blobs
MANIFEST = "manifest"  # the fpack manifest contradicts itself, or the one that it is checked against
TRACE = "trace"  # a package's file is not what Debian ships
REBUILD = "rebuild"


class VerifyError(FpackError):
    """An image that cannot be checked at all."""


class Finding(NamedTuple):
    """A difference. where: a path in the image, a field or a file of the archive. layer: its label, or "".

    Of images for several platforms, `layer` begins with the platform.
    """

    kind: str
    where: str
    what: str
    layer: str = ""


class Report:
    """Findings, the first MAX_FINDINGS of them; `more` counts the others. notes: what was not checked, as many."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.more = 0
        self.notes: list[str] = []
        self._noted: set[str] = set()

    def add(self, kind: str, where: str, what: str, layer: str = "") -> None:
        """One more difference."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(kind, where, what, layer))
        else:
            self.more += 1

    def note(self, text: str, first: bool = False) -> None:
        """Note what was not checked, once; `first` puts it before the other notes."""
        if text not in self._noted and (first or len(self.notes) < MAX_FINDINGS):
            self._noted.add(text)
            self.notes.insert(0 if first else len(self.notes), text)

    def take(self, other: Report, platform: str = "") -> None:
        """All that another report has, marked with a platform if one is named."""
        for finding in other.findings:
            self.add(*finding[:3], f"{platform} {finding.layer}".strip())
        self.more += other.more
        for text in other.notes:
            self.note(text)

    @property
    def differs(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.findings)

    def value(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "differences": [finding._asdict() for finding in self.findings],
            "more": self.more,
            "unchecked": list(self.notes),
        }


def unavailable(error: FpackError) -> str:
    """Say why something could not be fetched, as the end of a note."""
    reason = f"{error.what}: {error.why}" if error.why else error.what
    return f"is not to be had: {reason if len(reason) <= MAX_REASON else reason[:MAX_REASON] + '...'}"


def show(name: bytes) -> str:
    """A path of a layer as messages have it."""
    text = name.decode("utf-8", "backslashreplace")
    return "/" + (text if len(text) <= 300 else text[:300] + "...")
