"""Record what an evaluation reads of the project besides source texts, by the file whose paths led to it."""

from __future__ import annotations

from fpack.light_typing import Any

# The kind of a read, the path, further facts that the read depends on, and last its result or a digest of that.
Read = tuple[Any, ...]


class ReadLog:
    """The reads of one evaluation.

    reads: by the real path of the source file in which the path was written (`Path.reader`). opaque: files whose paths
    were given to code that reads files without a record here.
    """

    def __init__(self) -> None:
        self.reads: dict[str, set[Read]] = {}
        self.opaque: set[str] = set()

    def note(self, reader: str, read: Read) -> None:
        """Record a read. reader: "" for paths of the library and of expressions, which are not recorded."""
        if reader:
            self.reads.setdefault(reader, set()).add(read)
