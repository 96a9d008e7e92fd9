"""Read the dynamic symbols of an ELF file: those that it exports, and those that it imports from each library.

The reader checks every offset and reads a bounded amount of data. Source: the System V gABI, chapter 4, and the symbol
versioning of the Linux Standard Base.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from .elf import ELF_MAGIC

_DYNSYM, _VERSYM, _VERDEF, _VERNEED = 11, 0x6FFFFFFF, 0x6FFFFFFD, 0x6FFFFFFE
_MAX_SECTIONS = 4096
_MAX_SECTION = 64 << 20  # bytes
_MAX_RECORDS = 1 << 16
_HIDDEN = 0x8000
_WEAK = 2  # STB_WEAK


class DynamicSymbols(NamedTuple):
    """The symbols of a file, each a name and a version, "" for none.

    exported: those that it defines. imported: those with a version that it needs, by the file name in its table of
    versions. plain: the names that it needs without a version, from any library.
    """

    exported: frozenset[tuple[str, str]]
    imported: dict[str, frozenset[tuple[str, str]]]
    plain: frozenset[str]


class _Section(NamedTuple):
    kind: int
    offset: int
    size: int
    link: int
    info: int


def read(path: Path) -> DynamicSymbols | None:
    """Return the symbols of a file; None if it is no ELF file, is damaged, or has no table of symbols."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _read(fd)
    except (ValueError, IndexError):
        return None
    finally:
        os.close(fd)


def _read(fd: int) -> DynamicSymbols | None:
    ident = os.pread(fd, 64, 0)
    if len(ident) < 64 or not ident.startswith(ELF_MAGIC) or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        return None
    order, wide = "<" if ident[5] == 1 else ">", ident[4] == 2
    sections = _sections(fd, ident, order, wide)
    found = {section.kind: section for section in sections}
    if _DYNSYM not in found:
        return None
    names = _data(fd, sections[found[_DYNSYM].link])
    versions = _data(fd, found[_VERSYM]) if _VERSYM in found else b""
    half = Struct(order + "H")
    defined = dict(_defined(fd, sections, found[_VERDEF], order)) if _VERDEF in found else {}
    needed = dict(_needed(fd, sections, found[_VERNEED], order)) if _VERNEED in found else {}
    exported: set[tuple[str, str]] = set()
    imported: dict[str, set[tuple[str, str]]] = {}
    plain: set[str] = set()
    symbol = Struct(order + ("IBBHQQ" if wide else "IIIBBH"))
    table = _data(fd, found[_DYNSYM])
    for number, row in enumerate(symbol.iter_unpack(table[: len(table) - len(table) % symbol.size])):
        at, info, section = (row[0], row[1], row[3]) if wide else (row[0], row[3], row[5])
        name = _string(names, at)
        bind = info >> 4
        if not name or not bind:  # local
            continue
        end = 2 * number + 2
        version = half.unpack_from(versions, 2 * number)[0] & ~_HIDDEN if end <= len(versions) else 1
        if section:
            exported.add((name, defined.get(version, "")))
        elif version in needed:
            file, text = needed[version]
            if bind != _WEAK:
                imported.setdefault(file, set()).add((name, text))
        elif bind != _WEAK:
            plain.add(name)
    return DynamicSymbols(
        frozenset(exported), {file: frozenset(rows) for file, rows in imported.items()}, frozenset(plain)
    )


def _sections(fd: int, ident: bytes, order: str, wide: bool) -> list[_Section]:
    offset = Struct(order + "Q").unpack_from(ident, 40)[0] if wide else Struct(order + "I").unpack_from(ident, 32)[0]
    size, count = Struct(order + "HH").unpack_from(ident, 58 if wide else 46)
    layout = Struct(order + ("4xI8x8xQQII16x" if wide else "4xI8xIIII8x"))
    if size != layout.size or count > _MAX_SECTIONS:
        raise ValueError("the section headers have another size")
    table = _pread(fd, size * count, offset)
    return [_Section(*row) for row in layout.iter_unpack(table)]


def _data(fd: int, section: _Section) -> bytes:
    return _pread(fd, section.size, section.offset)


def _pread(fd: int, size: int, offset: int) -> bytes:
    if size > _MAX_SECTION or offset > 1 << 62:
        raise ValueError("a section is too large")
    data = os.pread(fd, size, offset)
    if len(data) != size:
        raise ValueError("a section lies outside of the file")
    return data


def _string(names: bytes, at: int) -> str:
    end = names.find(b"\0", at)
    return names[at:end].decode("utf-8", "replace") if 0 <= at < end else ""


def _defined(fd: int, sections: list[_Section], section: _Section, order: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the name of each version that a library defines."""
    data, names = _data(fd, section), _data(fd, sections[section.link])
    record, at = Struct(order + "HHHHIII"), 0
    for _ in range(min(section.info, _MAX_RECORDS)):
        if at + record.size > len(data):
            return
        _, flags, number, _, _, auxiliary, following = record.unpack_from(data, at)
        if at + auxiliary + 4 > len(data):
            return
        name = _string(names, Struct(order + "I").unpack_from(data, at + auxiliary)[0])
        # The base version is the file itself: its symbols have no version.
        yield number, "" if flags & 1 else name
        if not following:
            return
        at += following


def _needed(fd: int, sections: list[_Section], section: _Section, order: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the number of each version that a file needs, with the file and the version's name."""
    data, names = _data(fd, section), _data(fd, sections[section.link])
    record, extra, at = Struct(order + "HHIII"), Struct(order + "IHHII"), 0
    for _ in range(min(section.info, _MAX_RECORDS)):
        if at + record.size > len(data):
            return
        _, count, file, auxiliary, following = record.unpack_from(data, at)
        below = at + auxiliary
        for _ in range(count):
            if below + extra.size > len(data):
                return
            _, _, number, name, step = extra.unpack_from(data, below)
            yield number & ~_HIDDEN, (_string(names, file), _string(names, name))
            if not step:
                break
            below += step
        if not following:
            return
        at += following
