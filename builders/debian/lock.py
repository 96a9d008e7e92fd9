"""The lock: what was resolved, as sorted text with one fact a line.

A lock pins, for each release, its suites (the signed index's digest and dates), each suite's index for an architecture,
every package that was used, and for each set of names that was resolved the packages that it came to. With it, an
evaluation needs no index and no network. Parsing and formatting are pure; `LockFile` is the file.
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

from .suites import File, IndexPin, show_date

FORMAT = 1
HEADER = "fpack-lock"
COMMENT = "# Made by fpack; `fpack update` changes it."
MAX_SIZE = 64 << 20

_NAME = r"[A-Za-z0-9][A-Za-z0-9+.\-]*"
_VERSION = r"(?:[0-9]{1,9}:[0-9A-Za-z.+:~\-]{1,256}|[0-9A-Za-z.+~\-]{1,256})"
_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_DIGEST = r"[0-9a-f]{64}"
_SIZE = r"\d{1,15}"
_PATH = r"(?!/)(?!(?:\S*/)?\.{1,2}(?:/|$))[^\s/](?:[^\s]*[^\s/])?"
_ARCHIVE = r"debian|debian-security"
_SUITE = re.compile(
    rf"suite ({_NAME}) ({_NAME}) ({_ARCHIVE}) date=({_DATE}) until=({_DATE}|never) sha256=({_DIGEST})\Z"
)
_INDEX = re.compile(
    rf"index ({_NAME}) ({_NAME}) ({_NAME}) sha256=({_DIGEST}) size=({_SIZE})"
    rf" packed=({_DIGEST}) packed-size=({_SIZE}) file=({_PATH})\Z"
)
_PACKAGE = re.compile(
    rf"package ({_NAME}) ({_NAME}) ({_NAME}) ({_VERSION}) arch=({_NAME}) source=({_NAME})(?:=({_VERSION}))?"
    rf" archive=({_ARCHIVE}) date=({_DATE}) size=({_SIZE}) sha256=({_DIGEST}) file=({_PATH})\Z"
)
_CLOSURE = re.compile(rf"closure ({_NAME}) ({_NAME}) ({_NAME}(?: {_NAME})*)\Z")
_MEMBER = re.compile(rf"  ({_NAME}):((?: {_NAME})*)\Z")
_HEADER = re.compile(rf"{HEADER} (\d{{1,6}})\Z")


class LockError(FpackError):
    """A lock that cannot be read or written."""

    exit_code = 4


class LockCorrupt(LockError):
    """A lock with a line that makes no sense."""


class LockNewer(LockError):
    """A lock in a format of a later fpack."""


class LockChanged(LockError):
    """A lock that another process changed in a way that does not go with the changes of this one."""


class SuitePin(NamedTuple):
    """A suite as it was: `sha256` is its signed index's, dates are Unix seconds."""

    release: str
    suite: str
    archive: str
    date: int
    until: int | None
    sha256: str


class PackagePin(NamedTuple):
    """A package that was used. `date`: of the index that it came from when it was first locked (Unix seconds)."""

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


SuiteKey = tuple[str, str]  # release, suite
IndexKey = tuple[str, str, str]  # release, suite, architecture
PackageKey = tuple[str, str, str]  # release, architecture, name
ClosureKey = tuple[str, str, tuple[str, ...]]  # release, architecture, sorted names
Depends = Mapping[str, tuple[str, ...]]


class Lock:
    """The content of a lock. It is changed in place by the one who owns it."""

    def __init__(self) -> None:
        self.suites: dict[SuiteKey, SuitePin] = {}
        self.indexes: dict[IndexKey, IndexPin] = {}
        self.packages: dict[PackageKey, PackagePin] = {}
        self.closures: dict[ClosureKey, Depends] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lock) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]

    def _parts(self) -> tuple[dict[object, object], ...]:
        return self.suites, self.indexes, self.packages, self.closures  # type: ignore[return-value]

    def copy(self) -> Lock:
        """A lock of the same content that can be changed alone."""
        new = Lock()
        for mine, theirs in zip(self._parts(), new._parts(), strict=True):
            theirs.update(mine)
        return new

    def releases(self) -> list[str]:
        """The releases that it pins."""
        return sorted({release for release, _ in self.suites})

    def pins(self, release: str, arch: str) -> dict[str, str]:
        """The version of each package that is locked for a release and architecture."""
        return {n: pin.version for (r, a, n), pin in self.packages.items() if (r, a) == (release, arch)}

    def used(self, release: str, arch: str, names: Iterable[str]) -> Lock:
        """The part that says where these packages come from: for the manifest of what was made of them.

        It has no closures: those belong to whoever asked.
        """
        new = Lock()
        for name in names:
            new.packages[release, arch, name] = self.packages[release, arch, name]
        new.suites = {key: pin for key, pin in self.suites.items() if key[0] == release}
        new.indexes = {key: pin for key, pin in self.indexes.items() if key[0] == release and key[2] == arch}
        return new

    def merged(self, base: Lock, theirs: Lock) -> Lock | None:
        """`theirs` with what this lock changed since `base`; None where both changed the same thing differently."""
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


def format_lock(lock: Lock) -> str:
    """The one text of `lock`."""
    lines = [f"{HEADER} {FORMAT}", COMMENT]
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
                lines.append(
                    f"index {release} {suite} {arch} sha256={index.sha256} size={index.size}"
                    f" packed={index.packed.sha256} packed-size={index.packed.size} file={index.packed.path}"
                )
        for (r, arch, _), p in sorted(lock.packages.items()):
            if r == release:
                source = p.source if p.source_version == p.version else f"{p.source}={p.source_version}"
                lines.append(
                    f"package {release} {arch} {p.name} {p.version} arch={p.arch} source={source}"
                    f" archive={p.archive} date={show_date(p.date)} size={p.size} sha256={p.sha256} file={p.file}"
                )
        for (r, arch, names), depends in sorted(lock.closures.items(), key=lambda item: item[0]):
            if r == release:
                lines += ["", f"closure {release} {arch} {' '.join(names)}"]
                lines += [" ".join([f"  {name}:", *sorted(depends[name])]) for name in sorted(depends)]
    return "\n".join(lines) + "\n"


def parse_lock(text: str, where: str = "fpack.lock") -> Lock:
    """The lock that a text says; LockCorrupt with the line's number, or LockNewer."""
    lines = text.split("\n")
    header = _HEADER.match(lines[0])
    if header is None:
        _corrupt(where, 1, f"it does not begin with `{HEADER} {FORMAT}`")
    if int(header[1]) > FORMAT:
        raise LockNewer(
            "The lock was made by a newer fpack",
            where=where,
            why=f"its format is {header[1]}, and this fpack knows {FORMAT}",
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
                _corrupt(where, number, f"{match[1]} stands twice in one closure")
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
        release, arch, name, version, own, source, source_version, archive, date, size, digest, file = match.groups()
        package = PackagePin(
            name,
            version,
            own,
            source,
            source_version or version,
            archive,
            _date(date, where, number),
            int(size),
            digest,
            file,
        )
        _add(lock.packages, (release, arch, name), package, where, number)
    elif match := _SUITE.match(line):
        release, suite, archive, date, until, digest = match.groups()
        end = None if until == "never" else _date(until, where, number)
        pin = SuitePin(release, suite, archive, _date(date, where, number), end, digest)
        _add(lock.suites, (release, suite), pin, where, number)
    elif match := _INDEX.match(line):
        release, suite, arch, digest, size, packed, packed_size, file = match.groups()
        index = IndexPin(digest, int(size), File(file, int(packed_size), packed))
        _add(lock.indexes, (release, suite, arch), index, where, number)
    elif line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        _corrupt(where, number, "a conflict of two versions of the lock was not settled")
    else:
        _corrupt(where, number, f"not a line of a lock: {line[:80]!r}")


def _add(part: dict[Any, Any], key: object, value: object, where: str, number: int) -> None:
    if key in part:
        _corrupt(where, number, "it says again what another line says")
    part[key] = value


def _problem(lock: Lock) -> str | None:
    """What in `lock` contradicts what else is in it, or None."""
    for release, arch, names in lock.closures:
        depends = lock.closures[release, arch, names]
        if list(names) != sorted(set(names)):
            return f"the names of the closure {' '.join(names)} are not sorted"
        for name in (*names, *(edge for edges in depends.values() for edge in edges)):
            if name not in depends:
                return f"the closure {' '.join(names)} of {release} for {arch} lacks {name}"
        for name in depends:
            if (release, arch, name) not in lock.packages:
                return f"there is no package line for {name}, which a closure of {release} for {arch} holds"
    for release, suite, _ in lock.indexes:
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
    return int(datetime.fromisoformat(text).timestamp())


_CORRUPT_HINT = "take the lock from version control again, or delete it to resolve everything anew"


def _corrupt(where: str, number: int, why: str) -> NoReturn:
    raise LockCorrupt("The lock cannot be read", where=f"{where}:{number}", why=why, hint=_CORRUPT_HINT)


class LockFile:
    """A lock on disk. `lock` is the content to read and to change; `save` writes it."""

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
        """Whether there is something to save."""
        return self.lock != self._base

    def save(self) -> None:
        """Write the lock, in whole or not at all, with what other processes added since it was read.

        LockChanged when they changed what this one changed, too.
        """
        if not self.changed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
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
            # A cloned project could so change the lock of another, or make a file anywhere.
            raise LockError(
                f"The lock {error.what}", why=error.why, hint=f"--lock {error.real} names it, or delete the link"
            ) from None
        except OSError as error:
            raise LockError("The lock cannot be written", where=str(self.path), why=error.strerror or "") from None
        self.lock = new
        self._base = new.copy()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out. The folder is locked, so that no file is left beside the lock."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def checked_at(self) -> float:
        """When it was last known to be current: written, or confirmed (Unix seconds); 0 if there is no file."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    def confirm(self, now: float) -> None:
        """Note that it is current."""
        with contextlib.suppress(OSError):
            os.utime(self.path, (now, now))
