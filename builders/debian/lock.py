"""Read and write the lock: sorted text with one fact per line.

For each release, a lock pins its suites (digest and dates of the signed index), the package index of each suite and
architecture, every package used, and the closure of each resolved set of names. With a complete lock, an evaluation
needs neither indexes nor the network. Parsing and formatting are pure functions; `LockFile` does the I/O.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from fpack.store.errors import FpackError
from fpack.store.files import replace
from fpack.store.files.regular_file import read_bytes

from .suites import DEBIAN, SECURITY, IndexPin, SuiteFile, show_date

# Format 2 adds SHA-512 digests, Ubuntu's archive, components of suites, and earlier indexes. A lock without them is
# written as format 1.
FORMAT, PLAIN = 2, 1
HEADER = "fpack-lock"
COMMENT = "# Made by fpack; `fpack update` changes it."
MAX_SIZE = 64 << 20

_NAME = r"[A-Za-z0-9][A-Za-z0-9+.\-]*"
_VERSION = r"(?:[0-9]{1,9}:[0-9A-Za-z.+:~\-]{1,256}|[0-9A-Za-z.+~\-]{1,256})"
_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_DIGEST = r"[0-9a-f]{64}"
_DIGEST512 = r"[0-9a-f]{128}"
# The digests of a file: one at least.
_DIGESTS = rf"(?= sha(?:256|512)=)(?: sha256=({_DIGEST}))?(?: sha512=({_DIGEST512}))?"
_PACKED = rf"(?= packed(?:-sha512)?=)(?: packed=({_DIGEST}))?(?: packed-sha512=({_DIGEST512}))?"
_SIZE = r"\d{1,15}"
_PATH = r"(?!/)(?!(?:\S*/)?\.{1,2}(?:/|$))[^\s/](?:[^\s]*[^\s/])?"
_ARCHIVE = r"debian|debian-security|ubuntu"
_SUITE = re.compile(
    rf"suite ({_NAME}) ({_NAME}) ({_ARCHIVE}) date=({_DATE}) until=({_DATE}|never) sha256=({_DIGEST})\Z"
)
_INDEX = re.compile(
    rf"index ({_NAME}) ({_NAME}(?:/{_NAME})?) ({_NAME}){_DIGESTS} size=({_SIZE})"
    rf"{_PACKED} packed-size=({_SIZE}) file=({_PATH})\Z"
)
_EARLIER = re.compile(
    rf"earlier ({_NAME}) ({_NAME}(?:/{_NAME})?) ({_NAME}) ({_ARCHIVE}) date=({_DATE}) until=({_DATE}|never)"
    rf" release=({_DIGEST}){_DIGESTS} size=({_SIZE}){_PACKED} packed-size=({_SIZE}) file=({_PATH})\Z"
)
_PACKAGE = re.compile(
    rf"package ({_NAME}) ({_NAME}) ({_NAME}) ({_VERSION}) arch=({_NAME}) source=({_NAME})(?:=({_VERSION}))?"
    rf" archive=({_ARCHIVE}) date=({_DATE}) size=({_SIZE}){_DIGESTS} file=({_PATH})\Z"
)
_CLOSURE = re.compile(rf"closure ({_NAME}) ({_NAME}) ({_NAME}(?: {_NAME})*)\Z")
_MEMBER = re.compile(rf"  ({_NAME}):((?: {_NAME})*)\Z")
_HEADER = re.compile(rf"{HEADER} (\d{{1,6}})\Z")


class LockError(FpackError):
    """A lock that cannot be read or written."""

    exit_code = 4


class LockCorrupt(LockError):
    """A malformed or inconsistent lock."""


class LockNewer(LockError):
    """A lock in the format of a later version of fpack."""


class LockChanged(LockError):
    """A lock that another process changed at the same time, in conflict with the changes of this one."""


class SuitePin(NamedTuple):
    """A pinned suite. sha256: of its signed index. Dates are Unix seconds."""

    release: str
    suite: str
    archive: str
    date: int
    until: int | None
    sha256: str


class PackagePin(NamedTuple):
    """A pinned package. date: of the index that it came from when it was first locked (Unix seconds).

    sha256, sha512: of its file, "" if the index does not have it; one at least is there.
    """

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    archive: str
    date: int
    size: int
    sha256: str
    file: str
    sha512: str = ""


class EarlierIndex(NamedTuple):
    """A package index that the archive had before, and its suite at that time."""

    suite: SuitePin
    pin: IndexPin


SuiteKey = tuple[str, str]  # release, suite
IndexKey = tuple[str, str, str]  # release, label of the suite, architecture
EarlierKey = tuple[str, str, str, str]  # release, label of the suite, architecture, digest of the index
PackageKey = tuple[str, str, str]  # release, architecture, name
ClosureKey = tuple[str, str, tuple[str, ...]]  # release, architecture, sorted names
Depends = Mapping[str, tuple[str, ...]]


class Lock:
    """The content of a lock, which its owner changes in place.

    earlier: the indexes of packages that kept their version when the archive moved on. A package that is in no index of
    `indexes` is in one of these, so every package can be traced to a signed index.
    """

    def __init__(self) -> None:
        self.suites: dict[SuiteKey, SuitePin] = {}
        self.indexes: dict[IndexKey, IndexPin] = {}
        self.earlier: dict[EarlierKey, EarlierIndex] = {}
        self.packages: dict[PackageKey, PackagePin] = {}
        self.closures: dict[ClosureKey, Depends] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lock) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]

    def _parts(self) -> tuple[dict[object, object], ...]:
        return self.suites, self.indexes, self.earlier, self.packages, self.closures  # type: ignore[return-value]

    def copy(self) -> Lock:
        new = Lock()
        for mine, theirs in zip(self._parts(), new._parts(), strict=True):
            theirs.update(mine)
        return new

    def releases(self) -> list[str]:
        """Return the pinned releases, sorted."""
        return sorted({release for release, _ in self.suites})

    def pins(self, release: str, arch: str) -> dict[str, str]:
        """Return the locked version of each package of a release and architecture."""
        return {n: pin.version for (r, a, n), pin in self.packages.items() if (r, a) == (release, arch)}

    def used(self, release: str, arch: str, names: Iterable[str]) -> Lock:
        """Return the part that records the origin of these packages, without closures, for a manifest."""
        new = Lock()
        for name in names:
            new.packages[release, arch, name] = self.packages[release, arch, name]
        new.suites = {key: pin for key, pin in self.suites.items() if key[0] == release}
        new.indexes = {key: pin for key, pin in self.indexes.items() if key[0] == release and key[2] == arch}
        new.earlier = {key: pin for key, pin in self.earlier.items() if key[0] == release and key[2] == arch}
        return new

    def merged(self, base: Lock, theirs: Lock) -> Lock | None:
        """Apply the changes of this lock since `base` to `theirs`. Return None if both changed an entry differently."""
        new = theirs.copy()
        for old, mine, other, out in zip(base._parts(), self._parts(), theirs._parts(), new._parts(), strict=True):
            for key in mine.keys() | old.keys():
                if mine.get(key) == old.get(key) or mine.get(key) == other.get(key):
                    continue
                if other.get(key) != old.get(key):
                    return None
                if key in mine:
                    out[key] = mine[key]
                else:
                    out.pop(key, None)
        return new if _problem(new) is None else None


def _format(lock: Lock) -> int:
    """Return the oldest format that can express `lock`, so that older versions of fpack read what they understand."""
    archives = {pin.archive for pin in lock.suites.values()} | {pin.archive for pin in lock.packages.values()}
    new = (
        bool(lock.earlier)
        or not archives <= {DEBIAN, SECURITY}
        or any(pin.sha512 for pin in lock.packages.values())
        or any(pin.sha512 or pin.packed.sha512 or "/" in key[1] for key, pin in lock.indexes.items())
    )
    return FORMAT if new else PLAIN


def _digests(sha256: str, sha512: str, names: tuple[str, str] = ("sha256", "sha512")) -> str:
    return "".join(f" {name}={text}" for name, text in zip(names, (sha256, sha512), strict=True) if text)


def _index(pin: IndexPin) -> str:
    """Return the digests, sizes and file of a package index."""
    packed = _digests(pin.packed.sha256, pin.packed.sha512, ("packed", "packed-sha512"))
    digests = _digests(pin.sha256, pin.sha512)
    return f"{digests} size={pin.size}{packed} packed-size={pin.packed.size} file={pin.packed.path}"


def format_lock(lock: Lock) -> str:
    """Return the canonical text of `lock`."""
    lines = [f"{HEADER} {_format(lock)}", COMMENT]
    releases = sorted({key[0] for part in lock._parts() for key in part})  # type: ignore[index]
    for release in releases:
        lines.append("")
        for (r, _), pin in sorted(lock.suites.items()):
            if r == release:
                until = "never" if pin.until is None else show_date(pin.until)
                lines.append(
                    f"suite {release} {pin.suite} {pin.archive} date={show_date(pin.date)}"
                    f" until={until} sha256={pin.sha256}"
                )
        for (r, suite, arch), index in sorted(lock.indexes.items()):
            if r == release:
                lines.append(f"index {release} {suite} {arch}{_index(index)}")
        for (r, suite, arch, _), (pin, index) in sorted(lock.earlier.items()):
            if r == release:
                until = "never" if pin.until is None else show_date(pin.until)
                lines.append(
                    f"earlier {release} {suite} {arch} {pin.archive} date={show_date(pin.date)} until={until}"
                    f" release={pin.sha256}{_index(index)}"
                )
        for (r, arch, _), p in sorted(lock.packages.items()):
            if r == release:
                source = p.source if p.source_version == p.version else f"{p.source}={p.source_version}"
                lines.append(
                    f"package {release} {arch} {p.name} {p.version} arch={p.arch} source={source}"
                    f" archive={p.archive} date={show_date(p.date)} size={p.size}{_digests(p.sha256, p.sha512)}"
                    f" file={p.file}"
                )
        for (r, arch, names), depends in sorted(lock.closures.items(), key=lambda item: item[0]):
            if r == release:
                lines += ["", f"closure {release} {arch} {' '.join(names)}"]
                lines += [" ".join([f"  {name}:", *sorted(depends[name])]) for name in sorted(depends)]
    return "\n".join(lines) + "\n"


def parse_lock(text: str, where: str = "fpack.lock") -> Lock:
    """Parse a lock. Raise LockCorrupt with the line's number, or LockNewer."""
    lines = text.split("\n")
    header = _HEADER.match(lines[0])
    if header is None:
        _corrupt(where, 1, f"it does not begin with `{HEADER} {PLAIN}`")
    if int(header[1]) > FORMAT:
        raise LockNewer(
            "The lock was written by a newer version of fpack",
            where=where,
            why=f"its format is {header[1]}; this version supports {FORMAT}",
            hint="update fpack",
        )
    if int(header[1]) < 1:
        _corrupt(where, 1, "there is no such format")
    lock = Lock()
    members: dict[str, tuple[str, ...]] | None = None
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("  "):
            match = _MEMBER.match(line)
            if match is None or members is None:
                _corrupt(where, number, f"not a member of a closure: {line.strip()[:80]!r}")
            if match[1] in members:
                _corrupt(where, number, f"duplicate {match[1]} in a closure")
            members[match[1]] = tuple(match[2].split())
        elif line.startswith("closure "):
            match = _CLOSURE.match(line)
            if match is None:
                _corrupt(where, number, f"not a closure: {line[:80]!r}")
            members = {}
            _add(lock.closures, (match[1], match[2], tuple(match[3].split())), members, where, number)
        elif line and not line.startswith("#"):
            members = None
            _fact(lock, line, where, number)
    problem = _problem(lock)
    if problem is not None:
        raise LockCorrupt("The lock contradicts itself", where=where, why=problem, hint=_CORRUPT_HINT)
    return lock


def _fact(lock: Lock, line: str, where: str, number: int) -> None:
    if match := _PACKAGE.match(line):
        release, arch, name, version, own, source, source_version, archive, date, size = match.groups()[:10]
        sha256, sha512, file = match.groups()[10:]
        package = PackagePin(
            name,
            version,
            own,
            source,
            source_version or version,
            archive,
            _date(date, where, number),
            int(size),
            sha256 or "",
            file,
            sha512 or "",
        )
        _add(lock.packages, (release, arch, name), package, where, number)
    elif match := _SUITE.match(line):
        release, suite, archive, date, until, digest = match.groups()
        end = None if until == "never" else _date(until, where, number)
        pin = SuitePin(release, suite, archive, _date(date, where, number), end, digest)
        _add(lock.suites, (release, suite), pin, where, number)
    elif match := _INDEX.match(line):
        release, suite, arch = match.groups()[:3]
        _add(lock.indexes, (release, suite, arch), _index_pin(*match.groups()[3:]), where, number)
    elif match := _EARLIER.match(line):
        release, label, arch, archive, date, until, signed = match.groups()[:7]
        end = None if until == "never" else _date(until, where, number)
        pin = SuitePin(release, label.partition("/")[0], archive, _date(date, where, number), end, signed)
        index = _index_pin(*match.groups()[7:])
        key = (release, label, arch, index.sha256 or index.sha512)
        _add(lock.earlier, key, EarlierIndex(pin, index), where, number)
    elif line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        _corrupt(where, number, "unresolved merge conflict")
    else:
        _corrupt(where, number, f"not a line of a lock: {line[:80]!r}")


def _index_pin(
    sha256: str | None,
    sha512: str | None,
    size: str,
    packed: str | None,
    packed512: str | None,
    packed_size: str,
    file: str,
) -> IndexPin:
    packed_file = SuiteFile(file, int(packed_size), packed or "", packed512 or "")
    return IndexPin(sha256 or "", int(size), packed_file, sha512 or "")


def _add(part: dict[Any, Any], key: object, value: object, where: str, number: int) -> None:
    if key in part:
        _corrupt(where, number, "duplicate entry")
    part[key] = value


def _problem(lock: Lock) -> str | None:
    """Describe an inconsistency in `lock`; None if there is none."""
    for release, arch, names in lock.closures:
        depends = lock.closures[release, arch, names]
        if list(names) != sorted(set(names)):
            return f"the names of the closure {' '.join(names)} are not sorted"
        for name in (*names, *(edge for edges in depends.values() for edge in edges)):
            if name not in depends:
                return f"the closure {' '.join(names)} of {release} for {arch} lacks {name}"
        for name in depends:
            if (release, arch, name) not in lock.packages:
                return f"there is no package line for {name}, which is in a closure of {release} for {arch}"
    for release, label, _ in lock.indexes:
        suite = label.partition("/")[0]
        if (release, suite) not in lock.suites:
            return f"there is no suite line for {suite} of {release}, which has an index"
    return None


def _date(text: str, where: str, number: int) -> int:
    try:
        return _seconds(text)
    except ValueError:
        _corrupt(where, number, f"{text} is not a date")


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    seconds = int(datetime.fromisoformat(text).timestamp())
    if seconds < 0:
        raise ValueError("a date before 1970")
    return seconds


_CORRUPT_HINT = "restore the lock from version control, or delete it to resolve everything again"


def _corrupt(where: str, number: int, why: str) -> NoReturn:
    raise LockCorrupt("The lock is malformed", where=f"{where}:{number}", why=why, hint=_CORRUPT_HINT)


class LockFile:
    """A lock on disk. Change its content, `lock`, in place; `save` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = self._read()
        self._base = self.lock.copy()

    def _read(self) -> Lock:
        try:
            data = read_bytes(self.path, MAX_SIZE + 1)
            if len(data) > MAX_SIZE:
                raise LockCorrupt("The lock is too large", where=str(self.path), hint=_CORRUPT_HINT)
            text = data.decode().replace("\r\n", "\n")
        except FileNotFoundError:
            return Lock()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise LockError("The lock cannot be read", where=str(self.path), why=why) from None
        return parse_lock(text, str(self.path))

    @property
    def changed(self) -> bool:
        """True if there are unsaved changes."""
        return self.lock != self._base

    def save(self) -> None:
        """Write the lock atomically, merged with changes of other processes since it was read.

        Raise LockChanged if another process changed the same entries.
        """
        if not self.changed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                theirs = self._read()
                new = self.lock if theirs == self._base else self.lock.merged(self._base, theirs)
                if new is None:
                    raise LockChanged(
                        "The lock was changed by another process at the same time",
                        where=str(self.path),
                        hint="run the command again",
                    )
                replace.write(self.path, format_lock(new).encode(), mode=0o644, durable=True)
        except replace.OutsideError as error:
            # With such a symlink, a cloned project could change another project's lock or create files anywhere.
            raise LockError(
                f"The lock {error.what}", why=error.why, hint=f"use --lock {error.real}, or delete the link"
            ) from None
        except OSError as error:
            raise LockError("The lock cannot be written", where=str(self.path), why=error.strerror or "") from None
        self.lock = new
        self._base = new.copy()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other writers with flock on the directory, which needs no extra lock file."""
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def checked_at(self) -> float:
        """Return when the lock was last written or confirmed to be current (Unix seconds); 0 if there is no file."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    def confirm(self, now: float) -> None:
        """Record that the lock is current at the time `now`, in the file's modification time."""
        with contextlib.suppress(OSError):
            os.utime(self.path, (now, now))
