"""Every entry of an image, traced: to a package's .deb, the lock, the index and Debian's signature, or to elsewhere.

The manifest's derivations say which .deb a slice was made of. Where that file is at hand it is unpacked and compared
entry by entry; else the payload in the store is; else the report says that neither was. What no package ships, and no
rule of fpack's makes from what packages ship, is listed as from elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
from fpack.builders.verify.evidence.local import AtHand
from fpack.builders.verify.evidence.shipment import NOTHING, PLAIN, Attributes, Evidence, Shipment
from fpack.store.derivation import Derivation, placeholder
from fpack.store.errors import FpackError

from .evidence import deb_reader
from .exclusions import Exclusions
from .findings import MANIFEST, TRACE, Report, unavailable
from .generated import DIRECTORIES, Generated
from .image_check import Labels
from .others import ATTRIBUTES, BUILT, FILES, PACKAGE, Other, Others
from .paths import Paths

WORKERS = 2
WAITING = 8  # packages whose entries are held at once
MAX_NAMED = 5


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
    """The tracing of one image. `watch` and `visit` take the layers one by one; `finish` says what was never there.

    packages: those of the image. others: entries that are from elsewhere.
    """

    def __init__(self, reader: ManifestReader, hand: AtHand, report: Report) -> None:
        self.packages: list[Traced] = []
        self.others = Others()
        self._head = reader.head
        self._derivations = reader.derivations
        self._hand = hand
        self._report = report
        self._archives = Archives(self._head.lock, hand, report)
        self._places = {place.path: place for place in self._head.paths}
        self._locked = {pin.name: pin for pin in self._head.lock.packages}
        self._label = Labels(self._head)
        self._paths = Paths(lenient=self._head.format == 1)
        self._exclusions = Exclusions(self._head)
        self._generated = Generated()
        self._made: list[ManifestEntry] = []
        self._evidence: dict[str, Evidence] = {}
        self._count = dict.fromkeys(Claims._fields, 0)
        # Unpacking takes the time, and lets go of the interpreter. `jobs` are in order, so that reports are.
        self._pool = ThreadPoolExecutor(WORKERS)
        self._jobs: deque[Future[tuple[Traced, Report, Evidence]]] = deque()

    def watch(self, layer: ManifestLayer, entry: ManifestEntry) -> Callable[[bytes], None] | None:
        """Return the function that takes the content of a file while it is read; None if nobody needs it."""
        if entry.part is None or entry.origin is not None or not self._places[layer.parts[entry.part][0]].package:
            return None
        return self._generated.watch(entry)

    def visit(self, layer: ManifestLayer, entries: Sequence[ManifestEntry]) -> None:
        """Trace the entries of one layer."""
        self._paths.add(entries, self._report, self._label)
        shares: dict[int, list[ManifestEntry]] = {}
        for entry, origin, detail in self._origins(layer, entries):
            self._exclusions.meet(layer, entry, origin, detail)
            if origin == PACKAGE:
                assert entry.part is not None
                shares.setdefault(entry.part, []).append(entry)
            elif entry.kind != DIRECTORY:
                if origin in (GENERATED, CONFIGURED):
                    self._made.append(entry)
                else:
                    self.others.add(Other.of(entry, origin, detail))
            if entry.kind != DIRECTORY:
                self._count[origin] += 1
        restated = self._restated(layer)
        for number, (path, _) in enumerate(layer.parts):
            place = self._places[path]
            if place.package:
                self._jobs.append(self._pool.submit(self._package, place, shares.get(number, []), restated))
        while len(self._jobs) > WAITING:
            self._collect()

    def _origins(
        self, layer: ManifestLayer, entries: Sequence[ManifestEntry]
    ) -> Iterator[tuple[ManifestEntry, str, str]]:
        """List each entry that has a part, with its kind of origin and the detail."""
        parts = [self._origin(self._places[path], prefix) for path, prefix in layer.parts]
        for entry in entries:
            if entry.part is None:
                continue
            if entry.origin is None:
                yield entry, *parts[entry.part]
            elif entry.origin.kind == CONFIGURED:
                yield entry, CONFIGURED, f"{entry.origin.script} of {entry.origin.package}"
            else:
                yield entry, GENERATED, entry.origin.rule

    def _origin(self, place: PathOrigin, prefix: str) -> tuple[str, str]:
        """Return the kind of origin, and the detail, of a part's entries that state none."""
        if place.package:
            return PACKAGE, place.package
        if self._head.format == 1 and self._kind(place) == "root":
            return GENERATED, ""
        return (BUILT, f"kind {self._kind(place)}") if prefix else (FILES, "")

    def _kind(self, place: PathOrigin) -> str:
        made = self._derivations.get(place.derivation or "")
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
        """Wait for no more."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def signed(self) -> dict[str, Signature]:
        """By suite, the signature on its release that was accepted."""
        return self._archives.signed

    def finish(self) -> None:
        """Say what only the whole image shows, and that the manifest's parts go together."""
        while self._jobs:
            self._collect()
        used = {traced.package for traced in self.packages}
        for name in sorted(self._locked.keys() - used):
            self._report.add(MANIFEST, f"lock: {name}", "it is not in the image")
        self._paths.finish(self._report, self._label)
        self._exclusions.finish(self._report, self._label, self._paths.has)
        self._untraced()
        self._of_rules()
        self._of_directories()
        self._check_claims()
        self._check_graph()

    def _untraced(self) -> None:
        """Note the packages that were not compared, or are in no signed index."""
        for missing, what in (
            ([each.package for each in self.packages if not each.compared], "not compared with what Debian ships"),
            ([each.package for each in self.packages if not each.signed], "not found in an index that Debian signed"),
        ):
            if missing:
                more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
                text = f"{len(missing)} packages are {what}: {', '.join(missing[:MAX_NAMED])}{more}"
                self._report.note(text, first=True)

    def _of_rules(self) -> None:
        """Count as from elsewhere what no rule makes from the image's packages, and what scripts made."""
        offers = {offer for evidence in self._evidence.values() for offer in evidence.offers}
        scripts: set[tuple[str, str, bytes]] = set()
        for entry in self._made:
            origin = entry.origin
            if origin is not None and origin.kind == CONFIGURED:
                scripts.add((origin.package, origin.script, origin.sha256))
                self.others.add(Other.of(entry, CONFIGURED, f"{origin.script} of {origin.package}"))
            elif not self._generated.makes(entry, rule := origin.rule if origin is not None else "", offers):
                self.others.add(Other.of(entry, GENERATED, f"rule {rule}" if rule else ""))
        for package, script, sha256 in sorted(scripts):
            self._check_script(package, script, sha256)

    def _check_script(self, package: str, script: str, sha256: bytes) -> None:
        """Check that a script that is said to have made files is the one of the package's .deb."""
        evidence, where = self._evidence.get(package), f"package {package}"
        if evidence is None:
            self._report.add(MANIFEST, where, f"its {script} is said to have made files, and it is not in the image")
        elif evidence.scripts is None:
            self._report.note(f"the scripts of {package} are not at hand")
        elif evidence.scripts.get(script) != sha256:
            self._report.add(TRACE, where, f"its {script} is another one than that which is said to have made files")

    def _of_directories(self) -> None:
        """Count as from elsewhere directories whose mode and owner no package and no rule gives them."""
        shipped: dict[bytes, set[Attributes]] = {}
        for evidence in self._evidence.values():
            for path, attributes in evidence.directories.items():
                shipped.setdefault(path, set()).add(attributes)
        for path, attributes in self._paths.folders():
            allowed = shipped.get(path) or {DIRECTORIES.get(path, PLAIN)}
            if attributes not in allowed:
                self.others.add(Other(path, DIRECTORY, *attributes, ATTRIBUTES, ""))

    def _check_claims(self) -> None:
        """Compare the counts of the manifest's head with its entries."""
        claims, counted = self._head.claims, Claims(**self._count)
        if claims is not None and claims != counted:
            for name, said, found in zip(Claims._fields, claims, counted, strict=True):
                if said != found:
                    self._report.add(MANIFEST, f"claims: {name}", f"it says {said}, and has {found}")

    def _check_graph(self) -> None:
        """Every derivation that is named is there, and what was fetched is listed as a source."""
        known, report, head = self._derivations, self._report, self._head
        if len(self._locked) != len(head.lock.packages):
            report.add(MANIFEST, "lock", "it names a package twice")
        if head.lock.release and head.lock.arch != head.image.arch:
            report.add(MANIFEST, "lock: arch", f"it is for {head.lock.arch}, and the image for {head.image.arch}")
        if head.format > 1 and bool(head.executor) != any(made.kind == "exec" for made in known.values()):
            report.add(MANIFEST, "executor", f"it is {head.executor!r}, and the derivations say otherwise")
        named = [("the image", head.image.derivation)]
        named += [(layer.path, layer.derivation) for layer in head.layers]
        named += [(place.path, place.derivation) for place in head.paths if place.derivation is not None]
        for digest, made in known.items():
            named += [(f"{made.kind} {made.name} {digest}", each.derivation.hex()) for each in made.inputs]
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
                report.add(MANIFEST, f"source {source.name}", "it is not what its derivation says")

    def _restated(self, layer: ManifestLayer) -> set[bytes]:
        """The directories whose attributes a layer has from the image as a whole."""
        made = self._derivations.get(layer.derivation)
        rows = made.args.get("directories") if made is not None else None
        names = [row[0] for row in rows if isinstance(row, list) and row] if isinstance(rows, list) else []
        return {name.lstrip("/").encode("utf-8", "surrogateescape") for name in names if isinstance(name, str)}

    def _package(
        self, place: PathOrigin, entries: Sequence[ManifestEntry], restated: set[bytes]
    ) -> tuple[Traced, Report, Evidence]:
        """Trace one package, in a thread; its index comes later."""
        report, where = Report(), f"package {place.package}"
        chain = self._chain(place)
        compared, sha256, evidence = "", "", NOTHING
        if chain is None:
            report.add(MANIFEST, where, "its derivations do not lead to a package's file")
        else:
            payload, fetch = chain
            sha256 = str(fetch.args.get("sha256"))
            self._check_pin(where, place, self._derivations[payload], fetch, report)
            compared, shipment = self._find(place, payload, fetch, report)
            if shipment is not None:
                shipment.compare(place.package, entries, restated, report)
                evidence = shipment.evidence
        return Traced(place.package, place.version, sha256, len(entries), compared, "", False), report, evidence

    def _chain(self, place: PathOrigin) -> tuple[str, Derivation] | None:
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
        self, where: str, place: PathOrigin, payload: Derivation, fetch: Derivation, report: Report
    ) -> None:  # fmt: skip
        pin = self._locked.get(place.package)
        if pin is None:
            report.note(f"{place.package} is not in the lock: its file has the SHA-256 {fetch.args.get('sha256')}")
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

    def _find(self, place: PathOrigin, payload: str, fetch: Derivation, report: Report) -> tuple[str, Shipment | None]:
        """Find out what a package ships, and from what: `deb`, `payload`, or "" for nothing."""
        made = self._derivations[payload]
        origin = next((i.derivation.hex() for i in made.inputs), "")
        file = self._hand.built(origin)
        try:
            if file is not None and deb_reader.digest(file) == (fetch.args.get("sha256"), fetch.args.get("size")):
                return "deb", Shipment.of_deb(file)
            if file is not None:
                report.note(f"the file of {place.package} in the store is damaged")
            unpacked = self._hand.built(payload)
            if unpacked is not None:
                return "payload", Shipment.of_payload(unpacked)
        except FpackError as error:
            report.add(TRACE, f"package {place.package}", f"{error.what}: {error.why}")
            return "", None
        return self._fetched(place, fetch, report)

    def _fetched(self, place: PathOrigin, fetch: Derivation, report: Report) -> tuple[str, Shipment | None]:
        """Find out what a package ships from the archive."""
        pin, remote, why = self._locked.get(place.package), self._hand.remote, "is not at hand"
        if pin is not None and remote is not None and pin.sha256 == fetch.args.get("sha256"):
            try:
                with remote.deb(pin) as file:
                    return "deb", Shipment.of_deb(file)
            except FpackError as error:
                why = unavailable(error)
        report.note(f"the file of {place.package} {why}")
        return "", None


def _hashes(kind: str, args: Mapping[str, Any]) -> list[str]:
    """The hashes that a source has which is a package of a project's own lock."""
    if kind == "npm":
        return str(args.get("integrity", "")).split()
    if kind == "pypi":
        hashes = args.get("hashes")
        return [f"sha256:{each}" for each in hashes] if isinstance(hashes, list) else []
    return [str(args[name]) for name in ("zip", "mod") if args.get(name)] if kind == "gomod" else []
