"""Read VEX documents for the audit of an image, and write the one about an image's findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.audit import vex_documents, vex_subject
from fpack.builders.audit.model import Finding
from fpack.builders.audit.statements import BadVex, Statements, VexStatement, read_time
from fpack.cli.errors import UsageError
from fpack.cli.version import VERSION

if TYPE_CHECKING:
    from fpack.builders.manifest.format import Head
    from fpack.cli.workspace.workspace import Workspace

    from .subject import HasManifest

MAX_SHOWN = 20  # warnings


def read_documents(paths: Sequence[Path]) -> tuple[list[VexStatement], list[str]]:
    """Return the statements in files, and which of them are ignored and why. Raise BadVex for a bad file."""
    from fpack.store.files.regular_file import read_bytes

    statements: list[VexStatement] = []
    ignored: list[str] = []
    for path in paths:
        try:
            data = read_bytes(path, vex_documents.MAX_SIZE + 1)
        except OSError as error:
            raise BadVex("The document cannot be read", where=str(path), why=error.strerror or str(error)) from None
        found, others = vex_documents.read(data, str(path))
        statements += found
        ignored += others
    return statements, ignored


class Judges(NamedTuple):
    """The functions that change the findings of an image. ignored: the statements that do not count, and why."""

    evidence: Callable[[Finding], Finding]
    statements: tuple[Callable[[Finding], Finding], ...]
    ignored: tuple[str, ...]


def judges(
    workspace: Workspace, subject: HasManifest, statements: Sequence[VexStatement], now: float, fetch: bool = False
) -> Judges:
    """Return the judges of an image: what it has, and then the statements of others. now: in Unix seconds.

    fetch: see `image_evidence.evidence`.
    """
    from .image_evidence import evidence

    stated, late = judge(statements, subject.manifest().head, now) if statements else (None, [])
    return Judges(evidence(workspace, subject.manifest, fetch), (stated,) if stated is not None else (), tuple(late))


def judge(statements: Iterable[VexStatement], head: Head, now: float) -> tuple[Callable[[Finding], Finding], list[str]]:
    """Return a function that applies statements to the findings of an image, and which statements do not count.

    now: in Unix seconds.
    """
    held = Statements(statements, vex_subject.of_manifest(head, VERSION).identity, int(now))
    return held.judge, held.ignored


def document(
    findings: Iterable[Finding],
    head: Head,
    form: str = vex_documents.DEFAULT,
    *,
    author: str = "",
    namespace: str = "",
    time: int | None = None,
) -> bytes:
    """Return the VEX document about the findings of an image. time: by default, the newest date in its lock."""
    subject = vex_subject.of_manifest(head, VERSION, author, namespace, time)
    return vex_documents.document(findings, subject, form)


def timestamp(text: str | None) -> int | None:
    """Return the Unix seconds of an option. Raise UsageError if it is no time."""
    if text is None:
        return None
    found = read_time(text)
    if found is None or found < 0:
        raise UsageError(f"{text!r} is not a time", hint="write it as 2026-01-31T12:00:00Z")
    return found
