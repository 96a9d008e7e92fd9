"""Slices' tables made from a few words, for tests of what is computed from tables alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blake3 import blake3
from fpack.builders.payload import meta
from fpack.builders.payload.meta import Entry, Facts
from fpack.builders.payload.slice_table import SliceTable

LOADER = "/lib64/ld-linux-x86-64.so.2"
X86 = 62


def program(*needed: str, runpath: tuple[str, ...] = ()) -> Entry:
    """An ELF program."""
    return Entry("", meta.FILE, 0o755, facts=Facts(X86, needed, "", LOADER, runpath))


def library(*needed: str, soname: str = "", runpath: tuple[str, ...] = (), machine: int = X86) -> Entry:
    """An ELF library."""
    return Entry("", meta.FILE, 0o644, facts=Facts(machine, needed, soname, "", runpath))


def script(interp: str, *needed: str, mode: int = 0o755) -> Entry:
    """A script."""
    return Entry("", meta.FILE, mode, facts=Facts(interp=interp, needed=needed))


def content(text: str = "", mode: int = 0o644, uid: int = 0) -> Entry:
    """A file."""
    return Entry("", meta.FILE, mode, uid, size=len(text), blake3=blake3(text.encode()).digest())


def link(target: str) -> Entry:
    """A symlink."""
    return Entry("", meta.SYMLINK, 0o777, target=target)


def folder(mode: int = 0o755, uid: int = 0) -> Entry:
    """A directory."""
    return Entry("", meta.DIRECTORY, mode, uid)


def table(
    package: str, files: Mapping[str, Entry], version: str = "1", arch: str = "amd64", **extra: Any
) -> SliceTable:
    """The table of a slice with `files`."""
    search = extra.pop("search", ())
    entries = {path: entry._replace(path=path) for path, entry in sorted(files.items())}
    return SliceTable(package, version, arch, f"/fpack/store/{'0' * 32}-{package}", entries, extra, search)
