"""Check that Debian or Ubuntu signed a package: the package is in an index, and the index is in a signed Release file.

The Release file must be that of the locked suite, and the index must list the binary packages of one component for the
lock's architecture. A Release file also lists other indexes, such as those of the installer.
"""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from fpack.builders.debian.release import Release, is_of, parse_release
from fpack.builders.debian.signatures import KeyringError, Signature, find_keyring, verify
from fpack.builders.debian.suites import ALL_RELEASES, digest_key, show_date
from fpack.builders.manifest.format import LockedIndex, LockedPackage, LockedSuite, LockPart
from fpack.builders.verify.findings import TRACE, Report, unavailable
from fpack.store.errors import FpackError

from . import deb_reader
from .local import LocalEvidence

Buffer = mmap.mmap | bytes
_PACKAGE = re.compile(rb"\nPackage:[ \t]*([^\s]+)")
_INDEX = re.compile(r"([a-z0-9][a-z0-9-]*)/binary-([a-z0-9][a-z0-9-]*)/Packages(?:\.(?:xz|gz|bz2|zst))?\Z")
_POOL = re.compile(r"pool/(?:updates/)?([a-z0-9][a-z0-9-]*)/[^/]+/.+\.deb\Z")
_SOURCE = re.compile(r"(\S+)(?:[ \t]+\(([^)]*)\))?\Z")
ALL = "all"


class _Text(NamedTuple):
    """The text of an index, and the offsets of the locked packages' stanzas."""

    text: Buffer
    starts: dict[str, list[int]]


class Archives:
    """The indexes of a lock, opened on first use.

    signed: the accepted signature of each suite, and signatures: by the digest of its release. listing: the suite and
    the index that list a package, by its name.
    """

    def __init__(self, lock: LockPart, evidence: LocalEvidence, report: Report) -> None:
        self._lock = lock
        self._evidence = evidence
        self._report = report
        self._texts: dict[str, _Text | None] = {}
        self._signed: dict[str, bool] = {}
        self.signed: dict[str, Signature] = {}
        self.signatures: dict[str, Signature] = {}
        self.listing: dict[str, tuple[LockedSuite, LockedIndex]] = {}
        self._releases: dict[str, Path | None] = {}

    def vouch(self, package: LockedPackage) -> tuple[str | None, bool]:
        """Return the suite whose index has a package, or None if it is unknown, and whether that index is signed.

        Report a package that no index has, or that is for another architecture.
        """
        if package.arch not in (self._lock.arch, ALL):
            what = f"it is for {package.arch}; the lock is for {self._lock.arch}"
            self._report.add(TRACE, f"package {package.name}", what)
            return None, False
        unavailable_count, names = 0, []
        for index in self._lock.indexes:
            suite = self._suite(index, package.archive)
            if suite is None:
                continue
            names.append(index.suite)
            text = self._text(suite, index)
            if text is None:
                unavailable_count += 1
            elif _lists(text.text, text.starts.get(package.name, ()), package):
                self.listing[package.name] = suite, index
                return index.suite, self._is_of(index, package) and self._is_signed(suite, index)
        if names and not unavailable_count:
            self._report.add(TRACE, f"package {package.name}", f"no locked index lists it ({', '.join(names)})")
        return None, False

    def _suite(self, index: LockedIndex, archive: str) -> LockedSuite | None:
        """Return the suite of an index, or None if the lock has none in this archive.

        A lock may have a suite at several times, for packages that kept their version. Then it is the one whose release
        names the index; whether it is signed, and lists the index, is checked later.
        """
        found = [suite for suite in self._lock.suites if (suite.suite, suite.archive) == (index.suite, archive)]
        for suite in found if len(found) > 1 else ():
            path = self._release(suite)
            if path is not None and index.sha256.encode() in path.read_bytes():
                return suite
        return found[0] if found else None

    def _is_of(self, index: LockedIndex, package: LockedPackage) -> bool:
        """Return whether a package's file belongs to the component and architecture of the index."""
        found, pool = _INDEX.match(index.file), _POOL.match(package.file)
        if found is None or found[2] != self._lock.arch:
            what = f"{index.file!r:.100} is not a list of binary packages for {self._lock.arch}"
            self._report.add(TRACE, f"suite {index.suite}", what)
            return False
        if pool is None or pool[1] != found[1]:
            what = f"its file {package.file!r:.200} is not of the component {found[1]}, whose index lists it"
            self._report.add(TRACE, f"package {package.name}", what)
            return False
        return True

    def _text(self, suite: LockedSuite, index: LockedIndex) -> _Text | None:
        key = digest_key(index.sha256, index.sha512)
        if key not in self._texts:
            self._texts[key] = self._open(suite, index)
        return self._texts[key]

    def _open(self, suite: LockedSuite, index: LockedIndex) -> _Text | None:
        path, remote = self._evidence.index(index.sha256, index.sha512), self._evidence.remote
        why = "is not available"
        if path is not None and not deb_reader.is_file(path, index.size, index.sha256, index.sha512):
            path, why = None, "is damaged in the cache"
        if path is None and remote is not None:
            try:
                path = remote.index(suite, index)
            except FpackError as error:
                why = unavailable(error)
        if path is None:
            self._report.note(f"the index of {index.suite} {why}")
            return None
        with open(path, "rb") as file:
            # An empty file cannot be mapped.
            text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if index.size else b""
        return _Text(text, _starts(text, {pin.name.encode() for pin in self._lock.packages}))

    def _is_signed(self, suite: LockedSuite, index: LockedIndex) -> bool:
        key = f"{suite.sha256} {digest_key(index.sha256, index.sha512)}"
        if key not in self._signed:
            self._signed[key] = self._verify(suite, index)
        return self._signed[key]

    def _verify(self, suite: LockedSuite, index: LockedIndex) -> bool:
        path = self._release(suite)
        if path is None:
            return False
        try:
            keyring = find_keyring(self._evidence.keyring, archive=suite.archive)
            # The image may be newer or older than the key's expiry; the key must have been valid when it signed.
            signed = verify(path.read_bytes(), keyring, str(path), now=time.time(), new=False)
            found = parse_release(signed.text, suite.sha256, str(path))
        except KeyringError as error:
            self._report.note(f"the signature of {suite.suite} cannot be checked: {error.what}")
            return False
        except FpackError as error:
            self._report.add(TRACE, f"suite {suite.suite}", ": ".join(part for part in (error.what, error.why) if part))
            return False
        problem = self._problem(suite, index, found)
        if problem:
            self._report.add(TRACE, f"suite {suite.suite}", problem)
        else:
            self.signatures[suite.sha256] = signed.signatures[0]
            self.signed.setdefault(suite.suite, signed.signatures[0])
        return not problem

    def _release(self, suite: LockedSuite) -> Path | None:
        if suite.sha256 not in self._releases:
            self._releases[suite.sha256] = self._find_release(suite)
        return self._releases[suite.sha256]

    def _find_release(self, suite: LockedSuite) -> Path | None:
        path, why = self._evidence.release(suite.sha256), "is not available"
        if path is not None and deb_reader.digest(path)[0] == suite.sha256:
            return path
        if self._evidence.remote is not None:
            try:
                return self._evidence.remote.release(suite)
            except FpackError as error:
                why = unavailable(error)
        self._report.note(f"the signed release of {suite.suite} {why}")
        return None

    def _problem(self, suite: LockedSuite, index: LockedIndex, found: Release) -> str:
        """Return how a signed Release file contradicts the lock or lacks the index, or "" if it agrees."""
        if not is_of(found, suite.suite):
            return f"its signed release is of {found.name}"
        of_release = ALL_RELEASES.get(self._lock.release)
        if of_release is not None and (suite.suite, suite.archive) not in [item[:2] for item in of_release]:
            return f"it is not a suite of {self._lock.release} in the archive {suite.archive}"
        if (suite.date, suite.until) != (found.date, found.until):
            return f"its signed release is dated {show_date(found.date)}, unlike in the lock"
        plain = index.file.rpartition("/")[0] + "/Packages"
        for path, size, digests in (
            (plain, index.size, (index.sha256, index.sha512)),
            (index.file, index.packed_size, (index.packed_sha256, index.packed_sha512)),
        ):
            listed = found.files.get(path)
            if listed is None or listed.size != size or not _agree(digests, (listed.sha256, listed.sha512)):
                return f"its signed release does not list {path} with the digest {' and '.join(filter(None, digests))}"
        return ""


def _agree(locked: tuple[str, str], signed: tuple[str, str]) -> bool:
    """Return whether each digest that a lock has is the signed one. A lock has one at least."""
    return any(locked) and all(not mine or mine == theirs for mine, theirs in zip(locked, signed, strict=True))


def _lists(text: Buffer, starts: Iterable[int], package: LockedPackage) -> bool:
    """Return whether one of the stanzas at `starts` is exactly this package as locked."""
    wanted = {
        "Package": package.name,
        "Version": package.version,
        "Architecture": package.arch,
        "Size": str(package.size),
        "Filename": package.file,
    }
    for start in starts:
        fields = _stanza(text, start)
        source = _SOURCE.match(fields.get("Source", package.name))
        sources = (source[1], source[2] or package.version) if source is not None else None
        if sources != (package.source, package.source_version):
            continue
        signed = fields.get("SHA256", ""), fields.get("SHA512", "")
        if not _agree((package.sha256, package.sha512), signed):
            continue
        if all(fields.get(key, "").removeprefix("./") == value for key, value in wanted.items()):
            return True
    return False


def _stanza(text: Buffer, start: int) -> dict[str, str]:
    end = text.find(b"\n\n", start)
    stanza = text[start : end if end >= 0 else len(text)].decode("utf-8", "replace")
    lines = [line for line in stanza.split("\n") if line[:1] not in (" ", "\t")]
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _starts(text: Buffer, names: Collection[bytes]) -> dict[str, list[int]]:
    """Return the offsets of the packages' stanzas. Search in one pass: an index has 50 MB and there are many names."""
    found: dict[str, list[int]] = {}
    first = re.match(rb"Package:[ \t]*([^\s]+)", text)
    stanzas = [(match.start() + 1, match[1]) for match in _PACKAGE.finditer(text) if match[1] in names]
    if first is not None and first[1] in names:
        stanzas.insert(0, (0, first[1]))
    for start, name in stanzas:
        found.setdefault(name.decode(), []).append(start)
    return found
