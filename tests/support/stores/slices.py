"""Make slice tables concisely, for tests of functions of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blake3 import blake3
from fpack.builders.linking.linker import LinkResult
from fpack.builders.payload import meta
from fpack.builders.payload.meta import LoadFacts, TreeEntry
from fpack.builders.payload.slice_table import SliceTable

LOADER = "/lib64/ld-linux-x86-64.so.2"
X86 = 62


def program(*needed: str, runpath: tuple[str, ...] = ()) -> TreeEntry:
    """Return an ELF program."""
    return TreeEntry("", meta.FILE, 0o755, facts=LoadFacts(X86, needed, "", LOADER, runpath))


def library(*needed: str, soname: str = "", runpath: tuple[str, ...] = (), machine: int = X86) -> TreeEntry:
    """Return an ELF library."""
    return TreeEntry("", meta.FILE, 0o644, facts=LoadFacts(machine, needed, soname, "", runpath))


def script(interp: str, *needed: str, mode: int = 0o755) -> TreeEntry:
    """Return a script."""
    return TreeEntry("", meta.FILE, mode, facts=LoadFacts(interp=interp, needed=needed))


def content(text: str = "", mode: int = 0o644, uid: int = 0) -> TreeEntry:
    """Return a file."""
    return TreeEntry("", meta.FILE, mode, uid, size=len(text), blake3=blake3(text.encode()).digest())


def link(target: str) -> TreeEntry:
    """Return a symlink."""
    return TreeEntry("", meta.SYMLINK, 0o777, target=target)


def folder(mode: int = 0o755, uid: int = 0) -> TreeEntry:
    """Return a directory."""
    return TreeEntry("", meta.DIRECTORY, mode, uid)


def table(
    package: str, files: Mapping[str, TreeEntry], version: str = "1", arch: str = "amd64", **extra: Any
) -> SliceTable:
    """Return the table of a slice with `files`."""
    search = extra.pop("search", ())
    entries = {path: entry._replace(path=path) for path, entry in sorted(files.items())}
    return SliceTable(package, version, arch, f"/fpack/store/{'0' * 32}-{package}", entries, extra, search)


def names(found: LinkResult) -> set[str]:
    """Return the names of the linked packages."""
    return {each.package for each in found.tables}
