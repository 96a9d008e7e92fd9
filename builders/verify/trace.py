"""Every Debian file of an image, traced: to its package's .deb, to the lock, to the index, to Debian's signature.

The manifest's derivations say which .deb a slice was made of. Where that file is at hand it is unpacked and compared
entry by entry; else the payload in the store is; else the report says that neither was.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders import meta
from fpack.builders.debian.signatures import Signature
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, Entry, Layer, Place
from fpack.builders.manifest.reader import Reader
from fpack.store.derivation import Derivation, placeholder
from fpack.store.errors import FpackError

from . import debs
from .athand import AtHand
from .debian import Archives
from .debs import Shipped
from .report import MANIFEST, TRACE, Report, show

WORKERS = 2
WAITING = 8  # packages whose entries are held at once
SET_ID = 0o6000
# The directories of old that merged /usr made links of; fpack moves their files.
MERGED = {b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"libo32"}
STATUS = b"var/lib/dpkg/status.d/"


class Traced(NamedTuple):
    """A package of the image. deb: the SHA-256 of its file. files: entries that come from it.

    compared: `deb`, `payload`, or "" if neither was at hand. suite: whose index has it, or "". signed: that index is.
    """

    package: str
    version: str
    deb: str
    files: int
    compared: str
    suite: str
    signed: bool


class Trace:
    """The tracing of one image. `visit` takes the layers one by one; `finish` says what was never there."""

    def __init__(self, reader: Reader, hand: AtHand, report: Report) -> None:
        self.packages: list[Traced] = []
        # Entries that come from no package: generated ones, and those of the project.
        self.others = 0
        self._head = reader.head
        self._derivations = reader.derivations
        self._hand = hand
        self._report = report
        self._archives = Archives(self._head.lock, hand, report)
        self._places = {place.path: place for place in self._head.paths}
        self._locked = {pin.name: pin for pin in self._head.lock.packages}
        # Unpacking takes the time, and lets go of the interpreter. `jobs` are in order, so that reports are.
        self._pool = ThreadPoolExecutor(WORKERS)
        self._jobs: deque[Future[tuple[Traced, Report]]] = deque()

    def visit(self, layer: Layer, entries: Sequence[Entry]) -> None:
        """Trace the entries of one layer."""
        shares: dict[int, list[Entry]] = {}
        for entry in entries:
            if entry.part is not None:
                shares.setdefault(entry.part, []).append(entry)
        restated = self._restated(layer)
        for number, (path, _) in enumerate(layer.parts):
            place = self._places[path]
            share = shares.get(number, [])
            if place.package:
                mine = [entry for entry in share if entry.kind != DIRECTORY or entry.path not in restated]
                self._jobs.append(self._pool.submit(self._package, place, mine))
            else:
                self.others += len(share)
        while len(self._jobs) > WAITING:
            self._collect()

    def _collect(self) -> None:
        traced, report = self._jobs.popleft().result()
        pin = self._locked.get(traced.package)
        if pin is not None:
            suite, signed = self._archives.vouch(pin)
            traced = traced._replace(suite=suite or "", signed=signed)
        self.packages.append(traced)
        self._report.take(report)

    def close(self) -> None:
        """Wait for no more."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def signed(self) -> dict[str, Signature]:
        """By suite, the signature on its release that was accepted."""
        return self._archives.signed

    def finish(self) -> None:
        """The lock has what was used, and no more; the manifest's parts go together."""
        while self._jobs:
            self._collect()
        used = {traced.package for traced in self.packages}
        for name in sorted(self._locked.keys() - used):
            self._report.add(MANIFEST, f"lock: {name}", "it is not in the image")
        self._check_graph()

    def _check_graph(self) -> None:
        """Every derivation that is named is there, and what was fetched is listed as a source."""
        known, report = self._derivations, self._report
        named = [("the image", self._head.image.derivation)]
        named += [(layer.path, layer.derivation) for layer in self._head.layers]
        named += [(place.path, place.derivation) for place in self._head.paths if place.derivation is not None]
        for digest, made in known.items():
            named += [(f"{made.kind} {made.name} {digest}", each.derivation.hex()) for each in made.inputs]
        for what, digest in named:
            if digest not in known:
                report.add(MANIFEST, what, f"its derivation {digest} is missing")
        for source in self._head.sources:
            origin = known.get(source.derivation)
            args: Mapping[str, Any] = origin.args if origin is not None else {}
            urls = args.get("urls", [args["url"]] if args.get("url") else [])
            wanted = (args.get("sha256", ""), args.get("tree", ""), args.get("size"), urls, _hashes(source.kind, args))
            found = (source.sha256, source.tree, source.size, list(source.urls), list(source.hashes))
            if origin is None or (origin.kind, origin.name) != (source.kind, source.name) or found != wanted:
                report.add(MANIFEST, f"source {source.name}", "it is not what its derivation says")

    def _restated(self, layer: Layer) -> set[bytes]:
        """The directories whose attributes a layer has from the image as a whole."""
        made = self._derivations.get(layer.derivation)
        rows = made.args.get("directories") if made is not None else None
        names = [row[0] for row in rows if isinstance(row, list) and row] if isinstance(rows, list) else []
        return {name.lstrip("/").encode("utf-8", "surrogateescape") for name in names if isinstance(name, str)}

    def _package(self, place: Place, entries: Sequence[Entry]) -> tuple[Traced, Report]:
        """Trace one package, in a thread; its index comes later."""
        report, where = Report(), f"package {place.package}"
        chain = self._chain(place)
        compared, sha256 = "", ""
        if chain is None:
            report.add(MANIFEST, where, "its derivations do not lead to a package's file")
        else:
            payload, fetch = chain
            sha256 = str(fetch.args.get("sha256"))
            self._check_pin(where, place, self._derivations[payload], fetch, report)
            compared = self._compare(place, payload, fetch, entries, report)
        return Traced(place.package, place.version, sha256, len(entries), compared, "", False), report

    def _chain(self, place: Place) -> tuple[str, Derivation] | None:
        """The derivation of a slice's payload, by digest, and that of its .deb."""
        payload = self._input(place.derivation, "slice", "payload", "deb")
        fetch = self._input(payload, "deb", "deb", "fetch")
        return (payload, self._derivations[fetch]) if payload and fetch else None

    def _input(self, digest: str | None, kind: str, field: str, wanted: str) -> str | None:
        """The input, of the kind `wanted`, that a field of a derivation names."""
        made = self._derivations.get(digest or "")
        if made is None or made.kind != kind:
            return None
        for each in made.inputs:
            other = self._derivations.get(each.derivation.hex())
            if other is not None and other.kind == wanted:
                text = str(placeholder(each.derivation, other.name, each.name))
                if made.args.get(field) == text:
                    return each.derivation.hex()
        return None

    def _check_pin(
        self, where: str, place: Place, payload: Derivation, fetch: Derivation, report: Report
    ) -> None:  # fmt: skip
        pin = self._locked.get(place.package)
        if pin is None:
            report.note(f"{place.package} is not in the lock: its file has the SHA-256 {fetch.args['sha256']}")
            return
        for what, found, wanted in (
            ("version", place.version, pin.version),
            ("version in its derivation", payload.args.get("version"), pin.version),
            ("name in its derivation", payload.args.get("package"), pin.name),
            ("SHA-256", fetch.args.get("sha256"), pin.sha256),
            ("size", fetch.args.get("size"), pin.size),
        ):
            if found != wanted:
                report.add(TRACE, where, f"its {what} is {found!r:.80}; the lock has {wanted!r}")

    def _compare(self, place: Place, payload: str, fetch: Derivation, entries: Sequence[Entry], report: Report) -> str:
        """Compare what is in the image with what the package ships. By what: `deb`, `payload`, or "" for nothing."""
        where = f"package {place.package}"
        made = self._derivations[payload]
        origin = next((i.derivation.hex() for i in made.inputs), "")
        file = self._hand.built(origin)
        try:
            if file is not None and debs.digest(file) == (fetch.args.get("sha256"), fetch.args.get("size")):
                _Shipment(debs.read(file)).compare(place.package, entries, report)
                return "deb"
            if file is not None:
                report.note(f"the file of {place.package} in the store is damaged")
            unpacked = self._hand.built(payload)
            if unpacked is not None:
                _Shipment(_payload(unpacked)).compare(place.package, entries, report)
                return "payload"
        except FpackError as error:
            report.add(TRACE, where, f"{error.what}: {error.why}")
            return ""
        report.note(f"the file of {place.package} is not at hand: its files are as the manifest has them")
        return ""


def _payload(place: Path) -> debs.Package:
    """An unpacked package of the store, by its table."""
    entries, extra = meta.read(place)
    files = {
        e.path.encode("utf-8", "surrogateescape"): Shipped(
            e.kind, e.mode, e.uid, e.gid, e.size, e.sha256, e.target.encode("utf-8", "surrogateescape")
        )
        for e in entries
    }
    return debs.Package(extra["control"], files)


def _hashes(kind: str, args: Mapping[str, Any]) -> list[str]:
    """The hashes that a source has which is a package of a project's own lock."""
    if kind == "npm":
        return str(args.get("integrity", "")).split()
    if kind == "pypi":
        hashes = args.get("hashes")
        return [f"sha256:{each}" for each in hashes] if isinstance(hashes, list) else []
    return [str(args[name]) for name in ("zip", "mod") if args.get(name)] if kind == "gomod" else []


class _Shipment:
    """What a package ships, at the places where fpack puts it."""

    def __init__(self, package: debs.Package) -> None:
        self._control = package.control
        self._files: dict[bytes, list[tuple[bytes, Shipped]]] = {}
        for path, shipped in package.files.items():
            top = shipped.kind == SYMLINK and b"/" not in path
            self._files.setdefault(path if top else _merged(path), []).append((path, shipped))

    def compare(self, package: str, entries: Sequence[Entry], report: Report) -> None:
        """Say which entries of the image the package does not have like that."""
        status = STATUS + package.encode()
        for entry in entries:
            if entry.path == status:
                if entry.sha256 != hashlib.sha256(self._status()).digest():
                    report.add(TRACE, show(entry.path), f"it is not the control data of {package}")
                continue
            origins = self._files.get(entry.path, [])
            if not any(_is(entry, path, shipped) for path, shipped in origins):
                what = "has something else there" if origins else "has no such file"
                report.add(TRACE, show(entry.path), f"the package {package} {what}")

    def _status(self) -> bytes:
        """dpkg's record of an installed package."""
        first, _, rest = self._control.strip("\n").partition("\n")
        return f"{first}\nStatus: install ok installed\n{rest.rstrip(chr(10))}\n".encode()


def _merged(path: bytes) -> bytes:
    return b"usr/" + path if path.split(b"/", 1)[0] in MERGED else path


def _is(entry: Entry, path: bytes, shipped: Shipped) -> bool:
    """Whether an entry is what a package has at `path`, less set-id bits."""
    if (entry.kind, entry.uid, entry.gid) != (shipped.kind, shipped.uid, shipped.gid):
        return False
    if entry.kind == SYMLINK:
        return entry.target == shipped.target or _leads(entry.path, entry.target) == _leads(path, shipped.target)
    if entry.kind == FILE and entry.sha256 != shipped.sha256:
        return False
    return entry.mode in (shipped.mode, shipped.mode & ~SET_ID if entry.kind == FILE else shipped.mode)


def _leads(path: bytes, target: bytes) -> bytes:
    """Where a link leads, in merged /usr."""
    full = target if target.startswith(b"/") else b"/" + posixpath.dirname(path) + b"/" + target
    return _merged(posixpath.normpath(full).lstrip(b"/"))
