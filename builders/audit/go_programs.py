"""Read from a Go program which modules it was built from and which functions it has.

The function table (pclntab) of a Go program serves its stack traces, so that stripping does not remove it. It also
names the functions that were compiled into others. The format is that of Go 1.16 and later, as `debug/gosym` and
`debug/buildinfo` of Go's library read it. The reader accepts any bytes: it checks every offset, and tells a table that
it cannot read as unknown.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

MAX_PROGRAM = 512 << 20  # bytes
_MAX_FUNCTIONS = 4_000_000
_MAX_MODULES = 100_000
_MAX_CANDIDATES = 64  # places that look like the table
_MAX_INFO = 16 << 20  # bytes
ELF_MAGIC = b"\x7fELF"
# The magic numbers of function tables: of Go 1.16 and 1.17, of 1.18 and 1.19, and of 1.20 and later.
_TABLES = {0xFFFFFFFA: 2, 0xFFFFFFF0: 3, 0xFFFFFFF1: 3}
_TABLE = re.compile(rb"(?:[\xfa\xf0\xf1]\xff\xff\xff|\xff\xff\xff[\xfa\xf0\xf1])\0\0[\1\2\4][\4\x08]")
_INFO = b"\xff Go buildinf:"
_INFO_SIZE = 32  # bytes of the header
_INLINE = 2  # the flag of a header that the texts follow
_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_RUNTIME = "runtime.main"


class GoModule(NamedTuple):
    """A module of a program. replaced: it replaces another, or another one replaces it."""

    path: str
    version: str
    replaced: bool = False


class GoProgram(NamedTuple):
    """A Go program. path: in the image. main: the import path of its main package.

    functions: names such as `net/http.Server.Serve`, without type arguments, with all prefixes that name a function.
    unknown: why the modules or functions are not known, or "".
    """

    path: str
    main: str = ""
    go: str = ""
    modules: tuple[GoModule, ...] = ()
    functions: frozenset[str] = frozenset()
    unknown: str = ""


def read(path: str, data: bytes) -> GoProgram | None:
    """Return the Go program in the content of a file, or None if it is not one."""
    if not data.startswith(ELF_MAGIC):
        return None
    found = data.find(_INFO)
    tables = [table for table in _tables(data) if table is not None]
    names = {name for table in tables for name in table}
    if found < 0 and not tables:
        return None
    if not tables:
        return GoProgram(path, unknown="its function table cannot be read")
    # A program without the runtime's own functions has other names than its sources have, or is no program.
    if _RUNTIME not in names:
        return GoProgram(path, unknown="its function table does not have the names of Go's runtime")
    info = _build_info(data)
    if info is None:
        return GoProgram(path, functions=frozenset(names), unknown="it does not tell the modules it was built from")
    go, text = info
    main, modules = _modules(text)
    if not main or not modules:
        return GoProgram(path, main, go, functions=frozenset(names), unknown="it does not tell its modules")
    return GoProgram(path, main, go, modules, frozenset(names))


def symbol(text: str) -> str:
    """Return a function's name as `functions` has it, from that of an advisory, such as `IMPORT.(*Type).Method`."""
    return _plain(text)


def _tables(data: bytes) -> list[set[str] | None]:
    """Return the names of each function table in the data. There is more than one if a program holds another."""
    found: list[set[str] | None] = []
    for match in _TABLE.finditer(data):
        if len(found) == _MAX_CANDIDATES:
            break
        names = _table(data, match.start())
        if names is not None:
            found.append(names)
    return found


def _table(data: bytes, start: int) -> set[str] | None:
    """Return the names of the function table at an offset, or None if there is none."""
    order = "little" if data[start] != 0xFF else "big"
    magic = int.from_bytes(data[start : start + 4], "little" if order == "little" else "big")
    first, width = _TABLES.get(magic), data[start + 7]
    if first is None:
        return None

    def word(number: int) -> int:
        at = start + 8 + number * width
        return int.from_bytes(data[at : at + width], "little" if order == "little" else "big")

    count, names, units = word(0), word(first), word(first + 1)
    end = start + units
    if not 0 < count <= _MAX_FUNCTIONS or not 8 < names < units or end > len(data):
        return None
    raw = data[start + names : end].rstrip(b"\0")
    try:
        texts = raw.decode().split("\0")
    except UnicodeDecodeError:
        return None
    if len(texts) < count // 2 or not all(text.isprintable() for text in texts):
        return None
    found: set[str] = set()
    for text in texts:
        found.update(_prefixes(_plain(text)))
    return found


def _plain(text: str) -> str:
    """Return the name of a function without type arguments, pointers and escapes, and without `vendor/`."""
    while "[" in text:
        shorter = _BRACKETS.sub("", text)
        if shorter == text:
            break
        text = shorter
    text = text.replace("(*", "").replace("(", "").replace(")", "")
    if "%" in text:
        text = unquote(text)
    if "vendor/" in text:
        text = text.rpartition("vendor/")[2]
    return text


def _prefixes(name: str) -> list[str]:
    """Return a name and its prefixes: `net/http.Get.func1` shows that `net/http.Get` was compiled."""
    found = [name]
    slash = name.rfind("/")
    for at, letter in enumerate(name):
        if at > slash and letter in ".-\u00b7" and at:
            found.append(name[:at])
    return found


def _build_info(data: bytes) -> tuple[str, str] | None:
    """Return the version of Go and the text about the modules, or None if they cannot be read."""
    at = -1
    while (at := data.find(_INFO, at + 1)) >= 0:
        if at % 16 or at + _INFO_SIZE > len(data) or not data[at + 15] & _INLINE:
            continue
        version = _string(data, at + _INFO_SIZE)
        text = _string(data, version[1]) if version is not None else None
        if version is None or text is None or not version[0].startswith((b"go", b"devel")):
            continue
        content = text[0]
        # Sixteen bytes mark the beginning and the end of the text.
        if len(content) >= 33 and content[-17:-16] == b"\n":
            try:
                return version[0].decode(), content[16:-16].decode()
            except UnicodeDecodeError:
                return None
    return None


def _string(data: bytes, at: int) -> tuple[bytes, int] | None:
    """Return a string with its length before it, as a variable-length number, and the offset of its end."""
    size = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        at, size, shift = at + 1, size | (byte & 0x7F) << shift, shift + 7
        if not byte & 0x80:
            return (data[at : at + size], at + size) if size <= min(_MAX_INFO, len(data) - at) else None
    return None


def _modules(text: str) -> tuple[str, tuple[GoModule, ...]]:
    """Return the import path of the main package, and the modules."""
    main, found = "", list[GoModule]()
    for line in text.split("\n"):
        kind, _, rest = line.partition("\t")
        fields = rest.split("\t")
        if kind == "path":
            main = fields[0]
        elif kind in ("mod", "dep") and len(found) < _MAX_MODULES:
            found.append(GoModule(fields[0], fields[1] if len(fields) > 1 else ""))
        elif kind == "=>" and found:
            found[-1] = found[-1]._replace(replaced=True)
            found.append(GoModule(fields[0], fields[1] if len(fields) > 1 else "", replaced=True))
    return main, tuple(found)
