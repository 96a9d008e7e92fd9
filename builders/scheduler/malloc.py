"""Keep the process small: large buffers go back to the system as soon as they are freed."""

from __future__ import annotations

import contextlib

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_THRESHOLD = 256 * 1024


def return_freed_memory() -> None:
    """Tell glibc's allocator to map buffers of 256 kB and more, and to share its arenas.

    By default it raises that threshold to what was freed last, up to 32 MB, and keeps such buffers in an arena a
    thread: the windows of a compressor and of a decompressor then add up, thread by thread. Another C library is left
    as it is.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        libc.mallopt(_M_ARENA_MAX, 2)
