"""Trace every entry of an image to a package's .deb, the lock, the index and Debian's signature, or list it as other.

The manifest's derivations name the .deb of each slice. If that file is available, its entries are compared with the
image; otherwise the payload in the store is; otherwise the report notes that neither was available. Entries that no
package ships, and that no rule of fpack generates from packages, are listed as others.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from fpack.builders.debian.signatures import Signature
from fpack.builders.manifest.format import (
    CONFIGURED,
    DIRECTORY,
    GENERATED,
    Claims,
    ManifestEntry,
    ManifestLayer,
    PathOrigin,
)
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify.evidence.archive_signature import Archives
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.builders.verify.evidence.shipment import NOTHING, PLAIN, Attributes, Evidence, Shipment
from fpack.store import threads
from fpack.store.derivation import Derivation
from fpack.store.errors import DamagedPath, FpackError, counted

from . import script_packages
from .bases.files import BaseFiles, check_own, check_owners, check_record
from .derivations import declared_digest, input_of, is_download, pin_differences
from .exclusions import Exclusions
from .findings import MANIFEST, TRACE, Report, show, unavailable
from .generated import DIRECTORIES, GeneratedRules
from .image_check import Labels
from .other_entries import ATTRIBUTES, BASE, BUILT, FILES, PACKAGE, OtherEntries, OtherEntry
from .paths import Paths
from .script_packages import TracedScripts

WORKERS = 2  # packages that are compared at a time
WAITING = 8  # packages whose entries are held at once
MAX_NAMED = 5


class TracedPackage(NamedTuple):
    """A package of the image. deb: the digest of its file, as of `declared_digest`. files: the number of its entries.

    compared: `deb`, `payload`, or "" if neither was available. suite: the suite whose index has it, or "". signed: the
    index is signed.
    """

    package: str
    version: str
    deb: str
    files: int
    compared: str
    suite: str
    signed: bool


class Trace:
    """A tracer of one image. `watch` and `visit` process the layers in order; `finish` completes the report.

    packages: the traced packages. others: entries that do not come from Debian's archive. scripts: the packages with
    which the maintainer scripts ran that made entries.
    """

    def __init__(self, reader: ManifestReader, local: LocalEvidence, report: Report) -> None:
        self.packages: list[TracedPackage] = []
        self.others = OtherEntries()
        self.scripts = TracedScripts([], "")
        self._head = reader.head
        self._derivations = reader.derivations
        self._local = local
        self._report = report
        self._archives = Archives(self._head.lock, local, report)
        self._path_origins = {item.path: item for item in self._head.paths}
        self._locked = {pin.name: pin for pin in self._head.lock.packages}
        self._label = Labels(self._head)
        self._paths = Paths(lenient=self._head.format == 1)
        self._exclusions = Exclusions(self._head)
        self._base = BaseFiles(self._head.base) if self._head.base is not None else None
        self._base_directories: dict[bytes, Attributes] = {}
        self._visited = 0
        self._generated = GeneratedRules()
        self._made: list[ManifestEntry] = []
        # Directories whose mode and owner a script set, according to the manifest: by path, with the script.
        self._set: dict[bytes, tuple[Attributes, str]] = {}
        self._configured: set[str] = set()  # the derivations of what scripts made
        self._evidence: dict[str, Evidence] = {}
        self._count = dict.fromkeys(Claims._fields, 0)
        # Unpacking dominates and releases the interpreter lock. The queue keeps the reports in order.
        self._pool = threads.Workers(WORKERS, "trace")
        self._jobs: deque[threads.ThreadJob[tuple[TracedPackage, Report, Evidence]]] = deque()

    def watch(self, layer: ManifestLayer, entry: ManifestEntry) -> Callable[[bytes], None] | None:
        """Return a consumer for the content of a file of the image, or None."""
        if self._base is not None and self._head.base is not None and self._visited < self._head.base.layers:
            return self._base.watch(entry)
        if entry.part is None or entry.origin is not None or not self._path_origins[layer.parts[entry.part][0]].package:
            return None
        return self._generated.watch(entry)

    def visit(self, layer: ManifestLayer, entries: Sequence[ManifestEntry]) -> None:
        number, self._visited = self._visited, self._visited + 1
        if self._head.base is not None and number < self._head.base.layers:
            self._of_base(number, entries)
            return
        self._paths.add(entries, self._report, self._label)
        shares: dict[int, list[ManifestEntry]] = {}
        for entry, origin, detail in self._origins(layer, entries):
            self._exclusions.meet(layer, entry, origin, detail)
            if origin == CONFIGURED and entry.part is not None:
                self._configured.add(self._path_origins[layer.parts[entry.part][0]].derivation or "")
            if origin == PACKAGE:
                assert entry.part is not None
                shares.setdefault(entry.part, []).append(entry)
            elif entry.kind != DIRECTORY:
                if origin in (GENERATED, CONFIGURED):
                    self._made.append(entry)
                else:
                    self.others.add(OtherEntry.of(entry, origin, detail))
            elif origin == CONFIGURED:
                self._set[entry.path] = ((entry.mode, entry.uid, entry.gid), detail)
            if entry.kind != DIRECTORY:
                self._count[origin] += 1
        restated = self._restated(layer)
        for number, (path, _) in enumerate(layer.parts):
            item = self._path_origins[path]
            if item.package:
                share = shares.get(number, [])
                self._jobs.append(self._pool.submit(partial(self._package, item, share, restated)))
        while len(self._jobs) > WAITING:
            self._collect()

    def _of_base(self, number: int, entries: Sequence[ManifestEntry]) -> None:
        """Add a layer of the base. After the last one, take what a container sees of them as their entries."""
        base, record = self._base, self._head.base
        assert base is not None and record is not None
        base.add(number, entries)
        check_owners(self._head, number, entries, self._report)
        self._count[BASE] += sum(entry.kind != DIRECTORY for entry in entries)
        if number + 1 < record.layers:
            return
        for below, visible in base.layers().items():
            layer = self._head.layers[below]
            self._paths.add(visible, self._report, self._label)
            for entry in visible:
                if entry.kind == DIRECTORY:
                    self._base_directories[entry.path] = (entry.mode, entry.uid, entry.gid)
                else:
                    self._exclusions.meet(layer, entry, BASE, layer.blob.digest)
                    self.others.add(OtherEntry.of(entry, BASE, layer.blob.digest))

    def _check_base(self) -> None:
        """Check the record of the base: hidden paths are in the base, and something else is there."""
        base, record = self._base, self._head.base
        if base is None or record is None:
            return
        check_record(self._head, self._derivations, self._report)
        check_own(self._head, self._report)
        base.check_packages(self._report)
        known = base.paths()
        for path in record.hidden:
            if path not in known or not self._paths.has(path):
                self._report.add(MANIFEST, show(path), "the manifest says that it hides a file of the base")

    def _origins(
        self, layer: ManifestLayer, entries: Sequence[ManifestEntry]
    ) -> Iterator[tuple[ManifestEntry, str, str]]:
        """Yield each entry that has a part, with the kind and detail of its origin."""
        parts = [self._origin(self._path_origins[path], prefix) for path, prefix in layer.parts]
        for entry in entries:
            if entry.part is None:
                continue
            if entry.origin is None:
                yield entry, *parts[entry.part]
            elif entry.origin.kind == CONFIGURED:
                yield entry, CONFIGURED, f"{entry.origin.script} of {entry.origin.package}"
            else:
                yield entry, GENERATED, entry.origin.rule

    def _origin(self, item: PathOrigin, prefix: str) -> tuple[str, str]:
        """Return the kind and detail of the origin of a part's entries that have no origin of their own."""
        if item.package:
            return PACKAGE, item.package
        if self._head.format == 1 and self._kind(item) == "root":
            return GENERATED, ""
        return (BUILT, f"kind {self._kind(item)}") if prefix else (FILES, "")

    def _kind(self, item: PathOrigin) -> str:
        made = self._derivations.get(item.derivation or "")
        return made.kind if made is not None else ""

    def _collect(self) -> None:
        traced, report, evidence = self._jobs.popleft().result()
        pin = self._locked.get(traced.package)
        if pin is not None:
            suite, signed = self._archives.vouch(pin)
            traced = traced._replace(suite=suite or "", signed=signed)
        self.packages.append(traced)
        self._evidence[traced.package] = evidence
        self._report.take(report)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.stop()

    @property
    def result(self) -> tuple[list[TracedPackage], OtherEntries, TracedScripts, dict[str, Signature]]:
        """Return the packages, the entries from elsewhere, the packages of scripts, and the signatures by suite."""
        return self.packages, self.others, self.scripts, self._archives.signed

    def finish(self) -> None:
        """Complete the report with checks of the whole image and of the manifest's consistency."""
        while self._jobs:
            self._collect()
        used = {traced.package for traced in self.packages} | script_packages.names(self._derivations)
        for name in sorted(self._locked.keys() - used):
            self._report.add(MANIFEST, f"lock: {name}", "it is not in the image")
        scripts = (self._configured, self._derivations, self._locked, self._archives, self._report)
        self.scripts = script_packages.trace(*scripts)
        if self.scripts.problem:
            self._report.note(f"maintainer scripts: {self.scripts.problem}")
        self._check_base()
        self._paths.finish(self._report, self._label)
        self._exclusions.finish(self._report, self._label, self._paths.has)
        self._untraced()
        self._of_rules()
        self._of_directories()
        self._check_claims()
        self._check_graph()

    def _untraced(self) -> None:
        """Note the packages that were not compared, or that no signed index has."""
        for missing, what in (
            (
                [traced.package for traced in self.packages if not traced.compared],
                "not compared with what the archive has",
            ),
            (
                [traced.package for traced in self.packages if not traced.signed],
                "not found in a signed index of the archive",
            ),
        ):
            if missing:
                more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
                count = counted(len(missing), "package is", "packages are")
                text = f"{count} {what}: {', '.join(missing[:MAX_NAMED])}{more}"
                self._report.note(text, first=True)

    def _of_rules(self) -> None:
        """Add to the others the entries of scripts, and the generated ones that no rule makes from the packages."""
        offers = {offer for evidence in self._evidence.values() for offer in evidence.offers}
        scripts: set[tuple[str, str, bytes]] = set()
        for entry in self._made:
            origin = entry.origin
            if origin is not None and origin.kind == CONFIGURED:
                scripts.add((origin.package, origin.script, origin.sha256))
                made = OtherEntry.of(entry, CONFIGURED, f"{origin.script} of {origin.package}")
                self.others.add_configured(made, entry.sha256, entry.target)
            elif not self._generated.makes(entry, rule := origin.rule if origin is not None else "", offers):
                self.others.add(OtherEntry.of(entry, GENERATED, f"rule {rule}" if rule else ""))
        for package, script, sha256 in sorted(scripts):
            self._check_script(package, script, sha256)

    def _check_script(self, package: str, script: str, sha256: bytes) -> None:
        """Check that a script that made files according to the manifest is the one in the package's .deb."""
        evidence, where = self._evidence.get(package), f"package {package}"
        if evidence is None:
            self._report.add(
                MANIFEST,
                where,
                f"the manifest says that its {script} made files, but the image does not have the package",
            )
        elif evidence.scripts is None:
            self._report.note(f"the scripts of {package} are not available")
        elif evidence.scripts.get(script) != sha256:
            self._report.add(
                TRACE, where, f"its {script} differs from the script that made files according to the manifest"
            )

    def _of_directories(self) -> None:
        """Add to the others the directories whose mode and owner do not come from a package or a rule."""
        shipped: dict[bytes, set[Attributes]] = {}
        for evidence in self._evidence.values():
            for path, attributes in evidence.directories.items():
                shipped.setdefault(path, set()).add(attributes)
        for path, attributes in self._paths.directories():
            allowed = shipped.get(path) or {DIRECTORIES.get(path, PLAIN)}
            if path in self._base_directories:
                allowed = {self._base_directories[path]}
            if attributes not in allowed:
                made, script = self._set.get(path, (None, ""))
                if made == attributes:
                    self.others.add_configured(OtherEntry(path, DIRECTORY, *attributes, CONFIGURED, script))
                else:
                    self.others.add(OtherEntry(path, DIRECTORY, *attributes, ATTRIBUTES, ""))

    def _check_claims(self) -> None:
        """Compare the counts of the manifest's head with its entries."""
        claims, counted = self._head.claims, Claims(**self._count)
        if claims is not None and claims != counted:
            for name, claimed, found in zip(Claims._fields, claims, counted, strict=True):
                if claimed != found:
                    self._report.add(MANIFEST, f"claims: {name}", f"it claims {claimed}, but has {found}")

    def _check_graph(self) -> None:
        """Check that every named derivation is present, and that every source agrees with its derivation."""
        known, report, head = self._derivations, self._report, self._head
        if len(self._locked) != len(head.lock.packages):
            report.add(MANIFEST, "lock", "it names a package twice")
        if head.lock.release and head.lock.arch != head.image.arch:
            report.add(MANIFEST, "lock: arch", f"it is for {head.lock.arch}; the image is for {head.image.arch}")
        if head.format > 1 and bool(head.executor) != any(made.kind == "exec" for made in known.values()):
            report.add(MANIFEST, "executor", f"it is {head.executor!r}, which contradicts the derivations")
        named = [("the image", head.image.derivation)]
        named += [(layer.path, layer.derivation) for layer in head.layers]
        named += [(item.path, item.derivation) for item in head.paths if item.derivation is not None]
        for digest, made in known.items():
            named += [(f"{made.kind} {made.name} {digest}", output.derivation.hex()) for output in made.inputs]
        for what, digest in named:
            if digest not in known:
                report.add(MANIFEST, what, f"its derivation {digest} is missing")
        for source in head.sources:
            origin = known.get(source.derivation)
            args: Mapping[str, Any] = origin.args if origin is not None else {}
            urls = args.get("urls", [args["url"]] if args.get("url") else [])
            wanted = (args.get("sha256", ""), args.get("tree", ""), args.get("size"), urls, _hashes(source.kind, args))
            found = (source.sha256, source.tree, source.size, list(source.urls), list(source.hashes))
            if origin is None or (origin.kind, origin.name) != (source.kind, source.name) or found != wanted:
                report.add(MANIFEST, f"source {source.name}", "it differs from its derivation")

    def _restated(self, layer: ManifestLayer) -> set[bytes]:
        """Return the directories of a layer whose attributes depend on the whole image."""
        made = self._derivations.get(layer.derivation)
        rows = made.args.get("directories") if made is not None else None
        names = [row[0] for row in rows if isinstance(row, list) and row] if isinstance(rows, list) else []
        return {name.lstrip("/").encode("utf-8", "surrogateescape") for name in names if isinstance(name, str)}

    def _package(
        self, item: PathOrigin, entries: Sequence[ManifestEntry], restated: set[bytes]
    ) -> tuple[TracedPackage, Report, Evidence]:
        """Trace one package, in a thread. `_collect` checks its index later."""
        report, where = Report(), f"package {item.package}"
        chain = self._chain(item)
        compared, digest, evidence = "", "", NOTHING
        if chain is None:
            report.add(MANIFEST, where, "its derivations do not lead to a package's file")
        else:
            payload, fetch = chain
            digest = declared_digest(fetch)
            self._check_pin(where, item, self._derivations[payload], fetch, report)
            compared, shipment = self._find(item, payload, fetch, report)
            if shipment is not None:
                shipment.compare(item.package, entries, restated, report)
                evidence = shipment.evidence
        return TracedPackage(item.package, item.version, digest, len(entries), compared, "", False), report, evidence

    def _chain(self, item: PathOrigin) -> tuple[str, Derivation] | None:
        """Return the digest of the derivation of a slice's payload, and the derivation of its .deb."""
        payload = input_of(self._derivations, item.derivation, "slice", "payload", "deb")
        fetch = input_of(self._derivations, payload, "deb", "deb", "fetch")
        return (payload, self._derivations[fetch]) if payload and fetch else None

    def _check_pin(
        self, where: str, item: PathOrigin, payload: Derivation, fetch: Derivation, report: Report
    ) -> None:  # fmt: skip
        pin = self._locked.get(item.package)
        if pin is None:
            report.note(f"{item.package} is not in the lock: its file has the digest {declared_digest(fetch)}")
            return
        for what, found, wanted in pin_differences(pin, item.version, payload, fetch):
            report.add(TRACE, where, f"its {what} is {found!r:.80}; the lock has {wanted!r}")

    def _find(self, item: PathOrigin, payload: str, fetch: Derivation, report: Report) -> tuple[str, Shipment | None]:
        """Return the files that a package ships and their evidence: `deb`, `payload`, or "" for none."""
        made = self._derivations[payload]
        origin = next((i.derivation.hex() for i in made.inputs), "")
        file = self._local.built(origin)
        try:
            if file is not None and is_download(fetch, file.disk):
                return "deb", Shipment.of_deb(file.disk)
            if file is not None:
                report.note(f"the file of {item.package} in the store is damaged")
            unpacked = self._local.built(payload)
            if unpacked is not None:
                with contextlib.suppress(DamagedPath):
                    return "payload", Shipment.of_payload(unpacked)
                report.note(f"the payload of {item.package} in the store is damaged")
        except FpackError as error:
            report.add(TRACE, f"package {item.package}", f"{error.what}: {error.why}")
            return "", None
        return self._fetched(item, fetch, report)

    def _fetched(self, item: PathOrigin, fetch: Derivation, report: Report) -> tuple[str, Shipment | None]:
        """Download the package from the archive and return its files as `_find` does."""
        pin, remote, why = self._locked.get(item.package), self._local.remote, "is not available"
        declared = fetch.args.get("sha256"), fetch.args.get("sha512", "")
        if pin is not None and remote is not None and (pin.sha256, pin.sha512) == declared:
            try:
                with remote.deb(pin) as file:
                    return "deb", Shipment.of_deb(file)
            except FpackError as error:
                why = unavailable(error)
        report.note(f"the file of {item.package} {why}")
        return "", None


def _hashes(kind: str, args: Mapping[str, Any]) -> list[str]:
    """Return the hashes of a source: of a project's own lock, or the SHA-512 of a download."""
    if kind == "npm":
        return str(args.get("integrity", "")).split()
    if kind == "pypi":
        hashes = args.get("hashes")
        return [f"sha256:{sha256}" for sha256 in hashes] if isinstance(hashes, list) else []
    if kind == "fetch":
        return [f"sha512:{args['sha512']}"] if args.get("sha512") else []
    return [str(args[name]) for name in ("zip", "mod") if args.get(name)] if kind == "gomod" else []
