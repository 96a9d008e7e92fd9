"""Check kept locks: that each file is there and has its digest, and that signatures cover the packages.

A kept lock is an artifact in a repository with all that a lock pins: signed releases, indexes, packages and sources.
The chain of signatures of a package is: a signed release, the digest of an index in it, and the digest of the package
in the index.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.builders.debian.indexes.download import unpacked
from fpack.builders.debian.lock.records import Lock, SuitePin
from fpack.builders.debian.lock.text import parse_lock
from fpack.builders.debian.release import MAX_SIZE, Release, parse_release
from fpack.builders.debian.signatures import verify
from fpack.builders.debian.suites import IndexPin, show_date
from fpack.builders.distribution.protocol import BlobEntry, Repository, Unavailable
from fpack.builders.net.digests import Digests
from fpack.store import threads
from fpack.store.errors import FpackError

from .keeping import WORKERS
from .kept_lock import KeptFile, KeptLock, read_all, read_config
from .pages import stored_lock

MAX_SHOWN = 5  # packages of a release that are named for the same reason
_MISSING = "the mirror does not have it"
# Fields of an index, with their positions in the values of a stanza.
_FIELDS = {b"Package": 0, b"Version": 1, b"SHA256": 2, b"SHA512": 3}

NameVersion = tuple[str, str]
PackageDigests = tuple[str, str]  # SHA-256 and SHA-512; "" for one that is not known


class MirrorProblem(NamedTuple):
    """Something that is wrong with a kept lock.

    identity: of the kept lock. kind: `missing`, `damaged`, `unsigned`, or `unreadable`. name: of the file or package.
    """

    identity: str
    kind: str
    name: str
    why: str


class CheckedLock(NamedTuple):
    """The result for one kept lock. size: bytes of its files. signed: packages that the chain of signatures reaches."""

    identity: str
    files: int
    size: int
    packages: int
    signed: int
    problems: tuple[MirrorProblem, ...]


class MirrorChecker:
    """Checks the locks of a repository. Each blob is read once.

    keyring: returns the keyring of an archive. now: seconds since 1970, for the dates of signatures. fast: tell only
    what is missing, and read no packages.
    """

    def __init__(
        self, repository: Repository, keyring: Callable[[str], Path], now: float, *, fast: bool = False
    ) -> None:
        self._repository = repository
        self._keyring = keyring
        self._now = now
        self._fast = fast
        self._results: dict[str, str] = {}  # what is wrong with a file, or "", by its digest

    def check(self, identity: str) -> CheckedLock:
        """Check a kept lock. identity: its digest. Raise Unavailable if the repository does not answer."""
        try:
            stored = stored_lock(self._repository, identity)
            if stored is None:
                return _unreadable(identity, "there is no such kept lock")
            kept = read_config(self._repository, stored)
            lock = parse_lock(kept.lock, f"{self._repository.name}: lock {identity}")
        except Unavailable:
            raise
        except FpackError as error:
            return _unreadable(identity, _text(error))
        problems = [
            MirrorProblem(identity, "damaged", file.name, "the artifact does not name its blob, so gc may delete it")
            for file in kept.files
            if stored.blobs.get(file.digest) != file.size
        ]
        problems += self._files(kept)
        problems += _incomplete(kept, lock)
        bad = {problem.name for problem in problems}
        signed, more = (0, []) if self._fast else self._chain(kept, lock)
        problems += [problem for problem in more if problem.name not in bad]
        return CheckedLock(identity, kept.number, kept.size, len(lock.packages), signed, tuple(problems))

    def _files(self, kept: KeptLock) -> list[MirrorProblem]:
        """Check the files that no other lock had, and return the problems of all."""
        todo = {file.digest: file for file in kept.files if file.digest not in self._results}
        with threads.Workers(WORKERS, "checking files") as workers:
            self._results.update(zip(todo, workers.map(self.look, todo.values()), strict=True))
        found = []
        for file in kept.files:
            if why := self._results[file.digest]:
                kind = "missing" if why == _MISSING else "damaged"
                found.append(MirrorProblem(kept.identity, kind, file.name, why))
        return found

    def look(self, file: KeptFile) -> str:
        """Return what is wrong with a file, or ""."""
        try:
            if not self._repository.has_blob(file.digest):
                return _MISSING
            if self._fast:
                return ""
            wanted = {name: text for name, _, text in (alias.partition(":") for alias in file.aliases)}
            digests = Digests(file.digest.removeprefix("sha256:"), wanted.get("sha512", ""))
            size = 0
            for chunk in self._repository.read_blob(file.blob):
                digests.update(chunk)
                size += len(chunk)
                if size > file.size:
                    break
        except Unavailable:
            raise
        except FpackError as error:
            return _text(error)
        return f"it has {size} bytes instead of {file.size}" if size != file.size else digests.problem()

    # The chain of signatures.

    def _chain(self, kept: KeptLock, lock: Lock) -> tuple[int, list[MirrorProblem]]:
        """Return the number of packages that the chain reaches, and what breaks it."""
        blobs = {key: file.blob for file in kept.files for key in (file.digest, *file.aliases)}
        problems: list[MirrorProblem] = []
        releases: dict[str, Release] = {}
        for pin in {pin.sha256: pin for pin in _releases(lock)}.values():
            entry = blobs.get(f"sha256:{pin.sha256}")
            if entry is None:
                continue  # it is reported as missing
            try:
                releases[pin.sha256] = self._release(entry, pin)
            except FpackError as error:
                name = f"{pin.suite} InRelease of {show_date(pin.date)}"
                problems.append(MirrorProblem(kept.identity, "unsigned", name, _text(error)))
        wanted: dict[tuple[str, str], dict[NameVersion, PackageDigests]] = {}  # by release and architecture
        for (release, arch, name), package in lock.packages.items():
            known = wanted.setdefault((release, arch), {})
            known[name, package.version] = (package.sha256, package.sha512)
        signed = 0
        for release_name, arch, suite, index in _indexes(lock):
            names = wanted.get((release_name, arch), {})
            signer = releases.get(suite.sha256)
            entry = next((blobs[key] for key in _keys(index) if key in blobs), None)
            if not names or signer is None or entry is None:
                continue
            if not _lists(signer, index):
                why = f"the release of {show_date(suite.date)} does not list it"
                problems.append(MirrorProblem(kept.identity, "unsigned", f"the index of {suite.suite}", why))
                continue
            try:
                for key in self._listed(entry, index, names):
                    signed += names.pop(key, None) is not None
            except FpackError as error:
                problems.append(MirrorProblem(kept.identity, "damaged", f"the index of {suite.suite}", _text(error)))
        for (release_name, arch), names in sorted(wanted.items()):
            why = f"no signed index of {release_name} for {arch} in the mirror lists this version with its digest"
            found = [f"{name} {version}" for name, version in sorted(names)]
            more = len(found) - MAX_SHOWN
            shown = found[:MAX_SHOWN] + ([f"{more} more package{'' if more == 1 else 's'}"] if more > 0 else [])
            problems += [MirrorProblem(kept.identity, "unsigned", name, why) for name in shown]
        return signed, problems

    def _release(self, entry: BlobEntry, pin: SuitePin) -> Release:
        data = read_all(self._repository, entry._replace(size=min(entry.size, MAX_SIZE)))
        # The signature was checked when the release was locked. Its key may have expired since, so it need not be new.
        signed = verify(data, self._keyring(pin.archive), self._repository.name, now=self._now, new=False)
        return parse_release(signed.text, pin.sha256, self._repository.name)

    def _listed(
        self, entry: BlobEntry, index: IndexPin, wanted: Mapping[NameVersion, PackageDigests]
    ) -> list[NameVersion]:
        """Return those of the wanted packages that an index lists with their digests."""
        with tempfile.TemporaryDirectory(prefix="fpack-") as directory:
            packed = Path(directory, "packed")
            with packed.open("wb") as file:
                for chunk in self._repository.read_blob(entry):
                    file.write(chunk)
            found = [(key, digests) for key, digests in _stanzas(unpacked(packed, index)) if key in wanted]
        return [key for key, digests in found if _agree(digests, wanted[key])]


def _stanzas(pieces: Iterable[bytes]) -> Iterable[tuple[NameVersion, PackageDigests]]:
    """Yield name and version, and both digests, of each package of an index.

    The index can have 50 MB, of which only four fields count: they are read without a table of all packages.
    """
    rest = b""
    values = [b"", b"", b"", b""]
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if not line:
                if values[0]:
                    yield _stanza(values)
                values = [b"", b"", b"", b""]
            elif (at := _FIELDS.get(line.partition(b":")[0])) is not None:
                values[at] = line.partition(b":")[2].strip()
    if values[0]:
        yield _stanza(values)


def _stanza(values: list[bytes]) -> tuple[NameVersion, PackageDigests]:
    name, version, sha256, sha512 = (value.decode("latin-1") for value in values)
    return (name, version), (sha256, sha512)


def _agree(listed: PackageDigests, locked: PackageDigests) -> bool:
    """Return whether the digests of a package in an index are those of the lock. At least one must be in both."""
    pairs = [(a, b) for a, b in zip(listed, locked, strict=True) if a and b]
    return bool(pairs) and all(a == b for a, b in pairs)


def _lists(release: Release, index: IndexPin) -> bool:
    """Return whether a signed release names an index with its digests."""
    found = release.files.get(index.packed.path)
    packed = index.packed
    return found is not None and _agree((found.sha256, found.sha512), (packed.sha256, packed.sha512))


def _keys(index: IndexPin) -> list[str]:
    """Return the names under which a kept lock can have an index: `sha256:...`, `sha512:...`."""
    packed = index.packed
    return [f"{name}:{text}" for name, text in (("sha256", packed.sha256), ("sha512", packed.sha512)) if text]


def _releases(lock: Lock) -> list[SuitePin]:
    """Return the signed releases of the current indexes, and of the earlier ones that some packages still need."""
    return [*lock.suites.values(), *(found.suite for found in lock.earlier.values())]


def _indexes(lock: Lock) -> Iterable[tuple[str, str, SuitePin, IndexPin]]:
    """Yield release, architecture, suite and pin of each index."""
    for (release, label, arch), index in lock.indexes.items():
        yield release, arch, lock.suites[release, label.partition("/")[0]], index
    for (release, _, arch, _), earlier in lock.earlier.items():
        yield release, arch, earlier.suite, earlier.pin


def _incomplete(kept: KeptLock, lock: Lock) -> list[MirrorProblem]:
    """Return what the lock pins and the kept lock does not name."""
    known = {key for file in kept.files for key in (file.digest, *file.aliases)}
    missing = []
    for package in lock.packages.values():
        if not {f"sha256:{package.sha256}", f"sha512:{package.sha512}"} & known:
            missing.append(f"{package.name} {package.version}")
    for pin in {pin.sha256: pin for pin in _releases(lock)}.values():
        if f"sha256:{pin.sha256}" not in known:
            missing.append(f"{pin.suite} InRelease of {show_date(pin.date)}")
    for _, arch, suite, index in _indexes(lock):
        if not set(_keys(index)) & known:
            missing.append(f"the index of {suite.suite} for {arch} of {show_date(suite.date)}")
    return [MirrorProblem(kept.identity, "missing", name, "the kept lock does not name it") for name in missing]


def _unreadable(identity: str, why: str) -> CheckedLock:
    return CheckedLock(identity, 0, 0, 0, 0, (MirrorProblem(identity, "unreadable", f"lock {identity[:12]}", why),))


def _text(error: FpackError) -> str:
    return ": ".join(filter(None, (error.what, error.why)))[:300]
