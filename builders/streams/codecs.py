"""Codecs of layers: what compresses a tar, described so exactly that the description determines the bytes.

A codec is a record {name, level, threads, library} in a derivation's arguments. `library` names the compressor's
version; a build with another version is refused, since its bytes would differ under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fpack.store.canonical import Value
from fpack.store.errors import FpackError

DEFAULT = "zstd"

# The one that pyproject.toml pins, with the zstd in it. Asking it would be an import of 14 ms for every pack.
ZSTD_LIBRARY = "zstandard 0.25.0 zstd 1.5.7"

# 95 MB of postgres on two cores: level 3 31.7 MB in 0.5 s, 6 30.0 in 1.0, 9 29.1 in 1.6, 12 29.0 in 3, 19 25 in 30.
_LEVELS = {"zstd": (9, 1, 19), "gzip": (6, 1, 9)}

# zstd's output is the same for every number of threads from 1 on, and other for 0. So a record says at most how many,
# and a large layer at a high level, where each thread holds 100 MB, is left to one.
_THREADS = 2
_FRUGAL_LEVEL, _LARGE_SIZE = 13, 32 << 20
# zstd cuts a stream into jobs of four windows, and holds up to twenty of them, before and after compression: 390 MB of
# data that cannot be compressed. A large stream has smaller jobs, with which it comes out 0.6 % larger.
_JOB, _FRUGAL_JOB = 4 << 20, 8 << 20

_MEDIA = "application/vnd.oci.image.layer.v1.tar"
_MEDIA_TYPES = {"zstd": f"{_MEDIA}+zstd", "gzip": f"{_MEDIA}+gzip", "none": _MEDIA}


class CodecError(FpackError):
    """A codec that does not exist, or that this machine cannot run as recorded."""


class Compressor(Protocol):
    """A stream of bytes becomes a shorter one."""

    def compress(self, data: bytearray, /) -> bytes:
        """What there is to write after `data`, maybe nothing yet."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


def codec(text: str | None = None) -> dict[str, Value]:
    """The record of `zstd`, `zstd:LEVEL`, `gzip`, `gzip:LEVEL` or `none`; CodecError for anything else."""
    name, colon, number = (DEFAULT if text is None else text).partition(":")
    if name == "none" and not colon:
        return {"name": "none", "level": 0, "threads": 1, "library": ""}
    if name not in _LEVELS:
        raise CodecError(f"There is no codec {text!r}", hint="write zstd, zstd:LEVEL, gzip, gzip:LEVEL or none")
    level, low, high = _LEVELS[name]
    if colon:
        if not (number.isascii() and number.isdigit() and len(number) <= 2 and low <= int(number) <= high):
            raise CodecError(f"{name} has no level {number!r}", why=f"its levels are {low} to {high}")
        level = int(number)
    return {"name": name, "level": level, "threads": _THREADS if name == "zstd" else 1, "library": _library(name)}


def media_type(record: Mapping[str, Value]) -> str:
    """The OCI media type of a layer of this codec."""
    _, name = _checked(record)
    return _MEDIA_TYPES[name]


def compressor(record: Mapping[str, Value], size: int) -> Compressor:
    """A compressor for a stream of exactly `size` bytes; CodecError if this machine's library is another one."""
    level, name = _checked(record)
    if name == "none":
        return _Plain()
    if name == "gzip":
        import zlib

        _same(record, _library("gzip"))
        # 16 + 15: a gzip header, with no time, no name, and the largest window.
        return zlib.compressobj(level, zlib.DEFLATED, 31)
    import zstandard

    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    _same(record, f"zstandard {zstandard.__version__} zstd {version}")
    threads = _threads(record, level, size)
    if size < _LARGE_SIZE:
        zstd = zstandard.ZstdCompressor(level=level, threads=threads, write_checksum=True, write_content_size=True)
    else:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, source_size=size, threads=threads, job_size=_job(level), write_checksum=1, write_content_size=1
        )
        zstd = zstandard.ZstdCompressor(compression_params=parameters)
    stream = zstd.compressobj(size=size)
    # Where the stream ends with a job, zstd appends an empty last block if the job had begun before it was told of the
    # end, which depends on how fast its threads are. A flush before the end makes the job begin in any case.
    return _Flushed(stream) if size and size % _job_size(level, size) == 0 else stream


def memory(record: Mapping[str, Value], size: int) -> int:
    """About how many bytes of memory it takes to compress a stream of `size` bytes."""
    level, name = _checked(record)
    if name != "zstd":
        return 1 << 20
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(level, source_size=size)
    # Each job has a thread, as long as there are jobs.
    job = _job_size(level, size)
    threads = min(_threads(record, level, size), 1 + size // job)
    return threads * parameters.estimated_compression_context_size() + min(2 * size, (8 + 6 * threads) * job)


def _job(level: int) -> int:
    return _FRUGAL_JOB if level >= _FRUGAL_LEVEL else _JOB


def _job_size(level: int, size: int) -> int:
    """Return the bytes of each job for a stream of `size` bytes."""
    if size >= _LARGE_SIZE:
        return _job(level)
    import zstandard

    return 4 << int(zstandard.ZstdCompressionParameters.from_level(level, source_size=size).window_log)


class _Flushed:
    """A zstd stream whose last job begins before the stream's end is announced."""

    def __init__(self, stream: Any) -> None:
        self.compress = stream.compress
        self._stream = stream

    def flush(self) -> bytes:
        import zstandard

        block: bytes = self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return block + bytes(self._stream.flush())


def _threads(record: Mapping[str, Value], level: int, size: int) -> int:
    threads = record.get("threads")
    if threads.__class__ is not int or not threads or threads < 1:
        raise CodecError("A zstd codec needs one thread or more", why="the bytes of 0 threads are others")
    return 1 if level >= _FRUGAL_LEVEL and size >= _LARGE_SIZE else int(threads)


class _Plain:
    def compress(self, data: bytearray) -> bytes:
        return data  # type: ignore[return-value]  # a buffer that nobody changes any more

    def flush(self) -> bytes:
        return b""


def _checked(record: Mapping[str, Value]) -> tuple[int, str]:
    name, level = str(record.get("name")), record.get("level")
    if name not in _MEDIA_TYPES:
        raise CodecError(f"There is no codec {name!r}", hint="write zstd, gzip or none")
    if name in _LEVELS and (level.__class__ is not int or not _LEVELS[name][1] <= level <= _LEVELS[name][2]):
        raise CodecError(f"{name} has no level {level!r}", why="its levels are {1} to {2}".format(*_LEVELS[name]))
    return int(level or 0), name


def _library(name: str) -> str:
    if name == "zstd":
        return ZSTD_LIBRARY
    import zlib

    return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"


def _same(record: Mapping[str, Value], installed: str) -> None:
    wanted = record.get("library")
    if wanted != installed:
        raise CodecError(
            f"This layer is to be compressed by {wanted}",
            why=f"{installed} is installed here, whose bytes can differ under the same name",
            hint="install fpack with the versions that its pyproject.toml pins",
        )
