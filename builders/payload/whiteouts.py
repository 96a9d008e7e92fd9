"""Recognise whiteouts: file names that tell a container runtime to delete files of lower layers.

OCI image specification, layer.md, "Whiteouts": `.wh.NAME` deletes NAME, `.wh..wh..opq` deletes the content of its
directory; AUFS has more names with the same prefix. fpack never writes one, since each path is in one layer only.
"""

from __future__ import annotations

PREFIX = b".wh."


def is_whiteout(path: bytes) -> bool:
    """Return whether a component of a path begins with `.wh.`."""
    return PREFIX in path and b"/.wh." in b"/" + path
