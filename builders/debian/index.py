"""Fetch, verify, cache and read a suite's package index.

The cache, keyed by digest, holds the uncompressed text and a table from package names to offsets in the text. Both are
mapped into memory; a stanza is parsed only when it is requested.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import mmap
import os
import re
import tempfile
import time
import zlib
from bisect import bisect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fpack.builders.net.errors import NotFound, WrongContent
from fpack.builders.net.http import Http, nothing
from fpack.store.errors import FpackError
from fpack.store.files.owners import exposed, make_directories, open_to_others

from .mirrors import Mirrors
from .package import Package, parse_package
from .release import Release
from .suites import COMPONENT, IndexPin, Suite

FORMAT = 2
HEADER = b"fpack-index 2 %d\n"
CHUNK = 1 << 18
XZ_MEMORY = 128 << 20
DAY = 24 * 3600.0
UNUSED = 90 * DAY
MAX_SIZE = 1 << 30  # of an unpacked index; trixie's has 57 MB

MAX_OFFSETS = 1 << 16  # bytes of the list of one package's offsets

Buffer = mmap.mmap | bytes

_NAMES = re.compile(rb"(?:\A|,)\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)")
_PROVIDES = re.compile(rb"\nProvides:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FIRST = re.compile(rb"Package:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n|\Z)")
_PACKAGE = re.compile(rb"\nPackage:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n)")


class IndexUnusable(FpackError):
    """An index that cannot be fetched or read."""

    exit_code = 4


class IndexGone(IndexUnusable):
    """An index that no mirror has any more."""


def choose(release: Release, arch: str, where: str = "") -> IndexPin:
    """Return the pin of the index of `arch` listed in `release`, in the best supported compression."""
    base = f"{COMPONENT}/binary-{arch}/Packages"
    plain = release.files.get(base)
    packed = next((release.files[base + end] for end in (".xz", ".gz") if base + end in release.files), None)
    name = release.codename or release.suite
    if arch not in release.architectures or plain is None or packed is None:
        raise IndexUnusable(
            f"{name} has no packages for {arch}", where=where, why=f"it has {' '.join(sorted(release.architectures))}"
        )
    if plain.size > MAX_SIZE:
        raise IndexUnusable(f"The index of {name} is too large", where=where, why=f"{plain.size} bytes")
    return IndexPin(plain.sha256, plain.size, packed)


class IndexCache:
    """The directory of uncompressed indexes, shared by all processes. It can be deleted at any time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self) -> None:
        """Create the directory if needed. Raise IndexUnusable if other users can change its content."""
        if found := exposed(os.fspath(self.directory)):
            raise IndexUnusable(
                "Another user can change the cached package indexes",
                where=found.path,
                why=found.why,
                hint="set XDG_CACHE_HOME to a directory of your own",
            )
        make_directories(os.fspath(self.directory))

    def text(self, sha256: str) -> Path:
        """Return the path of the text of the index with this digest."""
        return self.directory / f"{sha256}.packages"

    def table(self, sha256: str) -> Path:
        """Return the path of the table of the index with this digest."""
        return self.directory / f"{sha256}.offsets{FORMAT}"

    def release(self, sha256: str) -> Path:
        """Return the path of the signed release with this digest."""
        return self.directory / f"{sha256}.InRelease"

    def tidy(self) -> None:
        """Delete indexes unused for 90 days, and temporary files older than a day."""
        now = time.time()
        for path in self.directory.iterdir():
            text = path.with_suffix(".packages")  # the files of one index expire together
            with contextlib.suppress(OSError):
                used = max(path.stat().st_mtime, text.stat().st_mtime if text.exists() else 0)
                if used < now - (DAY if path.name.startswith("new-") else UNUSED):
                    path.unlink()

    def keep(self, path: Path, data: bytes) -> None:
        """Write a file of the cache atomically."""
        self.make()
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix="new-", delete=False) as file:
            try:
                file.write(data)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise


class PackageIndex:
    """An open index: a suite's packages for one architecture.

    text: the index as published. table: sorted text with one name per line, tab-separated: the name, the offsets of its
    stanzas in `text`, and the packages that provide it. The table is searched in place, without parsing it first.
    """

    def __init__(self, suite: Suite, arch: str, text: Buffer, table: Buffer) -> None:
        self.suite = suite
        self.arch = arch
        self.text = text
        self._table = table
        self._begin = table.find(b"\n") + 1  # after the header

    def names(self) -> Iterator[str]:
        """Yield the names of all packages."""
        at, size = self._begin, len(self._table)
        while at < size:
            end = self._table.find(b"\n", at)
            name, offsets, _ = self._table[at:end].split(b"\t")
            if offsets:
                yield name.decode("ascii")
            at = end + 1

    def packages(self, name: str) -> list[Package]:
        """Return all versions of a package: usually one, none if the package does not exist."""
        return [self._parse(int(offset)) for offset in self._find(name)[0].split()]

    def providers(self, name: str) -> list[str]:
        """Return the names of the packages that provide `name`."""
        return self._find(name)[1].decode("ascii").split()

    def stanzas(self, name: str) -> list[str]:
        """Return the stanzas of all versions of a package, in the order of `packages`."""
        return [self._stanza(int(offset)) for offset in self._find(name)[0].split()]

    def starting_with(self, prefix: str) -> Iterator[str]:
        """Yield the names of all packages that start with `prefix`, sorted."""
        if not prefix.isprintable() or not prefix.isascii():
            return
        table, start = self._table, prefix.encode()
        at = self._search(start)
        while at < len(table) and table[at : at + len(start)] == start:
            end = table.find(b"\n", at)
            name, offsets, _ = table[at:end].split(b"\t")
            if offsets:
                yield name.decode("ascii")
            at = end + 1

    def _find(self, name: str) -> list[bytes]:
        """Return the offsets and the providers of a name, as text."""
        if not name.isprintable() or not name.isascii():
            return [b"", b""]  # a name with tabs or newlines could match several fields of a line
        table = self._table
        key = name.encode() + b"\t"
        at = self._search(key)
        if table[at : at + len(key)] != key:
            return [b"", b""]
        return table[at + len(key) : table.find(b"\n", at)].split(b"\t")

    def _search(self, key: bytes) -> int:
        """Return the offset of the first line that is not less than `key`, by binary search."""
        table = self._table
        low, high = self._begin, len(table)
        while low < high:
            middle = (low + high) // 2
            start = (table.rfind(b"\n", low, middle) + 1) or low
            if table[start : start + len(key)] < key:
                low = table.find(b"\n", middle) + 1
            else:
                high = start
        return low

    def _stanza(self, offset: int) -> str:
        end = self.text.find(b"\n\n", offset)
        raw = self.text[offset : end if end >= 0 else len(self.text)]
        try:
            return raw.decode("utf-8").rstrip("\n")
        except UnicodeDecodeError:
            return raw.decode("latin-1").rstrip("\n")  # old releases contain a few Latin-1 names of maintainers

    def _parse(self, offset: int) -> Package:
        text = self._stanza(offset)
        return parse_package(text, arch=self.arch, suite=self.suite.name, archive=self.suite.archive)


def make_table(text: Buffer, where: str = "") -> bytes:
    """Make the table of an index's text."""
    starts: list[int] = []
    owners: list[bytes] = []
    offsets: dict[bytes, bytes] = {}
    for start, name in packages_of(text, where):
        starts.append(start)
        owners.append(name)
        at = b"%d" % start
        offsets[name] = offsets[name] + b" " + at if name in offsets else at
        if len(offsets[name]) > MAX_OFFSETS:
            raise IndexUnusable("The index has too many stanzas of one package", where=where, why=name.decode("ascii"))
    providers: dict[bytes, list[bytes]] = {}
    for match in _PROVIDES.finditer(text):
        owner = owners[bisect(starts, match.start()) - 1]
        for name in _NAMES.findall(match[1]):
            names = providers.setdefault(name, [])
            if not names or names[-1] != owner:
                names.append(owner)
    lines = [HEADER % len(text)]
    for name in sorted(offsets.keys() | providers.keys()):
        lines.append(b"%s\t%s\t%s\n" % (name, offsets.get(name, b""), b" ".join(providers.get(name, ()))))
    return b"".join(lines)


def packages_of(text: Buffer, where: str = "") -> Iterator[tuple[int, bytes]]:
    """Yield the offset and package name of each stanza. A stanza must start with `Package:` after a blank line."""
    first = _FIRST.match(text)
    if first is not None:
        yield 0, first[1]
    elif text[:1].strip():
        raise IndexUnusable("The index is malformed", where=where, why="it does not begin with a package")
    for match in _PACKAGE.finditer(text):
        start = match.start() + 1
        if text[start - 2 : start] != b"\n\n":
            raise IndexUnusable("The index is malformed", where=where, why=f"no blank line before byte {start}")
        yield start, match[1]


def open_cached(cache: IndexCache, pin: IndexPin, suite: Suite, arch: str) -> PackageIndex | None:
    """Open an index from the cache. Return None if it is missing or incomplete, or if other users can change it."""
    if exposed(os.fspath(cache.directory)):
        return None
    try:
        text, table = _map(cache.text(pin.sha256)), _map(cache.table(pin.sha256))
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(cache.text(pin.sha256))  # mark the index as used, for `tidy`
    header = HEADER % pin.size
    if len(text) != pin.size or table[: len(header)] != header or table[-1:] != b"\n":
        return None
    return PackageIndex(suite, arch, text, table)


def _map(path: Path) -> Buffer:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if open_to_others(status):
            raise PermissionError(f"other users can change {path}")
        if status.st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def open_index(
    cache: IndexCache,
    pin: IndexPin,
    suite: Suite,
    arch: str,
    *,
    http: Http,
    mirrors: Mirrors,
    date: int,
    progress: Callable[[int, int], None] | None = None,
    check: Callable[[], None] = nothing,
) -> PackageIndex:
    """Open the index of `pin`, from the cache or the mirrors. date: when the archive had it (Unix seconds).

    Raise IndexGone if mirrors respond but none of them has the index.
    """
    index = open_cached(cache, pin, suite, arch)
    if index is not None:
        return index
    if max(pin.size, pin.packed.size) > MAX_SIZE:
        raise IndexUnusable(
            f"The index of {suite.name} is too large", why=f"{pin.size} bytes, {pin.packed.size} packed"
        )
    urls = index_urls(mirrors, pin, suite, date)
    where = urls[0] if urls else suite.name
    try:
        cache.make()
        # A unique temporary file, since another process may be fetching the same index.
        with tempfile.NamedTemporaryFile(dir=cache.directory, prefix="new-") as file:
            packed = Path(file.name)
            http.download(urls, packed, size=pin.packed.size, sha256=pin.packed.sha256, progress=progress, check=check)
            unpack(packed, cache, pin, where=where, check=check)
        cache.tidy()
        cache.keep(cache.table(pin.sha256), make_table(_map(cache.text(pin.sha256)), where))
    except (NotFound, WrongContent) as error:
        raise IndexGone(
            f"The requested index of {suite.name} is no longer available", where=error.where, why=error.why
        ) from None
    except OSError as error:
        raise IndexUnusable(
            "The index cannot be cached", where=str(cache.directory), why=error.strerror or ""
        ) from None
    index = open_cached(cache, pin, suite, arch)
    if index is None:
        raise IndexUnusable("The cached index cannot be read", where=str(cache.directory))
    return index


def index_urls(mirrors: Mirrors, pin: IndexPin, suite: Suite, date: int) -> list[str]:
    """Return the URLs of a compressed index: first by hash, where old indexes stay for a while, then by name."""
    directory, _, _ = pin.packed.path.rpartition("/")
    hashed = mirrors.urls(suite.archive, f"dists/{suite.name}/{directory}/by-hash/SHA256/{pin.packed.sha256}", date)
    named = mirrors.urls(suite.archive, f"dists/{suite.name}/{pin.packed.path}", date)
    return [*hashed, *named]


def unpack(
    packed: Path, cache: IndexCache, pin: IndexPin, *, where: str = "", check: Callable[[], None] = nothing
) -> None:
    """Decompress an index into the cache and verify its size and digest. Stop if it is larger than declared."""
    digest = hashlib.sha256()
    done = 0
    with tempfile.NamedTemporaryFile(dir=cache.directory, prefix="new-", delete=False) as out:
        try:
            with packed.open("rb") as file:
                pieces = _xz(file) if pin.packed.path.endswith(".xz") else _gzip(file)
                for piece in pieces:
                    check()
                    done += len(piece)
                    if done > pin.size:
                        break
                    digest.update(piece)
                    out.write(piece)
            out.close()
            if done != pin.size or digest.hexdigest() != pin.sha256:
                raise IndexUnusable("The index does not match the digest in its release file", where=where)
            os.replace(out.name, cache.text(pin.sha256))
        except (lzma.LZMAError, zlib.error, EOFError) as error:
            os.unlink(out.name)
            raise IndexUnusable("The index cannot be decompressed", where=where, why=str(error)) from None
        except BaseException:
            os.unlink(out.name)
            raise


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
