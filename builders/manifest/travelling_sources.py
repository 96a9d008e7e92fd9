"""Record which sources of an image travel in its manifest's artifact, in the output that holds the artifact."""

from __future__ import annotations

from fpack.light_typing import NamedTuple
from fpack.store import canonical
from fpack.store.files.checked_tree import CheckedTree

FILE = "sources"  # of the output
MAX_SIZE = 1 << 24  # bytes


class TravellingSources(NamedTuple):
    """The sources of an image that its layers do not hold, as pairs of name and size.

    carried: those in the artifact. left_out: those that are too large for it, all or none.
    """

    carried: tuple[tuple[str, int], ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    def encode(self) -> bytes:
        """Return the canonical encoding."""
        return canonical.encode({name: [list(row) for row in rows] for name, rows in self._asdict().items()})


def read(tree: CheckedTree) -> TravellingSources:
    """Return the record in an output of the kind `manifest`."""
    record = canonical.decode(tree.read(FILE, MAX_SIZE))
    return TravellingSources(*(tuple((row[0], row[1]) for row in record[name]) for name in TravellingSources._fields))
