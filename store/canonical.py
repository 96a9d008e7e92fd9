"""Encode values as canonical msgpack, where each value has exactly one encoding; the decoder rejects all others.

Values are None, bool, int (-2^63 to 2^64-1), str, bytes, list or tuple, and dict with str keys. Maps are sorted by the
UTF-8 bytes of their keys, every value has its shortest form, and there are no floats and no extension types.
"""

from __future__ import annotations

from _thread import _local as local  # an import of `threading` would take longer than all others here
from collections.abc import Callable

from fpack.light_typing import Any

from .errors import NotCanonical

Value = Any  # None | bool | int | str | bytes | list[Value] | dict[str, Value]

MAX_DEPTH = 128  # of nested lists and dicts, so that a hostile value cannot exhaust the stack
# The classes of values that need no ordering.
_SIMPLE = frozenset((str, int, bytes, bool, type(None)))


def _order(value: Value, depth: int) -> Value:
    """Return `value` with sorted dicts. Raise NotCanonical for anything that is not a Value."""
    kind = value.__class__
    if kind in _SIMPLE:
        return value
    if depth > MAX_DEPTH:
        raise NotCanonical("A value is nested too deeply to be encoded", why=f"the limit is {MAX_DEPTH} levels")
    if kind is dict:
        for key in value:
            if key.__class__ is not str:
                raise NotCanonical(f"A record has a key that is not a string: {key!r}")
        # Code points sort like their UTF-8 bytes. Keys are unique, so sorting never compares values.
        items = sorted(value.items())
        return {key: item if item.__class__ in _SIMPLE else _order(item, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [item if item.__class__ in _SIMPLE else _order(item, depth + 1) for item in value]
    raise NotCanonical(f"A {kind.__name__} has no canonical encoding")


_MAX_BUFFER = 1 << 20  # A packer keeps its buffer. A packer whose buffer has grown beyond this is replaced.


class _Packer(local):
    """A packer per thread: creating a packer takes longer than packing a value.

    The first use of `pack` in a thread, and the first after `del`, creates the packer.
    """

    pack: Callable[[Value], bytes]

    def __getattr__(self, name: str) -> Any:  # called only if the attribute is missing
        if name != "pack":
            raise AttributeError(name)
        import msgpack  # an evaluation of plain data encodes nothing

        self.pack = msgpack.Packer(use_bin_type=True).pack
        return self.pack


_packer = _Packer()


def encode(value: Value) -> bytes:
    """Return the canonical encoding of `value`. Raise NotCanonical if it has none."""
    return encode_ordered(_order(value, 0))


def encode_ordered(value: Value) -> bytes:
    """Encode a value whose dicts are sorted and whose classes are those that `decode` returns, or tuples.

    Raise NotCanonical for an integer out of range or a string that is not valid Unicode.
    """
    try:
        packed: bytes = _packer.pack(value)
    except (OverflowError, UnicodeEncodeError, ValueError) as error:
        raise NotCanonical("A value has no canonical encoding", why=str(error)) from None
    if len(packed) > _MAX_BUFFER:
        del _packer.pack
    return packed


def decode(data: bytes, most: int | None = None, *, is_flat: bool = False) -> Value:
    """Return the value that `data` encodes. Raise NotCanonical if `data` is not a canonical encoding.

    most: the number of values in it, for data of others: a value of one byte takes up to 150 bytes of memory. is_flat:
    the caller refuses values with maps or floats, which are then not compared with their canonical form.
    """
    import msgpack

    if most is not None and len(data) > most and _has_more(data, most):
        raise NotCanonical("Bytes have too many values", why=f"the limit is {most}")
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
    except Exception as error:
        raise NotCanonical("Bytes are not a msgpack value", why=str(error) or error.__class__.__name__) from None
    if (encode_ordered if is_flat else encode)(value) != data:
        raise NotCanonical("Bytes are a msgpack value, but not in its canonical form")
    return value


# The bytes of the length that follows a first byte, by that byte; and the bytes of the other values that have one.
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
          0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}  # fmt: skip


def _has_more(data: bytes, most: int) -> bool:
    """Return whether msgpack has more than `most` values and keys, without building one."""
    at = number = 0
    size = len(data)
    while at < size and number <= most:
        first = data[at]
        number += 1
        at += 1
        if 0xA0 <= first < 0xC0:
            at += first & 31
        elif first in _LENGTHS:
            width = _LENGTHS[first]
            at += width + int.from_bytes(data[at : at + width], "big")
        else:
            at += _FIXED.get(first, 0)
    return number > most


def peek(data: bytes) -> Value:
    """Return the value that `data` encodes, canonically or not; None for other bytes. This is faster than `decode`."""
    import msgpack

    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
    except Exception:
        return None
