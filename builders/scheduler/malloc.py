"""Configure the allocator to return large buffers to the system as soon as they are freed."""

from __future__ import annotations

import contextlib

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_THRESHOLD = 256 * 1024


def return_freed_memory() -> None:
    """Make glibc allocate buffers of 256 kB and more with mmap, and use at most two arenas.

    By default glibc raises the threshold to the size of the last freed buffer, up to 32 MB, and keeps such buffers in
    one arena per thread, so the windows of compressors and decompressors add up. On other C libraries this does
    nothing.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        libc.mallopt(_M_ARENA_MAX, 2)
