"""Find out whether a compiled program ends when it gets SIGTERM as process 1.

The kernel ignores a signal without a handler for the first process of a container. A program handles SIGTERM for sure
if its code passes the number of the signal to a function that installs a handler, or if it is written in Go, whose
runtime ends it. For any other program, and for other machines than amd64, nothing is known.
Sources: the System V ABI for AMD64, chapter 5, and Go's runtime/signal_unix.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from struct import Struct, error

_ELF = Struct("<16xHH12xQ14xHH")
_SEGMENT = Struct("<IIQQ8xQQ8x")  # type, flags, offset, address, size in the file, size in memory
_DYNAMIC_ENTRY = Struct("<qQ")
_RELOCATION = Struct("<QII8x")  # offset, type, symbol
_SYMBOL = Struct("<I20x")  # name
_OFFSET = Struct("<i")
_X86_64, _LOAD, _DYNAMIC, _EXECUTE = 62, 1, 2, 1
_PLTRELSZ, _STRTAB, _SYMTAB, _RELA, _RELASZ, _STRSZ, _JMPREL = 2, 5, 6, 7, 8, 10, 23
_MAX_RELOCATIONS = 1 << 16
MAX_SIZE = 1 << 27  # bytes
_GO = b"\xff Go buildinf:"
# Functions that take a signal, by the instruction that sets the argument: mov edi, esi or edx.
_FUNCTIONS = {
    b"signal": 0xBF, b"sigaction": 0xBF, b"__sigaction": 0xBF, b"bsd_signal": 0xBF, b"__sysv_signal": 0xBF,
    b"sigset": 0xBF, b"ssignal": 0xBF, b"g_unix_signal_add": 0xBF, b"g_unix_signal_source_new": 0xBF,
    b"sigaddset": 0xBE, b"event_new": 0xBE, b"event_assign": 0xBA, b"g_unix_signal_add_full": 0xBE,
    b"uv_signal_start": 0xBA, b"sd_event_add_signal": 0xBA,
}  # fmt: skip
_WAITS = {b"sigwait", b"sigwaitinfo", b"sigtimedwait", b"signalfd"}
_SIGTERM = re.compile(rb"[\xbf\xbe\xba]\x0f\0\0\0")
_CALL = re.compile(rb"[\xe8\xe9]|\xff[\x15\x25]")
_NEAR = 48  # bytes between the argument and the call
_STUB = re.compile(rb"\xff\x25")


def ends_on_term(content: bytes) -> bool:
    """Return whether a program, an ELF file, ends for sure if it gets SIGTERM as process 1."""
    try:
        return _GO in content or _handles(content)
    except (error, IndexError, ValueError, OverflowError):
        return False  # a damaged file


def _handles(content: bytes) -> bool:
    kind, machine, offset, size, count = _ELF.unpack_from(content)
    if machine != _X86_64 or content[4:6] != b"\2\1" or size != _SEGMENT.size:
        return False
    segments = [_SEGMENT.unpack_from(content, offset + size * number) for number in range(min(count, 64))]
    loads = [(at, address, length, flags) for type_, flags, at, address, length, _ in segments if type_ == _LOAD]
    dynamic = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if dynamic is None:
        return False
    slots = _imports(content, loads, content[dynamic[2] : dynamic[2] + dynamic[4]])
    if _WAITS.intersection(slots.values()):
        return True
    known = {slot: _FUNCTIONS[name] for slot, name in slots.items() if name in _FUNCTIONS}
    return bool(known) and any(
        _passes_sigterm(content[at : at + length], address, known)
        for at, address, length, flags in loads
        if flags & _EXECUTE
    )


def _imports(content: bytes, loads: Sequence[tuple[int, ...]], dynamic: bytes) -> dict[int, bytes]:
    """Return the names of the imported functions, by the addresses of their slots."""
    tags = dict(_DYNAMIC_ENTRY.iter_unpack(dynamic[: len(dynamic) // 16 * 16]))

    def place(tag: int) -> int:
        address = tags.get(tag, -1)
        return next((at + address - start for at, start, length, _ in loads if start <= address < start + length), -1)

    strings, symbols = place(_STRTAB), place(_SYMTAB)
    if strings < 0 or symbols < 0:
        return {}
    found: dict[int, bytes] = {}
    for table, length in ((_JMPREL, _PLTRELSZ), (_RELA, _RELASZ)):
        start = place(table)
        if start < 0:
            continue
        for number in range(min(tags.get(length, 0) // _RELOCATION.size, _MAX_RELOCATIONS)):
            slot, _, symbol = _RELOCATION.unpack_from(content, start + number * _RELOCATION.size)
            if symbol:
                (name,) = _SYMBOL.unpack_from(content, symbols + symbol * _SYMBOL.size)
                found[slot] = content[strings + name : content.index(b"\0", strings + name)]
    return found


def _passes_sigterm(code: bytes, address: int, slots: dict[int, int]) -> bool:
    """Return whether code passes 15 to one of the functions. slots: the instruction that sets the argument, by slot."""
    stubs = dict(_stubs(code, address, slots))
    for argument in _SIGTERM.finditer(code):
        for call in _CALL.finditer(code, argument.end(), argument.end() + _NEAR):
            after = call.end() + 4
            if after > len(code):
                break
            target = address + after + _OFFSET.unpack_from(code, call.end())[0]
            if (stubs if len(call[0]) == 1 else slots).get(target) == code[argument.start()]:
                return True
    return False


def _stubs(code: bytes, address: int, slots: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the addresses of the stubs that jump to the functions."""
    for jump in _STUB.finditer(code):
        if jump.end() + 4 > len(code):
            break
        slot = address + jump.end() + 4 + _OFFSET.unpack_from(code, jump.end())[0]
        if slot in slots:
            start = address + jump.start()
            # With endbr64, a prefix `bnd`, or both.
            yield from ((start - before, slots[slot]) for before in (0, 1, 4, 5))
