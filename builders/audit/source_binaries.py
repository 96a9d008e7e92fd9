"""Find the names of all binary packages of a source in the text of a package index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fpack.builders.debian.control import parse_stanza
from fpack.store.errors import FpackError

_END = b"\n\n"


def source_binaries(texts: Iterable[bytes], source: str, version: str) -> frozenset[str]:
    """Return the names of the binary packages of a source and its version. texts: of all indexes of the lock."""
    found = set()
    for text in texts:
        for at in _mentions(text, source):
            start, end = text.rfind(_END, 0, at + 1), text.find(_END, at)
            fields = _fields(text[max(start, 0) : end if end >= 0 else len(text)])
            name, _, rest = fields.get("source", fields.get("package", "")).partition("(")
            if name.strip() == source and (rest.strip(" )") or fields.get("version")) == version:
                found.add(fields.get("package", ""))
    return frozenset(found)


def _mentions(text: bytes, source: str) -> Iterator[int]:
    """Yield the offsets of the lines that can name a source. An index has a stanza for each of its packages."""
    for field in (b"Source: ", b"Package: "):
        wanted = field + source.encode()
        at = 0 if text.startswith(wanted) else text.find(b"\n" + wanted) + 1 or -1
        while at >= 0:
            yield at
            at = text.find(b"\n" + wanted, at) + 1 or -1


def _fields(stanza: bytes) -> dict[str, str]:
    try:
        return parse_stanza(stanza.decode("utf-8", "replace").strip("\n"))
    except FpackError:
        return {}
