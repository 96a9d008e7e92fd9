"""One suite's list of packages: fetched, verified, unpacked to a cache keyed by digest, and read by offset.

The cache holds the plain text and, beside it, a table from names to offsets that one pass makes. Opening a cached index
reads the table alone; a stanza is parsed when it is asked for.
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

MAX_OFFSETS = 1 << 16  # bytes of the list of one package's places

Buffer = mmap.mmap | bytes

_NAMES = re.compile(rb"(?:\A|,)\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)")
_PROVIDES = re.compile(rb"\nProvides:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FIRST = re.compile(rb"Package:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n|\Z)")
_PACKAGE = re.compile(rb"\nPackage:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n)")


class IndexUnusable(FpackError):
    """An index that cannot be had or read."""

    exit_code = 4


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

    def make(self) -> None:
        """Make the folder, if it is not there. IndexUnusable if others can change what is in it."""
        if found := exposed(os.fspath(self.folder)):
            raise IndexUnusable(
                "Another user can change the lists of packages that are cached",
                where=found.place,
                why=found.why,
                hint="set XDG_CACHE_HOME to a directory of your own",
            )
        make_directories(os.fspath(self.folder))

    def text(self, sha256: str) -> Path:
        """Where the plain text of the index with this digest is, or will be."""
        return self.folder / f"{sha256}.packages"

    def table(self, sha256: str) -> Path:
        """Where its table is."""
        return self.folder / f"{sha256}.offsets{FORMAT}"

    def release(self, sha256: str) -> Path:
        """Where a signed release with this digest is."""
        return self.folder / f"{sha256}.InRelease"

    def tidy(self) -> None:
        """Delete what was not used for a long time: unstable alone has a new index every six hours."""
        now = time.time()
        for path in self.folder.iterdir():
            text = path.with_suffix(".packages")  # the files of one index go together
            with contextlib.suppress(OSError):
                used = max(path.stat().st_mtime, text.stat().st_mtime if text.exists() else 0)
                if used < now - (DAY if path.name.startswith("new-") else UNUSED):
                    path.unlink()

    def keep(self, path: Path, data: bytes) -> None:
        """Write a file of the cache, in whole or not at all."""
        self.make()
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="new-", delete=False) as file:
            try:
                file.write(data)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise


class Index:
    """An open index: a suite's packages for one architecture.

    `text` is the index as it was published. `table` is sorted text, one name a line: the name, where its stanzas begin,
    and who provides it, set off by tabs. It is searched where it lies, so that opening an index costs nothing.
    """

    def __init__(self, suite: Suite, arch: str, text: Buffer, table: Buffer) -> None:
        self.suite = suite
        self.arch = arch
        self.text = text
        self._table = table
        self._begin = table.find(b"\n") + 1  # after the header

    def names(self) -> Iterator[str]:
        """The names of all packages."""
        at, size = self._begin, len(self._table)
        while at < size:
            end = self._table.find(b"\n", at)
            name, offsets, _ = self._table[at:end].split(b"\t")
            if offsets:
                yield name.decode("ascii")
            at = end + 1

    def packages(self, name: str) -> list[Package]:
        """Every version of a package; as a rule one, and none if there is no such package."""
        return [self._parse(int(offset)) for offset in self._find(name)[0].split()]

    def providers(self, name: str) -> list[str]:
        """The names of the packages that provide `name`."""
        return self._find(name)[1].decode("ascii").split()

    def stanzas(self, name: str) -> list[str]:
        """The text of every version of a package, in the order of `packages`."""
        return [self._stanza(int(offset)) for offset in self._find(name)[0].split()]

    def starting_with(self, prefix: str) -> Iterator[str]:
        """The names of all packages that begin with `prefix`, sorted."""
        if not prefix.isprintable() or not prefix.isascii():
            return
        table, start = self._table, prefix.encode()
        at = self._place(start)
        while at < len(table) and table[at : at + len(start)] == start:
            end = table.find(b"\n", at)
            name, offsets, _ = table[at:end].split(b"\t")
            if offsets:
                yield name.decode("ascii")
            at = end + 1

    def _find(self, name: str) -> list[bytes]:
        """The offsets and the providers of a name, as text."""
        if not name.isprintable() or not name.isascii():
            return [b"", b""]  # no name, and it could be mistaken for more than one field of a line
        table = self._table
        key = name.encode() + b"\t"
        at = self._place(key)
        if table[at : at + len(key)] != key:
            return [b"", b""]
        return table[at + len(key) : table.find(b"\n", at)].split(b"\t")

    def _place(self, key: bytes) -> int:
        """Where the first line begins that is not before `key`; a binary search."""
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
            return raw.decode("latin-1").rstrip("\n")  # old releases have a few such maintainers' names

    def _parse(self, offset: int) -> Package:
        text = self._stanza(offset)
        return parse_package(text, arch=self.arch, suite=self.suite.name, archive=self.suite.archive)


def make_table(text: Buffer, where: str = "") -> bytes:
    """The table of an index's text, made in one pass over it."""
    starts: list[int] = []
    owners: list[bytes] = []
    offsets: dict[bytes, bytes] = {}
    for start, name in packages_of(text, where):
        starts.append(start)
        owners.append(name)
        at = b"%d" % start
        offsets[name] = offsets[name] + b" " + at if name in offsets else at
        if len(offsets[name]) > MAX_OFFSETS:
            raise IndexUnusable("An index has one package too often", where=where, why=name.decode("ascii"))
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
    """Where each stanza begins, and its package. A stanza begins with its name, after a blank line."""
    first = _FIRST.match(text)
    if first is not None:
        yield 0, first[1]
    elif text[:1].strip():
        raise IndexUnusable("An index cannot be read", where=where, why="it does not begin with a package")
    for match in _PACKAGE.finditer(text):
        start = match.start() + 1
        if text[start - 2 : start] != b"\n\n":
            raise IndexUnusable("An index cannot be read", where=where, why=f"no blank line before byte {start}")
        yield start, match[1]


def open_cached(cache: Cache, pin: IndexPin, suite: Suite, arch: str) -> Index | None:
    """The index from the cache, or None if it is not there or not whole, or if others can put another in its place."""
    if exposed(os.fspath(cache.folder)):
        return None
    try:
        text, table = _map(cache.text(pin.sha256)), _map(cache.table(pin.sha256))
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(cache.text(pin.sha256))  # it is in use: `tidy` leaves it alone
    header = HEADER % pin.size
    if len(text) != pin.size or table[: len(header)] != header or table[-1:] != b"\n":
        return None
    return Index(suite, arch, text, table)


def _map(path: Path) -> Buffer:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if open_to_others(status):
            raise PermissionError(f"others can change {path}")
        if status.st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


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
    if max(pin.size, pin.packed.size) > MAX_SIZE:
        raise IndexUnusable(
            f"The index of {suite.name} is too large", why=f"{pin.size} bytes, {pin.packed.size} packed"
        )
    urls = index_urls(mirrors, pin, suite, date)
    where = urls[0] if urls else suite.name
    try:
        cache.make()
        # A file of its own: another process may be fetching the same index.
        with tempfile.NamedTemporaryFile(dir=cache.folder, prefix="new-") as file:
            packed = Path(file.name)
            http.download(urls, packed, size=pin.packed.size, sha256=pin.packed.sha256, progress=progress, check=check)
            unpack(packed, cache, pin, where=where, check=check)
        cache.tidy()
        cache.keep(cache.table(pin.sha256), make_table(_map(cache.text(pin.sha256)), where))
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
