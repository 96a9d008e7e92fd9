"""Judge findings by what an image has: its manifest, and the packages, programs and indexes that are on this machine.

Nothing is downloaded or built, unless the packages that fix vulnerabilities are to be fetched. What is not on this
machine is unknown, and then nothing is claimed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpack.builders.audit import go_programs
from fpack.builders.audit.contents import ImageKnowledge, Payload, collect, payload, payload_derivations
from fpack.builders.audit.evidence import DEBIAN, judge
from fpack.builders.audit.go_programs import GoProgram
from fpack.builders.audit.match import is_affected
from fpack.builders.audit.model import AFFECTED, NOT_AFFECTED, UNDER_INVESTIGATION, Finding
from fpack.builders.audit.source_binaries import source_binaries
from fpack.builders.debian.version import InvalidVersion, version_key
from fpack.builders.manifest.format import FILE
from fpack.builders.protocol import Cancelled
from fpack.store.derivation import decode
from fpack.store.errors import FpackError, NotCanonical, one_line

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.cli.workspace.fixed_packages import FetchedPackages, FixedPackages
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.files.checked_tree import CheckedTree
    from fpack.store.store import Store

MAX_INDEX = 1 << 30  # bytes
_SMALL = 64  # a shorter file is no program


def evidence(
    workspace: Workspace, readers: Callable[[], ManifestReader], fetch: bool = False
) -> Callable[[Finding], Finding]:
    """Return a function that judges the findings of an image. readers: returns a new reader of its manifest.

    fetch: fetch the packages of versions that fix vulnerabilities, and compare the image with them.
    """
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.cli.paths import cache_directory

    cache = cache_directory() / "debian"
    if fetch:
        from fpack.cli.workspace.fixed_packages import FixedPackages

        fixed = FixedPackages(workspace, readers().head.lock)
        return ImageEvidence(readers, LocalEvidence(workspace.store, cache), workspace.store, fixed).judge
    store = None
    try:
        store = workspace.store if workspace.has_store else None
    except FpackError:
        pass  # an image file needs no store
    return ImageEvidence(readers, LocalEvidence(store, cache), store).judge


class ImageEvidence:
    """The known contents of an image. Everything is read when the first finding needs it.

    archive: fetches packages that fix vulnerabilities; None to fetch nothing.
    """

    def __init__(
        self,
        readers: Callable[[], ManifestReader],
        local: LocalEvidence,
        store: Store | None,
        archive: FixedPackages | None = None,
    ) -> None:
        self._readers = readers
        self._local = local
        self._store = store
        self._archive = archive
        self._own: list[str] | None = None  # why packages of the image cannot be fetched, once that was tried
        self._fetched: dict[tuple[str, str, tuple[str, ...]], FetchedPackages] = {}
        self._fixed: dict[tuple[str, str, str], Payload] = {}
        self._binaries: dict[tuple[str, str], frozenset[str]] = {}

    def judge(self, finding: Finding) -> Finding:
        """Return the finding with the status that follows from the image."""
        advisory, product = finding.advisory, finding.product
        is_debian = product.ecosystem in DEBIAN
        if is_debian and finding.fixed:
            for name in (*(binary.name for binary in product.binaries), *advisory.parts.binaries):
                self._find_fixed(product.name, finding.fixed, name)
        compared = self._archive is not None and is_debian and bool(finding.fixed and product.binaries)
        if compared and finding.status in (AFFECTED, UNDER_INVESTIGATION):
            return self._compared(finding)
        return self._judged(finding)

    def _judged(self, finding: Finding) -> Finding:
        """Return the finding with the status that follows from what is on this machine."""
        advisory, product = finding.advisory, finding.product
        is_debian = product.ecosystem in DEBIAN
        known = any((product.name, finding.fixed, binary.name) in self._fixed for binary in product.binaries)
        if not any(advisory.parts) and not known and (product.binaries or not is_debian):
            return finding
        image = self._knowledge
        if is_debian:
            self._find_binaries(product.name, product.version)
            others = self._others(product.name, product.version)
            image = image._replace(fixed=self._fixed, binaries=self._binaries, payloads={**others, **image.payloads})
        if advisory.parts.symbols and not is_debian:
            image = image._replace(programs=self._programs[0], unread=self._programs[1])
        return judge(finding, image)

    def _compared(self, finding: Finding) -> Finding:
        """Return the finding with the status that follows also from packages of the archive.

        They are fetched only if nothing else clears the finding, and the comparison can. Why it did not is evidence.
        """
        from fpack.builders.audit.evidence import obstacles_to_comparison, same_as_fixed

        judged = self._judged(finding)
        if judged.status == NOT_AFFECTED:
            return judged
        product = finding.product
        reasons = self._fetch_own()
        self._find_binaries(product.name, product.version)
        image = self._knowledge._replace(binaries=self._binaries)
        reasons = reasons or obstacles_to_comparison(product, image)[:1] or self._fetch_fixed(finding)
        if not reasons:
            judged = self._judged(finding)
            if judged.status == NOT_AFFECTED:
                return judged
            reasons = list(same_as_fixed(finding, image._replace(fixed=self._fixed)).facts[:1])
        facts = tuple(one_line(f"nothing follows from a comparison with {finding.fixed}: {text}") for text in reasons)
        return judged._replace(evidence=(*judged.evidence, *facts))

    def _fetch_fixed(self, finding: Finding) -> list[str]:
        """Fetch the packages of a version that fixes a vulnerability. Return why that is not possible."""
        assert self._archive is not None
        product, fixed = finding.product, finding.fixed
        names = tuple(sorted({binary.name for binary in product.binaries}))
        if all((product.name, fixed, name) in self._fixed for name in names):
            return []

        def has_fix(version: str) -> bool:
            try:
                is_later = version_key(version) >= version_key(fixed)
            except InvalidVersion:
                return False
            return is_later and is_affected(product._replace(version=version), finding.advisory) is False

        found = self._fetched.get((product.name, fixed, names))
        if found is None:
            found = self._fetched[product.name, fixed, names] = self._archive.fetch(product.name, names, has_fix)
        for name, derivation in found.payloads.items():
            payload = self._payload(derivation)
            if payload is not None and (payload.source, payload.name) == (product.name, name):
                self._fixed[product.name, fixed, name] = payload
        return [found.absent] if found.absent else []

    def _fetch_own(self) -> list[str]:
        """Fetch the packages of the image that are not on this machine, once: each can have parts of any source.

        Return why that is not possible, as when the archive no longer has them.
        """
        if self._archive is None or self._own is not None:
            return self._own or []
        self._own = []
        lost = [
            digest
            for name, digest in payload_derivations(self._readers()).items()
            if digest and name not in self._knowledge.payloads
        ]
        if lost:
            try:
                self._archive.fetch_own(self._readers().derivations, lost)
            except Cancelled:
                raise
            except FpackError as error:
                self._own = [f"packages of the image are not on this machine and cannot be fetched: {error.what}"]
            del self._knowledge
        return self._own

    @cached_property
    def _knowledge(self) -> ImageKnowledge:
        return collect(self._readers(), self._payload)

    def _payload(self, derivation: str) -> Payload | None:
        """Return a package by the derivation of its payload, if the store has it undamaged."""
        from fpack.builders.payload import control_files, meta

        try:
            tree = self._local.built(derivation)
            if tree is None:
                return None
            entries, extra = meta.load(tree)
            scripts = control_files.read(tree)
            return payload(entries, extra, repr(sorted(scripts.items())).encode())
        except (FpackError, OSError, KeyError):
            return None

    # Packages in the version that fixes a vulnerability.

    @cached_property
    def _built(self) -> Mapping[str, list[tuple[str, str]]]:
        """Version and derivation of each package of Debian's archive whose payload the store has, by its name."""
        found: dict[str, list[tuple[str, str]]] = {}
        downloads: set[bytes] = set()
        debs = []
        for digest, body in self._store.database.built_derivations() if self._store is not None else ():
            # Decoding all of a large store takes long.
            if b"\xa3deb" not in body and b"mirror://" not in body:
                continue
            try:
                drv = decode(body)
            except NotCanonical:
                continue
            if drv.kind == "fetch" and all(str(url).startswith("mirror://") for url in drv.args.get("urls") or ("",)):
                downloads.add(digest)
            elif drv.kind == "deb":
                debs.append((digest, drv))
        for digest, drv in debs:
            if drv.inputs and all(output.derivation in downloads for output in drv.inputs):
                versions = found.setdefault(str(drv.args.get("package")), [])
                versions.append((str(drv.args.get("version")), digest.hex()))
        return found

    def _find_fixed(self, source: str, version: str, name: str) -> None:
        """Look in the store for a package of a version of a source."""
        if (source, version, name) not in self._fixed and (found := self._stored(source, version, name)) is not None:
            self._fixed[source, version, name] = found

    def _stored(self, source: str, version: str, name: str) -> Payload | None:
        """Return a package of a version of a source, if the store has it."""
        for _, digest in self._built.get(name, ()):
            found = self._payload(digest)
            if found is not None and (found.source, found.source_version, found.name) == (source, version, name):
                return found
        return None

    # Binary packages of a source.

    def _others(self, source: str, version: str) -> dict[str, Payload]:
        """Return the packages of a source that the image does not have, and the store has."""
        names = self._binaries.get((source, version), frozenset()) - self._knowledge.packages.keys()
        found = {name: self._stored(source, version, name) for name in sorted(names)}
        return {name: item for name, item in found.items() if item is not None}

    def _find_binaries(self, source: str, version: str) -> None:
        if (source, version) in self._binaries or (texts := self._indexes) is None:
            return
        # A source that no index has is unknown. It is not one without packages, whose files nobody can take.
        if found := source_binaries(texts, source, version):
            self._binaries[source, version] = found

    @cached_property
    def _indexes(self) -> list[bytes] | None:
        """The texts of the indexes of the image's lock, or None if one is not on this machine or is damaged."""
        found = []
        for pin in self._readers().head.lock.indexes:
            path = self._local.index(pin.sha256)
            try:
                data = _read(path, MAX_INDEX) if path is not None else b""
            except (FpackError, OSError):
                return None
            if hashlib.sha256(data).hexdigest() != pin.sha256:
                return None
            found.append(data)
        return found

    # Go programs.

    @cached_property
    def _programs(self) -> tuple[tuple[GoProgram, ...], tuple[str, ...]]:
        """The Go programs in the image, and the files that could be some and are not at hand."""
        programs, unread = [], []
        for path, disk, sha256 in self._files():
            data = None
            try:
                data = _program(disk) if disk is not None else None
            except (FpackError, OSError):
                pass
            if data is None or (data and hashlib.sha256(data).digest() != sha256):
                unread.append(path)
            elif data and (program := go_programs.read(path, data)) is not None:
                programs.append(program)
        return tuple(programs), tuple(unread)

    def _files(self) -> Iterator[tuple[str, Path | None, bytes]]:
        """Yield the path of each file of the image, where the store has it, and its SHA-256."""
        from fpack.store.path import parse

        trees: dict[str, CheckedTree | None] = {}
        for layer, entries in self._readers().entries():
            for entry in entries:
                if entry.kind != FILE or entry.size < _SMALL or entry.part is None:
                    continue
                part, prefix = layer.parts[entry.part]
                if part not in trees:
                    trees[part] = self._local.tree(parse(part))
                tree, path = trees[part], os.fsdecode(entry.path)
                inner = path.removeprefix(prefix.lstrip("/")).lstrip("/") if prefix else f"data/{path}"
                yield path, tree.disk / inner if tree is not None else None, entry.sha256


def _program(path: Path) -> bytes:
    """Return the content of a file if it is a program, else nothing. Raise OSError if it is too large."""
    from fpack.store.files.regular_file import open_stored

    with os.fdopen(open_stored(path), "rb") as file:
        if file.read(4) != go_programs.ELF_MAGIC:
            return b""
        if os.fstat(file.fileno()).st_size > go_programs.MAX_PROGRAM:
            raise OSError
        file.seek(0)
        return file.read()


def _read(path: Path, most: int) -> bytes:
    from fpack.store.files.regular_file import read_bytes

    data: Any = read_bytes(path, most)
    return bytes(data)
