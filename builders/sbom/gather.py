"""Make the bill of materials of an image from its manifest and the facts of the store paths in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, MTIME, SYMLINK, Head, ManifestEntry, PathOrigin
from fpack.builders.manifest.reader import ManifestReader
from fpack.store.path import parse

from . import base_components, fragments
from . import provenance as origins
from .components import common_licence, described, image_component, system_component, together
from .dependencies import LoadedFile, loaded, roots
from .facts import ARCHIVE, EXECUTABLE, STRUCTURED, Facts, FileFacts, PackageFacts
from .model import (
    BUILD_TOOL_OF,
    BUILT_USING,
    CONTAINS,
    DEPENDS_ON,
    GENERATED_FROM,
    Bill,
    BillFile,
    BillRelation,
    Component,
    CopyrightFacts,
    Hashes,
    Licence,
)
from .parts.part import PartFacts, stated
from .parts.vendored import OWN
from .provenance import LockFacts, Provenance
from .purl import cpe, debian, upstream_version

_BUILT_USING = re.compile(r"(?<![a-z0-9+.-])([a-z0-9][a-z0-9+.-]*+)\s*\(=\s*+([^()\s]++)\s*\)")
# Sources of these kinds are a part of what is built from them. Those of kind "source" are its source code.
_PARTS = ("npm", "pypi", "golang", "cargo", "gem")


class PathWanted(NamedTuple):
    """A store path whose facts a bill needs. table: it has a table. package: its package, or ""."""

    path: str
    table: bool
    package: str
    derivation: str | None


def wanted(head: Head) -> list[PathWanted]:
    """Return the store paths whose facts the bill of an image needs, sorted."""
    tables = {path for layer in head.layers for path, prefix in layer.parts if not prefix}
    return [PathWanted(o.path, o.path in tables, o.package, o.derivation) for o in head.paths]


def gather(
    data: bytes, facts: Mapping[str, Facts], sources: Mapping[str, Facts], tool: str, digest: bytes, supplier: str = ""
) -> Bill:
    """Return the bill of an image.

    data: its manifest. facts: of each path that `wanted` returns. sources: of the sources of builds and of archives of
    packages, by the digests of their derivations. tool: the version of fpack. digest: of all facts.
    supplier: who supplies the image, as `Name <address>`; by default the vendor that a label of the image names.
    """
    reader = ManifestReader(data)
    return _BillState(reader, facts, sources, supplier).bill(tool, _serial(data, digest, tool, supplier))


def _serial(data: bytes, digest: bytes, *texts: str) -> str:
    """Return a UUID of version 8 made of a digest. Source: RFC 9562, section 5.8."""
    content = hashlib.sha256(hashlib.sha256(data).digest() + digest + "\n".join(texts).encode()).digest()
    number = int.from_bytes(content[:16]) & ~(0xF << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return re.sub("(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-", f"{number:032x}", count=1)


class _BillState:
    """The state of the collection of one bill: components by ref, and the ref of each store path."""

    def __init__(
        self, reader: ManifestReader, facts: Mapping[str, Facts], sources: Mapping[str, Facts], supplier: str
    ) -> None:
        self._reader = reader
        self._head = reader.head
        self._facts = facts
        self._sources = sources
        self._provenance = Provenance(reader.head, reader.derivations)
        self._packages = {f.package.name: f for f in facts.values() if f.package is not None}
        self._components: dict[str, Component] = {}
        self._relations: set[BillRelation] = set()
        self._refs: dict[str, str] = {}  # by store path
        self._by_package: dict[str, str] = {}
        self._source_urls: dict[str, set[str]] = {}  # by the ref of a source package
        self._of_base: dict[str, str] = {}  # the ref of each package and path of the base
        self._licences: dict[str, tuple[Licence, str]] = {}  # of every file of a component, and its copyright
        self._meta = {meta.path: meta for meta in reader.head.meta}
        self._subject = described(image_component(reader.head, supplier), self._meta.get(self._head.image.path))

    def bill(self, tool: str, serial: str) -> Bill:
        """Collect everything."""
        subject = self._subject.ref
        self._relate(subject, CONTAINS, self._add(system_component(self._facts, self._provenance, self._head.base)))
        builds = [origin for origin in self._head.paths if self._path(origin)]
        inside = sorted(set(self._refs.values()) - {subject})
        for ref in inside:
            self._relate(subject, CONTAINS, ref)
        files, loads = self._files()
        self._dependencies(loads, inside)
        for origin in builds:
            self._built_from(self._refs[origin.path], origin.derivation)
        for digest in self._provenance.scripts():
            self._built_from(subject, digest)
        for origin in self._head.paths:
            self._fragments(self._refs[origin.path], self._facts[origin.path])
        for ref, urls in self._source_urls.items():
            self._components[ref] = self._components[ref]._replace(urls=tuple(sorted(urls)))
        self._conclude(inside)
        self._base()
        dates = [suite.date for suite in self._head.lock.suites]
        return Bill(
            subject=self._subject,
            components=tuple(self._components[ref] for ref in sorted(self._components)),
            files=tuple(files),
            relations=tuple(sorted(self._relations)),
            tool=tool,
            created=max(dates, default=MTIME),
            serial=serial,
            complete=True,
        )

    def _conclude(self, inside: list[str]) -> None:
        """State the licence and the copyright of the image and the system: those of their parts, if each has some."""
        parts = [self._components[ref] for ref in inside]
        packages = [part for part in parts if part.kind == "deb"]
        self._subject = together(self._subject, parts)
        for ref, component in self._components.items():
            if component.kind == "operating-system":
                self._components[ref] = together(component, packages)

    def _add(self, component: Component) -> str:
        """Add a component unless it is known. One in the image is more than a tool of a build."""
        known = self._components.get(component.ref)
        if known is None or (known.build_only and not component.build_only):
            self._components[component.ref] = component
        return component.ref

    def _relate(self, start: str, kind: str, end: str) -> None:
        self._relations.add(BillRelation(start, kind, end))

    # The parts of the image.

    def _path(self, origin: PathOrigin) -> bool:
        """Add the component of a store path. Return whether it is that of a build."""
        facts = self._facts[origin.path]
        if facts.package is not None:
            ref = self._package(origin, facts, facts.package)
            self._by_package[origin.package] = ref
        elif self._is_table(origin.path):
            ref = self._subject.ref  # the container's own files, and what fpack and scripts made in it
        else:
            drv = self._reader.derivations.get(origin.derivation or "")
            path = parse(origin.path)
            name, version = origins.split_name(path.name)
            kind = "source" if drv is not None and drv.kind in ("source", "text", "fetch") else "build"
            # A download has another supplier than the image, and nobody states which.
            supplier = "" if drv is None or drv.kind == "fetch" else self._subject.supplier
            made = Component(f"path:{path.base}", kind, name, version, supplier=supplier)
            ref = self._add(described(made, self._meta.get(origin.path)))
        self._refs[origin.path] = ref
        return ref != self._subject.ref and facts.package is None

    def _is_table(self, path: str) -> bool:
        return any((path, "") in layer.parts for layer in self._head.layers)

    def _package(self, origin: PathOrigin, facts: Facts, package: PackageFacts) -> str:
        deb = self._provenance.deb(origin.derivation)
        known = self._provenance.locked_source(package.name, package.version)
        locked = known._replace(source=package.source, source_version=package.source_version)
        copyright_facts, copyright_file = self._copyright(facts, package)
        declared = copyright_facts.declared if copyright_facts is not None else Licence()
        url = debian(locked.distribution, locked.release, *package[:3], locked.source, locked.source_version)
        component = Component(
            ref=url,
            kind="deb",
            name=package.name,
            version=package.version,
            arch=package.arch,
            purl=url,
            cpe=cpe("a", "", package.source, upstream_version(package.source_version)),
            supplier=package.maintainer,
            originator=copyright_facts.upstream_contact if copyright_facts is not None else "",
            homepage=package.homepage,
            description=package.description,
            declared=declared,
            effective=Licence(declared.original, declared.expression),
            copyright=copyright_facts.copyright if copyright_facts is not None else "",
            texts=copyright_facts.texts if copyright_facts is not None else (),
            hashes=package.file,
            size=package.size,
            urls=self._provenance.urls(deb),
            file=self._provenance.file_name(deb),
            copyright_file=copyright_file,
        )
        self._add(component)
        self._licences[url] = common_licence(copyright_facts)
        urls = self._provenance.source_urls(deb, package.source, package.source_version)
        self._source_package(component, locked, package, urls)
        return url

    def _copyright(self, facts: Facts, package: PackageFacts) -> tuple[CopyrightFacts | None, bytes]:
        """Return what a package's copyright file says, and the file itself. It may be that of another package."""
        seen = {package.name}
        while facts.copyright is None and package.documentation not in seen:
            seen.add(package.documentation)
            other = self._packages.get(package.documentation)
            if other is None or other.package is None:
                return None, b""
            facts, package = other, other.package
        return facts.copyright, facts.copyright_file

    def _source_package(
        self, binary: Component, locked: LockFacts, package: PackageFacts, urls: tuple[str, ...]
    ) -> None:
        source = origins.source_component(locked)
        about = source._replace(
            cpe=binary.cpe,
            supplier=binary.supplier,
            originator=binary.originator,
            homepage=binary.homepage,
            declared=binary.declared,
            effective=binary.effective,
            copyright=binary.copyright,
            texts=binary.texts,
        )
        self._source_urls.setdefault(source.ref, set()).update(urls)
        known = self._components.get(source.ref)
        if known is None or (not known.declared.original and binary.declared.original):
            self._components[source.ref] = about
        self._relate(binary.ref, GENERATED_FROM, source.ref)
        for text in (package.built_using, package.static_built_using):
            for name, version in _BUILT_USING.findall(text):
                used = origins.source_component(locked._replace(source=name, source_version=version))
                self._relate(binary.ref, BUILT_USING, self._add(used))

    def _fragments(self, ref: str, facts: Facts) -> None:
        """Add what the own bills of materials of a path list. What is known of a component by itself comes first."""
        if ref == self._subject.ref:
            return
        if facts.unread:
            self._components[ref] = self._components[ref]._replace(unread_bills=facts.unread)
        for part in facts.fragments:
            found = fragments.component(part)
            known = self._components.get(found.ref)
            if found.ref not in (ref, self._subject.ref):
                self._add(found if known is None else known._replace(build_only=False))
                self._relate(ref, DEPENDS_ON, found.ref)

    def _base(self) -> None:
        """Add the packages of the image's base. One that the image has itself stays as it is."""
        for _, component, source in base_components.components(self._head.base) if self._head.base is not None else ():
            if self._components.get(component.ref, component).build_only or component.ref not in self._components:
                self._components[component.ref] = component
            self._relate(self._subject.ref, CONTAINS, component.ref)
            if source is not None:
                self._relate(component.ref, GENERATED_FROM, self._add(source))

    # Files.

    def _files(self) -> tuple[list[BillFile], list[LoadedFile]]:
        """Return the image's files and links, sorted by path, and the same as `dependencies` reads them."""
        files: list[BillFile] = []
        loads: list[LoadedFile] = []
        for number, (layer, entries) in enumerate(self._reader.entries()):
            below = self._refs_of_base(number)
            refs = [self._refs[path] for path, _ in layer.parts]
            tables = [self._facts[path].files for path, _ in layer.parts]
            for entry in entries:
                if entry.kind == DIRECTORY or entry.part is None:
                    continue
                facts = tables[entry.part].get(entry.sha256)
                ref = next(below, None) or self._component_of(entry, refs[entry.part])
                path, target = _text(entry.path), _text(entry.target)
                flags = facts.flags if facts is not None else 0
                licence, text = self._licences.get(ref, (Licence(), ""))
                files.append(
                    BillFile(
                        path=path,
                        kind=entry.kind,
                        mode=entry.mode,
                        uid=entry.uid,
                        gid=entry.gid,
                        size=entry.size,
                        hashes=_hashes(entry, facts),
                        target=target,
                        component=ref,
                        layer=layer.diff_id,
                        executable=entry.kind == "f" and bool(entry.mode & 0o111 or flags & EXECUTABLE),
                        archive=bool(flags & ARCHIVE),
                        structured=bool(flags & STRUCTURED),
                        licence=licence,
                        copyright=text,
                    )
                )
                loads.append(LoadedFile(path, ref, target, facts))
        return sorted(files), loads

    def _refs_of_base(self, number: int) -> Iterator[str]:
        """Yield the component of each file of a layer of the base, if the base's own manifest tells it."""
        base = self._head.base
        if base is not None and base.own is not None and number < base.layers:
            if not self._of_base:
                self._of_base = {name: part.ref for name, part, _ in base_components.components(base)}
            for owner in base_manifest.owners(base.own, number):
                yield self._of_base.get(owner, self._subject.ref)

    def _component_of(self, entry: ManifestEntry, ref: str) -> str:
        """Return the component of an entry. What a maintainer script made is of its package."""
        if entry.origin is None:
            return ref
        if entry.origin.kind == CONFIGURED:
            return self._by_package.get(entry.origin.package, self._subject.ref)
        return self._subject.ref

    # Relations.

    def _dependencies(self, files: list[LoadedFile], inside: list[str]) -> None:
        edges = loaded(files)
        for path, facts in self._facts.items():
            start = self._refs[path]
            ends = {self._refs[other] for other in facts.references if other in self._refs}
            edges.setdefault(start, set()).update(ends - {start})
        subject = self._subject.ref
        own = edges.pop(subject, set())
        # A link of the container to a package tells nothing of what the package needs.
        edges = {start: ends - {subject} for start, ends in edges.items()}
        for ref in roots(edges, [*self._seeds(), *(own & set(inside))], inside):
            self._relate(subject, DEPENDS_ON, ref)
        for start, ends in edges.items():
            for end in ends:
                self._relate(start, DEPENDS_ON, end)

    def _seeds(self) -> Iterator[str]:
        """Yield the packages that the container asks for by name."""
        for drv in self._reader.derivations.values():
            if drv.kind == "root":
                for item in drv.args.get("slices", ()):
                    if item.get("seed") and item.get("package") in self._by_package:
                        yield self._by_package[item["package"]]

    def _built_from(self, ref: str, digest: str | None) -> None:
        """Add what a build was made from: sources, locked packages of languages, and Debian's packages as tools."""
        inside = set(self._by_package.values())
        # Inputs of another build in the image are stated for that build.
        builds = [o.derivation for o in self._head.paths if not o.package and not self._is_table(o.path)]
        stop = frozenset(build for build in builds if build is not None)
        behind = self._provenance.behind(digest, stop)
        states = {digest: self._sources[digest].stated for digest in behind if digest in self._sources}
        for source in self._provenance.sources(behind):
            known = {(part.kind, part.name, part.version): part for part in states.get(source, ())}
            for part in self._sources[source].locked if source in self._sources else ():
                component = stated(origins.locked_component(part), known.get(part[:3]))
                self._relate(ref, DEPENDS_ON, self._add(component))
        self._own(ref, [part for digest in sorted(states) for part in states[digest] if part.kind == OWN])
        packages = {digest: parts[0] for digest, parts in states.items() if parts and parts[0].kind != OWN}
        for component in self._provenance.components(behind, packages):
            if component.ref in inside:
                self._relate(component.ref, BUILD_TOOL_OF, ref)
                continue
            self._add(component)
            if component.build_only:
                self._relate(component.ref, BUILD_TOOL_OF, ref)
            else:
                self._relate(ref, DEPENDS_ON if component.kind in _PARTS else GENERATED_FROM, component.ref)

    def _own(self, ref: str, parts: list[PartFacts]) -> None:
        """Add to a build what its source states of itself, if it has one source. What is known already counts."""
        component = self._components.get(ref)
        if component is not None and component.kind == "build" and len(parts) == 1:
            part = parts[0]._replace(hashes=Hashes(), size=0, file="")
            self._components[ref] = stated(component, part)


def _text(path: bytes) -> str:
    """Return a path as a bill has it, whatever the locale is."""
    return path.decode("utf-8", "surrogateescape")


def _hashes(entry: ManifestEntry, facts: FileFacts | None) -> Hashes:
    """Return the digests of an entry. The content of a symlink is its target."""
    if entry.kind == SYMLINK:
        return Hashes(*(hashlib.new(name, entry.target).hexdigest() for name in ("sha256", "sha512", "sha1")))
    return facts.hashes if facts is not None else Hashes(sha256=entry.sha256.hex())
