"""Recognise whiteouts: names that a container runtime takes as an order to delete what the layers below have.

OCI image specification, layer.md, "Whiteouts": `.wh.NAME` deletes NAME, `.wh..wh..opq` all that is in its directory;
AUFS has more names, which begin alike. fpack never needs one: a path stands in one layer alone.
"""

from __future__ import annotations

PREFIX = b".wh."


def is_whiteout(path: bytes) -> bool:
    """Tell whether a component of a path begins with `.wh.`."""
    return PREFIX in path and b"/.wh." in b"/" + path
