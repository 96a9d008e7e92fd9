"""Read from ELF files and scripts what they load: machine, needed libraries, soname, interpreter and RUNPATH.

The reader accepts any bytes and never fails: it checks every offset, reads a bounded amount of data, and returns None
for a file that it cannot parse. pyelftools is used only by the tests, since it bounds neither the time nor the memory
that a hostile file can claim. Sources: the System V gABI, chapters 4 and 5, and execve(2).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from . import commands
from .meta import LoadFacts

ELF_MAGIC = b"\x7fELF"
SCRIPT_MAGIC = b"#!"
HEAD = 256  # bytes that the kernel reads of a script to find its interpreter

_EXECUTABLE, _SHARED = 2, 3
_LOAD, _DYNAMIC, _INTERP, _NOTE = 1, 2, 3, 4
_GNU_BUILD_ID = 3
_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29
_MAX_SEGMENTS = 256
_MAX_DYNAMIC = 1 << 18  # bytes
_MAX_NEEDED = 1024
_MAX_STRING = 4096
_MAX_NOTES = 1 << 16  # bytes
_MAX_FOLDERS = 256
_TEXT = re.compile(rb"[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]*\Z")

Reader = Callable[[int, int], bytes]  # (offset, size) -> at most size bytes, fewer at the end of the file


class _ElfLayout(NamedTuple):
    """The layout of headers for one ELF class and byte order. The structs skip unused fields."""

    header: Struct  # e_type, e_machine, e_phoff, e_phentsize, e_phnum
    segment: Struct  # a program header
    fields: tuple[int, int, int, int]  # indexes of p_type, p_offset, p_vaddr, p_filesz in `segment`
    dynamic: Struct  # d_tag, d_val


def _layouts(order: str) -> tuple[_ElfLayout, _ElfLayout]:
    narrow = _ElfLayout(Struct(order + "16xHH8xI10xHH"), Struct(order + "IIIII12x"), (0, 1, 2, 4), Struct(order + "iI"))
    wide = _ElfLayout(
        Struct(order + "16xHH12xQ14xHH"), Struct(order + "I4xQQ8xQ16x"), (0, 1, 2, 3), Struct(order + "qQ")
    )
    return narrow, wide


_LAYOUTS = {
    (bits, data): layout
    for data, order in ((1, "<"), (2, ">"))
    for bits, layout in zip((1, 2), _layouts(order), strict=True)
}


def facts(head: bytes, path: str) -> LoadFacts | None:
    """Return the facts of the file at `path` on disk. head: the file's first HEAD bytes, or all of a shorter file."""
    if head.startswith(ELF_MAGIC):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = os.fstat(fd).st_size
            return elf_facts(lambda offset, size: os.pread(fd, size, offset) if offset < end else b"")
        finally:
            os.close(fd)
    if head.startswith(SCRIPT_MAGIC):
        found = script_facts(head)
        if found is None:
            return None
        if not commands.SHELLS.isdisjoint((found.interp.rpartition("/")[2], *found.needed)):
            return found._replace(commands=commands.script_commands(_script(path)))
        if language := commands.language((found.interp, *found.needed)):
            return found._replace(commands=commands.interpreted_commands(_script(path), language))
        return found
    if language := commands.module_language(path, head):
        called = commands.interpreted_commands(_script(path), language)
        return LoadFacts(commands=called) if called else None
    return None


def _script(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, commands.MAX_SCRIPT, 0)
    finally:
        os.close(fd)


def script_facts(head: bytes) -> LoadFacts | None:
    """Return the facts of a script from its `#!` line; None if the line names no absolute path."""
    words = head[2:HEAD].partition(b"\n")[0].replace(b"\t", b" ").strip().split(b" ")
    interp = _text(words[0])
    if not interp.startswith("/"):
        return None
    needed: tuple[str, ...] = ()
    if interp.rpartition("/")[2] == "env":
        # Skip the options and assignments that precede the program's name.
        for word in words[1:]:
            name = _text(word)
            if name and not name.startswith("-") and "=" not in name:
                needed = (name,)
                break
    return LoadFacts(interp=interp, needed=needed)


def elf_facts(read: Reader) -> LoadFacts | None:
    """Return the facts of an ELF program or library; None for other ELF files and for damaged files."""
    ident = read(0, 64)
    found = _segments(ident, read)
    if found is None:
        return None
    layout, kind, machine, segments = found
    if kind not in (_EXECUTABLE, _SHARED):
        return None
    interp = ""
    dynamic: tuple[int, int] | None = None
    for type_, at, _, size in segments:
        if type_ == _INTERP and size <= _MAX_STRING:
            interp = _text(read(at, size).partition(b"\0")[0])
        elif type_ == _DYNAMIC and dynamic is None:
            dynamic = (at, size)
    if dynamic is None:
        return LoadFacts(machine, interp=interp)
    loads = [(at, address, size) for type_, at, address, size in segments if type_ == _LOAD]
    return _dynamic(read, layout, dynamic, loads, machine, interp)


def build_id(read: Reader) -> tuple[int, int] | None:
    """Return the offset and size of the build id within an ELF file; None if there is none."""
    ident = read(0, 64)
    found = _segments(ident, read)
    words = Struct((">" if ident[5:6] == b"\2" else "<") + "III")
    for type_, at, _, size in found[3] if found is not None else ():
        data = read(at, min(size, _MAX_NOTES)) if type_ == _NOTE else b""
        pos = 0
        while pos + words.size <= len(data):
            name_size, size, kind = words.unpack_from(data, pos)
            name = pos + words.size
            start = name + (name_size + 3 & ~3)
            if start + size > len(data):
                break
            if kind == _GNU_BUILD_ID and data[name : name + name_size] == b"GNU\0" and size:
                return at + start, size
            pos = start + (size + 3 & ~3)
    return None


def _segments(ident: bytes, read: Reader) -> tuple[_ElfLayout, int, int, list[tuple[int, ...]]] | None:
    """Return the layout, type, machine and segments (type, offset, address, size) of an ELF file; None if damaged."""
    layout = _LAYOUTS.get((ident[4], ident[5])) if len(ident) >= 52 and ident.startswith(ELF_MAGIC) else None
    if layout is None or len(ident) < layout.header.size:
        return None
    kind, machine, offset, entry_size, count = layout.header.unpack_from(ident)
    if entry_size != layout.segment.size or not 0 < count <= _MAX_SEGMENTS:
        return None
    table = read(offset, count * entry_size)
    if len(table) != count * entry_size:
        return None
    rows = [tuple(row[i] for i in layout.fields) for row in layout.segment.iter_unpack(table)]
    return layout, kind, machine, rows


def _dynamic(
    read: Reader,
    layout: _ElfLayout,
    section: tuple[int, int],
    loads: list[tuple[int, int, int]],
    machine: int,
    interp: str,
) -> LoadFacts | None:
    width = layout.dynamic.size
    data = read(section[0], min(section[1], _MAX_DYNAMIC))
    tags: dict[int, list[int]] = {}
    for tag, value in layout.dynamic.iter_unpack(data[: len(data) - len(data) % width]):
        if tag == 0:
            break
        if tag in (_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH):
            tags.setdefault(tag, []).append(value)
    needed = tags.get(_NEEDED, [])
    if len(needed) > _MAX_NEEDED:
        return None
    strings = _file_offset(loads, tags.get(_STRTAB, [-1])[0])
    size = tags.get(_STRSZ, [0])[0]

    def string(at: int) -> str:
        if strings is None or at >= size:
            return ""
        return _text(read(strings + at, min(_MAX_STRING, size - at)).partition(b"\0")[0])

    # The loader ignores RPATH if there is a RUNPATH, and uses only the last entry of several.
    search = [string(at) for at in (tags.get(_RUNPATH) or tags.get(_RPATH, []))[-1:]]
    soname = string(tags[_SONAME][0]) if _SONAME in tags else ""
    # The C library has the functions that run a shell, and does not call them by itself.
    calls = strings is not None and not soname.startswith("libc.so.")
    return LoadFacts(
        machine,
        tuple(filter(None, map(string, needed))),
        soname,
        interp,
        tuple(part for text in search for part in text.split(":")[:_MAX_FOLDERS] if part),
        ("sh",) if calls and commands.runs_shell(read(strings or 0, min(size, commands.MAX_STRINGS))) else (),
    )


def _file_offset(loads: list[tuple[int, int, int]], address: int) -> int | None:
    for at, start, size in loads:
        if start <= address < start + size:
            return at + address - start
    return None


def _text(raw: bytes) -> str:
    """Decode `raw`; return "" if it is not printable UTF-8."""
    if not _TEXT.match(raw):
        return ""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
