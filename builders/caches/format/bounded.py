"""Decode messages of a known shape that an attacker may have written.

A decoder that builds any value turns a byte such as an empty list into dozens of bytes of memory. `BoundedReader`
builds only what its caller asks for, and nothing inside of a scalar.
"""

from __future__ import annotations

from fpack.light_typing import Any


class BoundedReader:
    """A reader of the values in `data`, in their order. All methods raise ValueError for another shape."""

    def __init__(self, data: bytes) -> None:
        import msgpack

        self._unpacker: Any = msgpack.Unpacker(
            raw=False, max_array_len=0, max_map_len=0, max_buffer_size=max(len(data), 1)
        )
        self._unpacker.feed(data)
        self._size = len(data)

    def scalar(self) -> Any:
        """Return a value that is neither a list nor a map, or an empty one."""
        return self._read(self._unpacker.unpack)

    def list(self, most: int) -> int:
        """Return the length of a list, whose items follow. Raise ValueError if there are more than `most`."""
        return self._length(self._unpacker.read_array_header, most)

    def map(self, most: int) -> int:
        """Return the length of a map, whose keys and values follow."""
        return self._length(self._unpacker.read_map_header, most)

    def end(self) -> None:
        """Raise ValueError if there are more bytes."""
        if self._unpacker.tell() != self._size:
            raise ValueError("it has more bytes than its value")

    def _length(self, read: Any, most: int) -> int:
        length = self._read(read)
        if length > most:
            raise ValueError(f"it has {length} entries; the limit is {most}")
        return int(length)

    def _read(self, read: Any) -> Any:
        import msgpack

        try:
            return read()
        except (msgpack.UnpackException, msgpack.OutOfData, UnicodeDecodeError, TypeError) as error:
            raise ValueError(str(error) or "it ends too early") from None
