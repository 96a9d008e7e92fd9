"""One suite's list of packages: fetched, verified, unpacked to a cache keyed by digest, and read by offset.

The cache holds the plain text and, beside it, a table from names to offsets that one pass makes. Opening a cached index
reads the table alone; a stanza is parsed when it is asked for.
"""

from __future__ import annotations

import hashlib
import lzma
import mmap
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import msgpack
from fpack.builders.http import Http, nothing
from fpack.builders.http_errors import NotFound, WrongContent
from fpack.store.errors import FpackError

from .mirrors import Mirrors
from .package import Package, parse_package
from .relations import parse_provides
from .release import Release
from .suites import COMPONENT, IndexPin, Suite

FORMAT = 1
CHUNK = 1 << 18
XZ_MEMORY = 128 << 20
MAX_SIZE = 1 << 30  # of an unpacked index; trixie's has 57 MB

_PROVIDES = re.compile(rb"\nProvides:((?:[^\n]|\n[ \t])*)")
_PACKAGE = re.compile(rb"\nPackage:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n)")


class IndexUnusable(FpackError):
    """An index that cannot be had or read."""


class IndexGone(IndexUnusable):
    """No mirror has the index with the digest that was asked for any more."""


def choose(release: Release, arch: str, where: str = "") -> IndexPin:
    """The index of `arch` that `release` vouches for, in its smallest packing that fpack can read."""
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


class Cache:
    """The folder of unpacked indexes, which many processes may share. All of it can be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def text(self, sha256: str) -> Path:
        """Where the plain text of the index with this digest is, or will be."""
        return self.folder / f"{sha256}.packages"

    def table(self, sha256: str) -> Path:
        """Where its table is."""
        return self.folder / f"{sha256}.offsets{FORMAT}"

    def release(self, sha256: str) -> Path:
        """Where a signed release with this digest is."""
        return self.folder / f"{sha256}.InRelease"

    def keep(self, path: Path, data: bytes) -> None:
        """Write a file of the cache, in whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="new-", delete=False) as file:
            try:
                file.write(data)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise


class Index:
    """An open index: a suite's packages for one architecture."""

    def __init__(self, suite: Suite, arch: str, text: mmap.mmap | bytes, table: Table) -> None:
        self.suite = suite
        self.arch = arch
        self._text = text
        self._offsets = table.offsets
        self._providers = table.providers

    def names(self) -> Iterable[str]:
        """The names of all packages."""
        return self._offsets.keys()

    def __contains__(self, name: str) -> bool:
        return name in self._offsets

    def packages(self, name: str) -> list[Package]:
        """Every version of a package; as a rule one, and none if there is no such package."""
        found = self._offsets.get(name, ())
        return [self._parse(offset) for offset in ((found,) if isinstance(found, int) else found)]

    def providers(self, name: str) -> list[str]:
        """The names of the packages that provide `name`."""
        return self._providers.get(name, [])

    def _parse(self, offset: int) -> Package:
        end = self._text.find(b"\n\n", offset)
        raw = self._text[offset : end if end >= 0 else len(self._text)]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")  # old releases have a few such maintainers' names
        return parse_package(text.rstrip("\n"), arch=self.arch, suite=self.suite.name, archive=self.suite.archive)


class Table(NamedTuple):
    """Where each package begins (several offsets when it has several versions), and who provides each virtual name."""

    offsets: dict[str, int | list[int]]
    providers: dict[str, list[str]]


def scan(text: mmap.mmap | bytes, arch: str, where: str = "") -> Table:
    """The table of an index's text, made in one pass over it."""
    starts: list[int] = []
    owners: list[str] = []
    offsets: dict[str, int | list[int]] = {}
    for start, raw in _packages(text, where):
        name = raw.decode("ascii")
        starts.append(start)
        owners.append(name)
        before = offsets.setdefault(name, start)
        if before != start:
            offsets[name] = [*([before] if isinstance(before, int) else before), start]
    providers: dict[str, list[str]] = {}
    at = 0
    for match in _PROVIDES.finditer(text):
        while at + 1 < len(starts) and starts[at + 1] < match.start():
            at += 1
        for provided in parse_provides(match[1].decode("utf-8", "replace").replace("\n", " "), arch):
            names = providers.setdefault(provided.name, [])
            if not names or names[-1] != owners[at]:
                names.append(owners[at])
    return Table(offsets, providers)


def _packages(text: mmap.mmap | bytes, where: str) -> Iterator[tuple[int, bytes]]:
    if text[:9] == b"Package: ":
        end = text.find(b"\n")
        yield 0, bytes(text[9:end]).strip()
    elif text[:1].strip():
        raise IndexUnusable("An index cannot be read", where=where, why="it does not begin with a package")
    for match in _PACKAGE.finditer(text):
        start = match.start() + 1
        if start > 1 and text[start - 2] not in (b"\n", 10):
            raise IndexUnusable(
                "An index cannot be read", where=where, why=f"byte {start}: a stanza begins without a blank line"
            )
        yield start, match[1]


def open_cached(cache: Cache, pin: IndexPin, suite: Suite, arch: str) -> Index | None:
    """The index from the cache, or None if it is not there, or not whole."""
    try:
        with cache.text(pin.sha256).open("rb") as file:
            if os.fstat(file.fileno()).st_size != pin.size:
                return None
            text: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if pin.size else b""
        version, size, offsets, providers = msgpack.unpackb(cache.table(pin.sha256).read_bytes(), strict_map_key=True)
    except (OSError, ValueError, TypeError, msgpack.exceptions.UnpackException):
        return None
    if version != FORMAT or size != pin.size:
        return None
    return Index(suite, arch, text, Table(offsets, providers))


def open_index(
    cache: Cache,
    pin: IndexPin,
    suite: Suite,
    arch: str,
    *,
    http: Http,
    mirrors: Mirrors,
    date: int,
    progress: Callable[[int, int], None] | None = None,
    check: Callable[[], None] = nothing,
) -> Index:
    """The index that `pin` names, from the cache or the mirrors. `date`: when the archive had it.

    IndexGone when the mirrors can be reached, and none of them has it.
    """
    index = open_cached(cache, pin, suite, arch)
    if index is not None:
        return index
    urls = index_urls(mirrors, pin, suite, date)
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        packed = cache.folder / f"{pin.packed.sha256}.part"
        http.download(urls, packed, size=pin.packed.size, sha256=pin.packed.sha256, progress=progress, check=check)
        unpack(packed, cache, pin, where=urls[0], check=check)
        packed.unlink(missing_ok=True)
        make_table(cache, pin, arch, urls[0])
    except (NotFound, WrongContent) as error:
        raise IndexGone(
            f"The index of {suite.name} that was asked for is gone", where=error.where, why=error.why
        ) from None
    except OSError as error:
        raise IndexUnusable("An index cannot be cached", where=str(cache.folder), why=error.strerror or "") from None
    index = open_cached(cache, pin, suite, arch)
    if index is None:
        raise IndexUnusable("A cached index cannot be read", where=str(cache.folder))
    return index


def index_urls(mirrors: Mirrors, pin: IndexPin, suite: Suite, date: int) -> list[str]:
    """Where the packed index may be: under its digest, where old ones stay for a while, then under its name."""
    folder, _, _ = pin.packed.path.rpartition("/")
    hashed = mirrors.urls(suite.archive, f"dists/{suite.name}/{folder}/by-hash/SHA256/{pin.packed.sha256}", date)
    named = mirrors.urls(suite.archive, f"dists/{suite.name}/{pin.packed.path}", date)
    return [*hashed, *named]


def unpack(packed: Path, cache: Cache, pin: IndexPin, *, where: str = "", check: Callable[[], None] = nothing) -> None:
    """Unpack an index into the cache, and verify the text; it can be no larger than its release says."""
    digest = hashlib.sha256()
    done = 0
    with tempfile.NamedTemporaryFile(dir=cache.folder, prefix="new-", delete=False) as out:
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
                raise IndexUnusable("An index is not the one that its release vouches for", where=where)
            os.replace(out.name, cache.text(pin.sha256))
        except (lzma.LZMAError, zlib.error, EOFError) as error:
            os.unlink(out.name)
            raise IndexUnusable("An index cannot be unpacked", where=where, why=str(error)) from None
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


def make_table(cache: Cache, pin: IndexPin, arch: str, where: str = "") -> None:
    """Make the table of an unpacked index."""
    with cache.text(pin.sha256).open("rb") as file:
        text: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if pin.size else b""
    table = scan(text, arch, where)
    cache.keep(cache.table(pin.sha256), msgpack.packb([FORMAT, pin.size, table.offsets, table.providers]))
