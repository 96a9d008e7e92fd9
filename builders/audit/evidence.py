"""Say of a finding that the image is not affected, if that follows from what the image has.

There are three such claims: no binary package of the source is in the image; the files, binary packages or functions
that the advisory names are absent; or every file of the image that is from the source is the same in the version that
fixes it. A claim needs knowledge of all that could disprove it: copies in other packages, static linking, other names,
links, and files that moved to another package. If anything of that is unknown, nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fpack.builders.debian.version import InvalidVersion, version_key
from fpack.store.errors import one_line

from . import go_programs
from .contents import ImageEntry, ImageKnowledge, PackageFile, Payload
from .model import AFFECTED, NOT_AFFECTED, UNDER_INVESTIGATION, Finding, Product

NOT_IN_IMAGE = "component_not_present"
CODE_NOT_IN_IMAGE = "vulnerable_code_not_present"
DEBIAN = ("Debian", "Ubuntu")
GO = "Go"
STDLIB = "stdlib"

MAX_PARTS = 1_000  # that an advisory may name
MAX_FACTS = 20  # of one kind
_MAX_LINKS = 40  # symlinks to follow, as in Linux
# Control data of packages, in the form of dpkg's database. It has the names of packages, and no code.
_RECORDS = ("var/lib/dpkg/status.d/", "var/lib/dpkg/info/")
_DOCUMENTATION = ("usr/share/doc/", "usr/share/man/", "usr/share/lintian/")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}\Z")
_GLOB = frozenset("*?[]{}\\")


class Verdict(NamedTuple):
    """A conclusion about some parts. status: NOT_AFFECTED if all are absent, AFFECTED if one is there, or unknown."""

    status: str
    facts: tuple[str, ...]


def judge(finding: Finding, contents: ImageKnowledge) -> Finding:
    """Return a finding with the status that follows from the contents of the image, and the facts it follows from."""
    if finding.status not in (AFFECTED, UNDER_INVESTIGATION) or finding.product.base:
        return finding  # it is not known which files of a base are of which package
    for justification, verdict in _claims(finding, contents):
        if verdict.status == NOT_AFFECTED:
            facts = (*finding.evidence, *map(one_line, verdict.facts))
            return finding._replace(status=NOT_AFFECTED, justification=justification, evidence=facts)
    parts = _named(finding, contents)
    if parts is None:
        return finding
    # Parts that are there do not tell whether the version is affected, which the finding says.
    status = finding.status if parts.status == AFFECTED else UNDER_INVESTIGATION
    return finding._replace(status=status, evidence=(*finding.evidence, *map(one_line, parts.facts)))


def _claims(finding: Finding, contents: ImageKnowledge) -> Iterator[tuple[str, Verdict]]:
    if finding.product.ecosystem in DEBIAN:
        yield NOT_IN_IMAGE, _no_binary(finding.product, contents)
    named = _named(finding, contents)
    if named is not None:
        yield CODE_NOT_IN_IMAGE, named
    if finding.product.ecosystem in DEBIAN and finding.fixed and finding.product.binaries:
        yield CODE_NOT_IN_IMAGE, same_as_fixed(finding, contents)


def _unknown(*facts: str) -> Verdict:
    return Verdict(UNDER_INVESTIGATION, facts)


# Copies of a source that are not in its own packages.


def obstacles(product: Product, contents: ImageKnowledge) -> list[str]:
    """Return why code of a source package could be in the image outside of its own binary packages."""
    found = []
    for name in contents.packages:
        payload = contents.payloads.get(name)
        if payload is None:
            found.append(f"it is not known of which sources {name} contains parts")
        elif product.name in payload.uses and payload.source != product.name:
            found.append(f"{name} contains parts of {product.name} (Built-Using)")
        else:
            found += _taken(product, payload, contents)
    for name in sorted(contents.tools):
        source = contents.payloads[name].source if name in contents.payloads else contents.packages.get(name, "")
        if not source:
            found.append(f"a build in the image used {name}, whose source is not known")
        elif source == product.name:
            found.append(f"a build in the image used {name}, and can have parts of it")
    return found[:MAX_FACTS]


def _taken(product: Product, payload: Payload, contents: ImageKnowledge) -> Iterator[str]:
    """Yield a package of the source that a package of another source takes files of, or may take files of."""
    if payload.source == product.name:
        return
    every = contents.binaries.get((product.name, product.version))
    for name in payload.takes_over:
        other = contents.payloads.get(name)
        source = other.source if other is not None else contents.packages.get(name, "")
        if name in every if every is not None else source in (product.name, ""):
            yield f"{payload.name} can have files of {name}, which it replaces"


def _own_files(contents: ImageKnowledge) -> Iterator[str]:
    """Yield a file of the image that no package has, so that it can be anything."""
    for entry in contents.entries:
        if entry.kind == "f" and not entry.package and not entry.rule:
            yield f"/{entry.path} is of the container or of a build, and can have code of the source"
            return


def _no_binary(product: Product, contents: ImageKnowledge) -> Verdict:
    """Claim that no binary package of the source is in the image."""
    inside = [name for name, source in contents.packages.items() if source in (product.name, "")]
    if product.binaries or inside or not product.name:
        return _unknown()
    if found := [*obstacles(product, contents), *_own_files(contents)]:
        return _unknown(*found)
    count = len(contents.packages)
    none = f"none of the {count} packages in the image is" if count != 1 else "the only package in the image is not"
    return Verdict(NOT_AFFECTED, (f"{none} of the source {product.name}",))


# Parts that an advisory names.


def _named(finding: Finding, contents: ImageKnowledge) -> Verdict | None:
    """Return whether the named parts are in the image; None if the advisory names none. All have to be absent."""
    parts, product = finding.advisory.parts, finding.product
    if not any(parts):
        return None
    if sum(map(len, parts)) > MAX_PARTS:
        return _unknown(f"the advisory names more than {MAX_PARTS} parts")
    verdicts = []
    if parts.files or parts.binaries:
        if product.ecosystem not in DEBIAN:
            return _unknown("files are looked up only for packages of Debian and Ubuntu")
        if found := obstacles(product, contents):
            return _unknown(*found)
        search = _Search(product, contents)
        verdicts += [search.file(file) for file in parts.files]
        verdicts += [_binary(name, finding, contents, search) for name in parts.binaries]
    if parts.symbols:
        verdicts.append(_symbols(product, parts.symbols, contents))
    for status in (AFFECTED, UNDER_INVESTIGATION):
        if facts := [fact for verdict in verdicts if verdict.status == status for fact in verdict.facts]:
            return Verdict(status, tuple(facts))
    count = len(contents.entries)
    looked = f"looked for by path, name and content among all {count} files and links of the image"
    facts = [fact for verdict in verdicts for fact in verdict.facts]
    return Verdict(NOT_AFFECTED, (*facts, *([looked] if parts.files or parts.binaries else ())))


def stem(path: str) -> str:
    """Return what the names of a file's other versions, forms and renamed copies have in common.

    `libx.so.1.2`, `libx.so`, `libx.a` and `libx-2.so.distrib` are all `libx`.
    """
    name = path.rpartition("/")[2].lower().lstrip("._-")
    first = name.partition(".")[0]
    return first.rstrip("0123456789-_+~") or first


class _Search:
    """The lookup of files of a source package in an image."""

    def __init__(self, product: Product, contents: ImageKnowledge) -> None:
        self.product = product
        self.contents = contents
        exact = (product.name, product.version)
        self.own = [p for _, p in sorted(contents.payloads.items()) if (p.source, p.source_version) == exact]
        self._entries = [entry for entry in contents.entries if not entry.path.startswith(_RECORDS)]
        self.paths = {entry.path: entry for entry in self._entries}
        self._by_hash: dict[str, ImageEntry] = {}
        self._by_stem: dict[str, ImageEntry] = {}
        for entry in self._entries:
            self._by_stem.setdefault(stem(entry.path), entry)
            if entry.sha256:
                self._by_hash.setdefault(entry.sha256, entry)
            if entry.target:
                self._by_stem.setdefault(stem(entry.target), entry)

    def file(self, text: str) -> Verdict:
        """Look for a file that an advisory names."""
        name = text.strip("/")
        parts = name.split("/")
        if not name or text.endswith("/") or not text.isprintable() or _GLOB & {*text} or {"", ".", ".."} & {*parts}:
            return _unknown(f"{text!r:.80} is not the name of a file")
        path = _merged(name)
        if path in self.paths:
            return Verdict(AFFECTED, (f"/{path} is in the image",))
        located = [
            (payload, file)
            for payload in self.own
            for file in payload.files
            if file.path == path or ("/" not in name and file.path.rpartition("/")[2] == name)
        ]
        version = f"{self.product.name} {self.product.version}"
        if not located:
            return _unknown(f"/{path} is in no package of {version} that is known here, so it can have another name")
        for payload, file in located:
            if (verdict := self._absent(payload, file)) is not None:
                return verdict
        names = sorted({payload.name for payload, _ in located})
        return Verdict(NOT_AFFECTED, (f"/{path} of {', '.join(names)} ({version}) is not in the image",))

    def _absent(self, payload: Payload, file: PackageFile) -> Verdict | None:
        """Return None if a file of a package is not in the image under any name."""
        for _ in range(_MAX_LINKS):
            if file.path in self.paths:
                return Verdict(AFFECTED, (f"/{file.path} is in the image",))
            if file.sha256 in self._by_hash:
                where = self._by_hash[file.sha256].path
                return Verdict(AFFECTED, (f"/{where} has the content of /{file.path} of {payload.name}",))
            if alike := self._by_stem.get(stem(file.path)):
                return _unknown(f"/{alike.path} of the image can be another form of /{file.path}")
            if file.kind == "f":
                return None
            target = _resolved(file) if file.kind == "l" else ""
            found = [(p, f) for p in self.own for f in p.files if f.path == target]
            if not found:
                return _unknown(f"/{file.path} is not a file, and what it leads to is not known")
            payload, file = found[0]
        return _unknown(f"/{file.path} leads through too many links")

    def package(self, payload: Payload) -> Verdict | None:
        """Return None if no file of a package is in the image, documentation apart."""
        for file in payload.files:
            if file.kind == "d" or file.path.startswith((*_DOCUMENTATION, *_RECORDS)):
                continue
            where = self.paths.get(file.path) or self._by_hash.get(file.sha256)
            if where is not None:
                return _unknown(f"/{where.path} of the image is also a file of {payload.name}")
            if file.path.startswith("usr/") and "/share/" not in file.path and stem(file.path) in self._by_stem:
                alike = self._by_stem[stem(file.path)].path
                return _unknown(f"/{alike} of the image can be another form of /{file.path} of {payload.name}")
        return None


def _merged(path: str) -> str:
    from fpack.builders.payload.globs import merged

    return merged(path)


def _resolved(link: PackageFile) -> str:
    """Return the path that a symlink names, without `..`."""
    parts = [] if link.target.startswith("/") else link.path.split("/")[:-1]
    for part in link.target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return _merged("/".join(parts))


def _binary(name: str, finding: Finding, contents: ImageKnowledge, search: _Search) -> Verdict:
    """Look for a binary package that an advisory names."""
    product = finding.product
    if not _PACKAGE.match(name):
        return _unknown(f"{name!r:.80} is not the name of a package")
    if name in contents.packages:
        return Verdict(AFFECTED, (f"the package {name} is in the image",))
    payload = contents.payloads.get(name)
    version = f"{product.name} {product.version}"
    if payload is None or payload not in search.own:
        return _unknown(f"{name} is no package of {version} that is known here, so it can have another name")
    inside = [other for other, source in contents.packages.items() if source == product.name]
    for other in contents.packages:
        if name in contents.payloads[other].takes_over:
            return _unknown(f"{other} of the image can have files of {name}, which it replaces")
    # The name can be that of a later version, in which the package has files of others.
    later = contents.fixed.get((product.name, finding.fixed, name)) if finding.fixed else None
    if later is None:
        until = f"up to {finding.fixed}" if finding.fixed else "since, as no version fixes it"
        return _unknown(f"it is not known which files {name} took from other packages {until}")
    taken = {*later.takes_over} if (own := [*_own_files(contents)]) else {*later.takes_over} & {*inside}
    if taken:
        return _unknown(f"{name} {later.version} can have files that {min(taken)} had", *own)
    if (verdict := search.package(payload)) is not None:
        return verdict
    return Verdict(NOT_AFFECTED, (f"the package {name} of {version} is not in the image, nor is any of its files",))


def _symbols(product: Product, symbols: Iterable[str], contents: ImageKnowledge) -> Verdict:
    """Look for functions in the Go programs of the image."""
    if product.ecosystem != GO:
        return _unknown("functions are looked up only in Go programs")
    if contents.unread:
        return _unknown(*(f"/{path} could not be read" for path in contents.unread[:MAX_FACTS]))
    users = []
    for program in contents.programs:
        if program.unknown:
            return _unknown(f"/{program.path}: {program.unknown}")
        modules = [module for module in program.modules if module.path == product.name]
        if any(module.replaced for module in modules):
            return _unknown(f"/{program.path} has {product.name} under the name of another module")
        if modules or product.name in (STDLIB, "std", "toolchain"):
            users.append(program)
    if not users:
        return _unknown(f"no Go program in the image tells that it has {product.name}")
    found, absent = [], []
    for text in symbols:
        name = go_programs.symbol(text)
        if not name or not text.isprintable() or _GLOB - {*"[]"} & {*name} or " " in name:
            return _unknown(f"{text!r:.80} is not the name of a function")
        for program in users:
            mains = [f"main{name[len(program.main) :]}"] if name.startswith(program.main) else []
            if program.functions.isdisjoint((name, *mains)):
                continue
            found.append(f"/{program.path} has the function {name}")
        absent.append(f"the function {name} is not in the function table of the Go programs with {product.name}")
    if found:
        return Verdict(AFFECTED, tuple(found[:MAX_FACTS]))
    places = ", ".join(f"/{program.path}" for program in users[:MAX_FACTS])
    return Verdict(NOT_AFFECTED, (*absent, f"looked for in {places}"))


# The version that fixes it.


def obstacles_to_comparison(product: Product, contents: ImageKnowledge) -> list[str]:
    """Return why a comparison with the version that fixes a vulnerability would prove nothing."""
    return [*obstacles(product, contents), *_own_files(contents)]


def same_as_fixed(finding: Finding, contents: ImageKnowledge) -> Verdict:
    """Claim that every file of the image that is from the source is the same in a version that has the fix.

    The packages that are known of the fixed version may be of a later one, which has the fix as well.
    """
    product = finding.product
    if found := obstacles_to_comparison(product, contents):
        return _unknown(*found)
    names = {name for name, source in contents.packages.items() if source == product.name}
    if not names >= {binary.name for binary in product.binaries}:
        return _unknown("the packages of the source in the image are not known")
    pairs = {}
    for name in sorted(names):
        later = contents.fixed.get((product.name, finding.fixed, name))
        payload = contents.payloads[name]
        is_fixed = later is not None and later.arch == payload.arch and _has_fix(later, finding, payload)
        if later is None or not is_fixed:
            return _unknown(f"{name} {finding.fixed} is not known here")
        if (payload.scripts, payload.needs) != (later.scripts, later.needs):
            return _unknown(f"{name} {later.version} has other dependencies or control files")
        old = {file.path for file in payload.files}
        added = [file.path for file in later.files if file.path not in old]
        if added := [path for path in added if not path.startswith((*_DOCUMENTATION, *_RECORDS))]:
            return _unknown(f"{name} {later.version} has a file more, /{added[0]}")
        pairs[name] = (payload, later)
    versions = sorted({later.source_version for _, later in pairs.values()})
    if len(versions) != 1:
        return _unknown(f"the known packages of {product.name} are of several versions: {', '.join(versions)}")
    version = f"{product.name} {versions[0]}"
    compared = 0
    for entry in _of_source(pairs, contents):
        if entry.path.startswith(_RECORDS):
            continue
        fixed = [pairs[entry.package][1]] if entry.package in pairs else [later for _, later in pairs.values()]
        if not any(_has(payload, entry) for payload in fixed):
            return _unknown(f"/{entry.path} of the image is not the same in {version}")
        compared += entry.kind == "f" and entry.package in pairs
    if not compared:
        return _unknown("the image has no file of the source")
    has_fix = "" if versions[0] == finding.fixed else f", which has the fix of {finding.fixed}"
    packages = ", ".join(pairs)
    files = f"all {compared} files of {packages} in the image are"
    if compared == 1:
        files = f"the file of {packages} in the image is"
    text = f"{files} the same in {version}{has_fix}"
    debs = ", ".join(f"{later.name} {later.version}" for _, later in pairs.values())
    return Verdict(NOT_AFFECTED, (text, f"compared with {debs}: content, mode, owner, control files, dependencies"))


def _has_fix(later: Payload, finding: Finding, payload: Payload) -> bool:
    """Return whether a package is of the version that fixes a vulnerability, or later, and newer than the image's."""
    is_fixed = later.source_version == finding.fixed or _is_later(later.source_version, finding.fixed)
    return is_fixed and later.source == finding.product.name and _is_later(finding.fixed, payload.source_version)


def _is_later(fixed: str, version: str) -> bool:
    try:
        return version_key(fixed) > version_key(version)
    except InvalidVersion:
        return False


def _of_source(pairs: dict[str, tuple[Payload, Payload]], contents: ImageKnowledge) -> Iterator[ImageEntry]:
    """Yield the entries of the image that are from the source's packages, also those at excluded paths and copies."""
    paths = {path for name in pairs for path in contents.excluded.get(name, ())}
    hashes = {file.sha256 for payload, _ in pairs.values() for file in payload.files if file.sha256}
    for entry in contents.entries:
        if entry.package in pairs or entry.path in paths or entry.sha256 in hashes:
            yield entry


def _has(payload: Payload, entry: ImageEntry) -> bool:
    """Return whether a package has an entry of the image: the same file at its path, or a copy of one's content."""
    own = entry.package == payload.name
    for file in payload.files:
        if file.path == entry.path:
            return (file.kind, file.sha256, file.target) == entry[1:4] and (not own or file.owner == entry.owner)
    return not own and bool(entry.sha256) and any(file.sha256 == entry.sha256 for file in payload.files)
