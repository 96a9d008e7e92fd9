"""Write and read a bundle: one file of the raw answers of rebuilders, to check packages without the network.

A bundle is JSON with one document a line, sorted, so that it can be kept in version control. Nothing in it is trusted:
the documents are judged as if a server had sent them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpack.builders.streams import strict_json
from fpack.store.errors import FpackError

from . import in_toto_link, rebuilder_answers
from .rebuilders import RebuilderAnswer, RebuilderAnswers

FORMAT = "fpack-rebuilders"
VERSION = 1
MAX_SIZE = 256 << 20  # bytes
MAX_DOCUMENTS = 500_000
MAX_ERROR = 500
MAX_DOCUMENT = max(in_toto_link.MAX_SIZE, rebuilder_answers.MAX_LIST)


class BundleError(FpackError):
    """A bundle that cannot be read."""


def encode(documents: RebuilderAnswers) -> bytes:
    """Return the bundle of documents. An answer that is not UTF-8 is recorded as an error."""
    lines = []
    for (server, path), document in sorted(documents.items()):
        record: dict[str, Any] = {"server": server, "path": path}
        try:
            record |= {"body": document.data.decode("utf-8")} if document.data is not None else {}
            record |= {"error": document.error} if document.error else {}
        except UnicodeDecodeError:
            record["error"] = "its answer is not UTF-8"
        lines.append(json.dumps(record, ensure_ascii=True))
    head = json.dumps({"format": FORMAT, "version": VERSION})[:-1]
    return (head + ', "documents": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def read(path: Path) -> dict[tuple[str, str], RebuilderAnswer]:
    """Read a bundle from a file. Raise BundleError if it is missing or malformed."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise BundleError("The bundle cannot be read", where=str(path), why=error.strerror or str(error)) from None
    return decode(data, str(path))


def decode(data: bytes, where: str) -> dict[tuple[str, str], RebuilderAnswer]:
    """Parse a bundle. Raise BundleError if it is malformed."""
    try:
        return _documents(strict_json.parse(data, MAX_SIZE))
    except ValueError as error:
        raise BundleError(
            "The bundle is malformed", where=where, why=str(error), hint="fetch it again: fpack rebuilders fetch"
        ) from None


def _documents(value: Any) -> dict[tuple[str, str], RebuilderAnswer]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"it does not have the format {FORMAT}")
    if value.get("version") != VERSION:
        raise ValueError(f"its version is not {VERSION}, the only one that this version of fpack supports")
    records = value.get("documents")
    if not isinstance(records, list) or len(records) > MAX_DOCUMENTS:
        raise ValueError(f"its documents are not a list of at most {MAX_DOCUMENTS}")
    found: dict[tuple[str, str], RebuilderAnswer] = {}
    for record in records:
        server, path, document = _document(record)
        if (server, path) in found:
            raise ValueError("a document occurs twice")
        found[server, path] = document
    return found


def _document(record: Any) -> tuple[str, str, RebuilderAnswer]:
    if not isinstance(record, Mapping) or record.keys() - {"server", "path", "body", "error"}:
        raise ValueError("a document is not a record of server, path, body and error")
    if not all(isinstance(text, str) for text in record.values()) or not {"server", "path"} <= record.keys():
        raise ValueError("a document has no server or path, or a field that is not text")
    body = record["body"].encode("utf-8") if "body" in record else None
    if body is not None and len(body) > MAX_DOCUMENT:
        raise ValueError(f"a document has more than {MAX_DOCUMENT} bytes")
    return record["server"], record["path"], RebuilderAnswer(body, record.get("error", "")[:MAX_ERROR])
