"""Download a compressed index of a suite, decompress it, and compare it with the digests in the suite's release."""

from __future__ import annotations

import contextlib
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from fpack.builders.net.digests import Digests, file_matches
from fpack.builders.net.errors import NotFound, WrongContent
from fpack.builders.net.http import Http
from fpack.builders.net.kept_files import WantedFile, download_kept
from fpack.builders.net.response import nothing

from ..mirrors import Mirrors
from ..release import MAX_SIZE as MAX_RELEASE
from ..suites import IndexPin, Suite
from .cache import IndexCache
from .table import IndexUnusable

CHUNK = 1 << 18  # bytes
XZ_MEMORY = 128 << 20  # bytes
MAX_SIZE = 2 << 30  # of an unpacked index; trixie's packages have 57 MB, its files 593 MB


class IndexGone(IndexUnusable):
    """An index that no mirror has any more."""


class IndexDownload(NamedTuple):
    """An index to download. date: when the archive had it (Unix seconds). check: called often; may raise to cancel."""

    cache: IndexCache
    pin: IndexPin
    suite: Suite
    date: int
    mirrors: Mirrors
    http: Http
    progress: Callable[[int, int], None] | None = None
    check: Callable[[], None] = nothing

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Path, str]]:
        """Download to a temporary file. Return it and its first URL. Raise IndexGone if no mirror has the index.

        Errors of the disk are raised as IndexUnusable, also those of the code that uses the file.
        """
        cache, pin, suite = self.cache, self.pin, self.suite
        if max(pin.size, pin.packed.size) > MAX_SIZE:
            why = f"it has {pin.size} bytes, {pin.packed.size} compressed; the limit is {MAX_SIZE}"
            raise IndexUnusable(f"The index of {suite.name} is too large", why=why)
        urls = index_urls(self.mirrors, pin, suite, self.date)
        try:
            cache.make()
            # A unique temporary file, since another process may be fetching the same index.
            with tempfile.NamedTemporaryFile(dir=cache.directory, prefix="new-") as file:
                packed = Path(file.name)
                self.http.download(
                    urls,
                    packed,
                    size=pin.packed.size,
                    sha256=pin.packed.sha256,
                    sha512=pin.packed.sha512,
                    progress=self.progress,
                    check=self.check,
                )
                yield packed, urls[0] if urls else suite.name
        except (NotFound, WrongContent) as error:
            raise IndexGone(
                f"The requested index of {suite.name} is no longer available", where=error.where, why=error.why
            ) from None
        except OSError as error:
            raise IndexUnusable(
                "The index cannot be cached", where=str(cache.directory), why=error.strerror or "",
                hint="free some space there, or set XDG_CACHE_HOME to a writable directory",
            ) from None  # fmt: skip


def index_urls(mirrors: Mirrors, pin: IndexPin, suite: Suite, date: int) -> list[str]:
    """Return the URLs of a compressed index: first by hash, where old indexes stay for a while, then by name."""
    return [url for path in index_paths(pin, suite.name) for url in mirrors.urls(suite.archive, path, date)]


def index_paths(pin: IndexPin, suite: str) -> list[str]:
    """Return the paths of a compressed index in its archive: by hash, and by name."""
    named = f"dists/{suite}/{pin.packed.path}"
    hashes = [(name, text) for name, text in (("SHA512", pin.packed.sha512), ("SHA256", pin.packed.sha256)) if text]
    return [*(f"{named.rpartition('/')[0]}/by-hash/{name}/{text}" for name, text in hashes), named]


def unpack(
    packed: Path, cache: IndexCache, pin: IndexPin, *, where: str = "", check: Callable[[], None] = nothing
) -> None:
    """Decompress an index into the cache and verify its size and digest."""
    with tempfile.NamedTemporaryFile(dir=cache.directory, prefix="new-", delete=False) as out:
        try:
            for piece in unpacked(packed, pin, where=where, check=check):
                out.write(piece)
            out.close()
            os.replace(out.name, cache.text(pin))
        except BaseException:
            os.unlink(out.name)
            raise


def unpacked(packed: Path, pin: IndexPin, *, where: str = "", check: Callable[[], None] = nothing) -> Iterator[bytes]:
    """Yield the text of an index in pieces. Raise IndexUnusable at its end, or where it is larger than declared, if its
    size or a digest is wrong: trust no piece before the last one."""
    digests = Digests(pin.sha256, pin.sha512)
    done = 0
    try:
        with packed.open("rb") as file:
            for piece in _xz(file) if pin.packed.path.endswith(".xz") else _gzip(file):
                check()
                done += len(piece)
                if done > pin.size:
                    break
                digests.update(piece)
                yield piece
    except (lzma.LZMAError, zlib.error, EOFError) as error:
        raise IndexUnusable("The index cannot be decompressed", where=where, why=str(error)) from None
    if done != pin.size or digests.problem():
        raise IndexUnusable("The index does not match the digest in its release file", where=where)


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    while not unpacker.eof:
        data = file.read(CHUNK) if unpacker.needs_input else b""
        if not data and unpacker.needs_input:
            raise EOFError("it ends early")
        yield unpacker.decompress(data, CHUNK)


def _gzip(file: IO[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(31)
    while not unpacker.eof:
        data = unpacker.unconsumed_tail or file.read(CHUNK)
        if not data:
            raise EOFError("it ends early")
        yield unpacker.decompress(data, CHUNK)


def kept_release(http: Http, sha256: str, check: Callable[[], None] = nothing) -> bytes | None:
    """Return a signed release from a place that keeps it, or None."""
    with tempfile.TemporaryDirectory(prefix="fpack-") as directory:
        path = Path(directory, "InRelease")
        is_wanted = partial(file_matches, size=None, sha256=sha256)
        found = download_kept(http.kept, WantedFile(sha256=sha256), path, is_wanted, limit=MAX_RELEASE, check=check)
        return path.read_bytes() if found else None
