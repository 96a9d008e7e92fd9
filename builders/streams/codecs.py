"""Define the compression codecs of layers, described precisely enough to determine the compressed bytes.

A codec is a record {name, level, threads, library} in a derivation's arguments. `library` names the compressor and its
version. A build with another version is an error, since its output could differ for the same arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

from fpack.light_typing import Any, Protocol
from fpack.store.canonical import Value
from fpack.store.errors import FpackError

DEFAULT = "zstd"

# The version that pyproject.toml pins, and its bundled zstd. A constant, because the import takes 14 ms in every pack.
ZSTD_LIBRARY = "zstandard 0.25.0 zstd 1.5.7"

# (default, minimum, maximum). 95 MB of postgres on two cores: level 3 gives 31.7 MB in 0.5 s, level 6 30.0 MB in 1.0 s,
# level 9 29.1 MB in 1.6 s, level 12 29.0 MB in 3 s, level 19 25 MB in 30 s.
_LEVELS = {"zstd": (9, 1, 19), "gzip": (6, 1, 9)}

# The output of zstd is the same for any number of threads from 1 on, but differs for 0. So `threads` of a record is a
# maximum: large layers at high levels, where each thread needs 100 MB, use one thread.
_THREADS = 2
_FRUGAL_LEVEL, _LARGE_SIZE = 13, 32 << 20
# zstd splits a stream into jobs of four windows and holds up to twenty of them in memory, before and after compression:
# 390 MB for incompressible data. Large streams use smaller jobs, which make the output 0.6 % larger.
_JOB, _FRUGAL_JOB = 4 << 20, 8 << 20

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_MEDIA_TYPES = {"zstd": f"{LAYER_TYPE}+zstd", "gzip": f"{LAYER_TYPE}+gzip", "none": LAYER_TYPE}
# The compression of a layer of each media type, as `stream.blocks` names it.
LAYER_TYPES = {LAYER_TYPE: "", f"{LAYER_TYPE}+gzip": "gz", f"{LAYER_TYPE}+zstd": "zst"}
SUFFIXES = {"zstd": ".zst", "gzip": ".gz", "none": ""}  # of file names


class CodecError(FpackError):
    """A codec that does not exist, or that this machine cannot reproduce."""


class Compressor(Protocol):
    """A streaming compressor."""

    def compress(self, data: bytearray, /) -> bytes:
        """Compress `data` and return the output that is ready, possibly none."""

    def flush(self) -> bytes:
        """Return the remaining output."""


def codec(text: str | None = None) -> dict[str, Value]:
    """Parse `zstd`, `zstd:LEVEL`, `gzip`, `gzip:LEVEL` or `none` into a record. Raise CodecError for anything else."""
    name, colon, number = (DEFAULT if text is None else text).partition(":")
    if name == "none" and not colon:
        return {"name": "none", "level": 0, "threads": 1, "library": ""}
    if name not in _LEVELS:
        raise CodecError(f"There is no codec {text!r}", hint="write zstd, zstd:LEVEL, gzip, gzip:LEVEL or none")
    level, low, high = _LEVELS[name]
    if colon:
        if not (number.isascii() and number.isdigit() and len(number) <= 2 and low <= int(number) <= high):
            raise CodecError(f"{name} has no level {number!r}", why=f"levels are {low} to {high}")
        level = int(number)
    return {"name": name, "level": level, "threads": _THREADS if name == "zstd" else 1, "library": _library(name)}


def media_type(record: Mapping[str, Value]) -> str:
    """Return the OCI media type of a layer with this codec."""
    _, name = _checked(record)
    return _MEDIA_TYPES[name]


def compressor(record: Mapping[str, Value], size: int) -> Compressor:
    """Return a compressor for a stream of exactly `size` bytes. Raise CodecError if the library version differs."""
    level, name = _checked(record)
    if name == "none":
        return _NoCompression()
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
    return _EarlyFlushStream(stream) if size and size % _job_size(level, size) == 0 else stream


def memory(record: Mapping[str, Value], size: int) -> int:
    """Estimate the bytes of memory needed to compress a stream of `size` bytes."""
    level, name = _checked(record)
    if name != "zstd":
        return 1 << 20
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(level, source_size=size)
    # zstd starts no more threads than there are jobs.
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


class _EarlyFlushStream:
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
        raise CodecError("A zstd codec needs at least one thread", why="the output of 0 threads differs")
    return 1 if level >= _FRUGAL_LEVEL and size >= _LARGE_SIZE else int(threads)


class _NoCompression:
    def compress(self, data: bytearray) -> bytes:
        return data  # type: ignore[return-value]  # the caller does not change the buffer afterwards

    def flush(self) -> bytes:
        return b""


def _checked(record: Mapping[str, Value]) -> tuple[int, str]:
    name, level = str(record.get("name", "")), record.get("level")
    if name not in _MEDIA_TYPES:
        what = f"There is no codec {name!r}" if name else "A codec has no name"
        raise CodecError(what, hint="its `name` is zstd, gzip or none; --compress sets the codec")
    if name in _LEVELS and (level.__class__ is not int or not _LEVELS[name][1] <= level <= _LEVELS[name][2]):
        raise CodecError(f"{name} has no level {level!r}", why="levels are {1} to {2}".format(*_LEVELS[name]))
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
            f"This layer must be compressed by {wanted}",
            why=f"{installed} is installed, and its output may differ",
            hint="install fpack with the versions that its pyproject.toml pins",
        )
