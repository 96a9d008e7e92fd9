"""List the formats of VEX documents, write a document in one of them, and read any of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fpack.builders.streams import strict_json

from . import csaf, openvex
from .model import Finding
from .statements import BadVex, VexStatement
from .vex_subject import VexSubject, stated

MAX_SIZE = 64 << 20  # bytes


class VexFormat(NamedTuple):
    """A format. file: the end of a document's file name, after the name of the image."""

    media_type: str
    file: str


FORMATS = {
    "openvex": VexFormat("application/vnd.openvex+json", "openvex.json"),
    "csaf": VexFormat("application/csaf+json", "csaf.json"),
}
DEFAULT = "openvex"


def document(findings: Iterable[Finding], subject: VexSubject, name: str = DEFAULT) -> bytes:
    """Return a document about the findings of an image. Without any, it has no statement."""
    rows = stated(findings)
    return csaf.document(rows, subject) if name == "csaf" else openvex.document(rows, subject)


def read(data: bytes, where: str) -> tuple[list[VexStatement], list[str]]:
    """Return the statements of a document in any of the formats, and which of them are ignored and why.

    Raise BadVex if it cannot be read.
    """
    value = _parse(data, where)
    if openvex.is_openvex(value):
        return openvex.read(value, where)
    if csaf.is_csaf(value):
        return csaf.read(value, where)
    raise BadVex(
        "The document cannot be read",
        where=where,
        why="it is neither OpenVEX nor CSAF",
        hint="name a document of OpenVEX 0.2.0 or CSAF 2.0",
    )


def _parse(data: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON record. Raise BadVex if it cannot be read."""
    try:
        value = strict_json.parse(data, MAX_SIZE)
        if not isinstance(value, dict):
            raise ValueError("it is not a record")
    except ValueError as error:
        raise BadVex("The document cannot be read", where=where, why=str(error)) from None
    return value
