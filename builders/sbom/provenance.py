"""Follow the derivations of a manifest: from a package to its file, and from a build to its sources and tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fpack.builders.debian.mirrors import Mirrors
from fpack.builders.debian.suites import ALL_RELEASES, ARCHIVES, distribution
from fpack.builders.manifest.format import Head
from fpack.store.derivation import Derivation, Output

from .lock_files import LockedPart
from .model import Component, Hashes
from .parts.packages import KINDS
from .parts.part import PartFacts, stated
from .purl import debian, debian_source, purl

_END = 1 << 33  # a time after every date in a lock, in Unix seconds
_LOGIN = re.compile(r"\A(\w+://)[^/?#]*@")
_NAME_VERSION = re.compile(r"(.+?)-v?(\d[\w.+~]*(?:-(?:alpha|beta|dev|post|pre|rc)[\w.]*)?)\Z")
_ARCHIVE_SUFFIX = re.compile(r"\.(?:tar(?:\.\w+)?|tgz|txz|zip|crate|gem|whl|deb)\Z")
_WHEEL_KINDS = {".crate": "cargo", ".gem": "gem"}
_SHA512 = "sha512-"
_POOLS = ("pool/main", "pool/updates/main", "pool/universe")


class LockFacts(NamedTuple):
    """The lock's entry of a package that is a component. distribution: "debian" or "ubuntu"."""

    distribution: str
    release: str
    source: str
    source_version: str


class Provenance:
    """The derivations of a manifest, by digest in hexadecimal."""

    def __init__(self, head: Head, derivations: Mapping[str, Derivation]) -> None:
        self._derivations = derivations
        self.release = head.lock.release
        self.distribution = distribution(ALL_RELEASES.get(self.release, ()))
        self.locked = {package.name: package for package in head.lock.packages}
        self._dates = {(package.archive, package.file): package.date for package in head.lock.packages}
        self._date = max((suite.date for suite in head.lock.suites), default=None)
        self._snapshots = Mirrors([], now=lambda: _END)

    def deb(self, slice_: str | None) -> Output | None:
        """Return the output that is the .deb of a slice, given by the digest of its derivation."""
        drv = self._derivations.get(slice_ or "")
        for kind in ("deb", "fetch"):
            found = [output for output in drv.inputs if self._kind(output) == kind] if drv is not None else []
            if len(found) != 1:
                return None
            drv = self._derivations[found[0].derivation.hex()]
            if kind == "fetch":
                return found[0]
        return None

    def urls(self, output: Output | None) -> tuple[str, ...]:
        """Return the public URLs of a download."""
        if output is None:
            return ()
        urls = map(self._public, self._derivations[output.derivation.hex()].args.get("urls", ()))
        return tuple(filter(None, urls))

    def _public(self, url: str, locked: str = "") -> str:
        """Return the URL of a file of a mirror in the snapshot archive, which keeps it; other URLs without a login.

        locked: the URL of a file that was in the archive at the same time, and whose date the lock has.
        """
        dated, _, known = (locked or url).removeprefix("mirror://").partition("/")
        archive, _, path = url.removeprefix("mirror://").partition("/")
        date = self._dates.get((dated, known), self._date)
        if not url.startswith("mirror://") or archive not in ARCHIVES or date is None:
            return _LOGIN.sub(r"\1", url, count=1)
        # No public archive is known that keeps Ubuntu's files.
        return next(iter(self._snapshots.urls(archive, path, date)), "")

    def source_urls(self, output: Output | None, source: str, version: str) -> tuple[str, ...]:
        """Return the URL of the .dsc of a package's source in the archive that has its .deb, if that is certain.

        Debian's archive has a source beside the packages of its name, and those of main have their source in main.
        """
        urls = self._derivations[output.derivation.hex()].args.get("urls", ()) if output is not None else ()
        prefix = source[:4] if source.startswith("lib") else source[:1]
        found = []
        for url in map(str, urls):
            directory = url.rpartition("/")[0]
            archive, _, path = directory.removeprefix("mirror://").partition("/")
            if archive in ARCHIVES and path in [f"{pool}/{prefix}/{source}" for pool in _POOLS]:
                public = self._public(f"{directory}/{source}_{version.rpartition(':')[2]}.dsc", url)
                found += [public] if public and not public.startswith("mirror://") else []
        return tuple(found)

    def file_name(self, output: Output | None) -> str:
        """Return the name of a downloaded file."""
        return _file(self._derivations[output.derivation.hex()]) if output is not None else ""

    def _kind(self, output: Output) -> str:
        drv = self._derivations.get(output.derivation.hex())
        return drv.kind if drv is not None else ""

    def behind(self, digest: str | None, stop: frozenset[str] = frozenset()) -> frozenset[str]:
        """Return the digests of all derivations that a derivation is built from, directly or indirectly.

        stop: derivations whose own inputs do not count.
        """
        drv = self._derivations.get(digest or "")
        if drv is None or digest is None:
            return frozenset()
        todo, found = [digest], set[str]()
        while todo:
            known = self._derivations.get(todo.pop())
            for output in (*known.inputs, *known.candidates) if known is not None else ():
                name = output.derivation.hex()
                if name not in found and name in self._derivations:
                    found.add(name)
                    todo += [] if name in stop else [name]
        return frozenset(found)

    def sources(self, digests: Iterable[str]) -> list[str]:
        """Return those of the derivations that are trees of a project, which can have lock files."""
        return sorted(digest for digest in digests if self._derivations[digest].kind == "source")

    def archives(self, digests: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return those of the derivations that are archives of packages: the kind and the name of each."""
        found = {}
        for digest in sorted(digests):
            drv = self._derivations[digest]
            component = _source(drv, str) if drv.kind in ("npm", "pypi", "gomod", "fetch") else None
            if component is not None and component.kind in KINDS:
                found[digest] = (component.kind, component.name)
        return found

    def scripts(self) -> list[str]:
        """Return the digests of the derivations that ran maintainer scripts."""
        return sorted(digest for digest, drv in self._derivations.items() if drv.kind == "configure")

    def locked_source(self, name: str, version: str) -> LockFacts:
        """Return what the lock says of the package `name`; of one that it does not have, the release alone."""
        package = self.locked.get(name)
        if package is None or package.version != version:
            return LockFacts(self.distribution, self.release, "", "")
        return LockFacts(package.archive.partition("-")[0], self.release, package.source, package.source_version)

    def components(self, digests: Iterable[str], known: Mapping[str, PartFacts] = {}) -> list[Component]:
        """Return the components among derivations: packages of tools, downloads, and packages of a project's lock.

        known: by the digest of a derivation, what the package in its output states.
        """
        debs: set[str] = set()
        found = []
        for digest in sorted(digests):
            drv = self._derivations[digest]
            if drv.kind == "deb":
                found.append(self._tool(drv))
                debs.update(output.derivation.hex() for output in drv.inputs)
        for digest in sorted(digests):
            drv = self._derivations[digest]
            component = _source(drv, self._public) if digest not in debs else None
            if component is not None:
                found.append(_with_archive(component, drv, known[digest]) if digest in known else component)
        return found

    def _tool(self, drv: Derivation) -> Component:
        """Return the component of a Debian package that is used by a build. Its file tells the architecture."""
        name, version = str(drv.args["package"]), str(drv.args["version"])
        fetched = next((output for output in drv.inputs if self._kind(output) == "fetch"), None)
        file = self.file_name(fetched)
        arch = file.removesuffix(".deb").rpartition("_")[2] or str(drv.args["arch"])
        args = self._derivations[fetched.derivation.hex()].args if fetched is not None else {}
        locked = self.locked_source(name, version)
        url = debian(locked.distribution, locked.release, name, version, arch, locked.source, locked.source_version)
        return Component(
            ref=url,
            kind="deb",
            name=name,
            version=version,
            arch=arch,
            purl=url,
            hashes=_declared(args),
            size=int(args.get("size") or 0),
            urls=self.urls(fetched),
            file=file,
            build_only=True,
        )


def locked_component(part: LockedPart) -> Component:
    """Return the component of a package that a lock file names."""
    namespace, _, name = part.name.rpartition("/")
    return _named(part.kind, namespace, name, part.version, [], Hashes(sha256=part.sha256))


def source_component(locked: LockFacts) -> Component:
    """Return the component of a source package."""
    url = debian_source(locked.distribution, locked.release, locked.source, locked.source_version)
    return Component(url, "deb-source", locked.source, locked.source_version, "source", url)


def _source(drv: Derivation, public: Callable[[str], str]) -> Component | None:
    """Return the component of a derivation that brings something from outside, or None."""
    args = drv.args
    if drv.kind == "npm":
        url, path = str(args["url"]), str(args["path"])
        name, _, file = path.partition("/-/")
        base = name.rpartition("/")[2]
        version = file.removeprefix(f"{base}-").removesuffix(".tgz")
        namespace, _, short = name.rpartition("/")
        return _named(
            "npm", namespace, short, version, [public(url)] if url else [], _npm_hashes(str(args["integrity"]))
        )
    if drv.kind == "pypi":
        allowed = [str(text) for text in args["hashes"]]
        project = re.sub(r"[-_.]+", "-", str(args["project"])).lower()
        one = Hashes(sha256=allowed[0]) if len(allowed) == 1 else Hashes()
        return _named("pypi", "", project, str(args["version"]), [public(str(url)) for url in args["urls"]], one)
    if drv.kind == "gomod":
        if not args["zip"]:
            return None  # only its go.mod was read
        namespace, _, short = str(args["module"]).rpartition("/")
        return _named("golang", namespace, short, str(args["version"]), [], Hashes())
    if drv.kind == "fetch":
        urls = [public(str(url)) for url in args["urls"]]
        hashes = _declared(args)
        file = _file(drv)
        suffix = file[file.rfind(".") :]
        name, version = split_name(_ARCHIVE_SUFFIX.sub("", file))
        if suffix in _WHEEL_KINDS and version:
            return _named(_WHEEL_KINDS[suffix], "", name, version, urls, hashes)
        web = [url for url in urls if url.startswith(("http://", "https://"))]
        qualifiers = {"download_url": web[0] if web else "", "checksum": _checksum(hashes)}
        url = purl("generic", "", name, version, qualifiers)
        return Component(url, "source", name, version, purl=url, hashes=hashes, urls=tuple(urls), file=file)
    if drv.kind == "source":
        name, version = split_name(drv.name)
        return Component(f"tree:{args['tree']}", "source", name, version)
    return None


def _with_archive(component: Component, drv: Derivation, part: PartFacts) -> Component:
    """Return a component with what its package states, and the name of its archive."""
    name = str(drv.args["path"]).rpartition("/")[2] if drv.kind == "npm" else _file(drv) if drv.kind == "fetch" else ""
    return stated(component._replace(file=name), part)


def _declared(args: Mapping[str, Any]) -> Hashes:
    """Return the hashes that a download declares."""
    return Hashes(sha256=str(args.get("sha256", "")), sha512=str(args.get("sha512", "")))


def _checksum(hashes: Hashes) -> str:
    return f"sha256:{hashes.sha256}" if hashes.sha256 else f"sha512:{hashes.sha512}"


def _file(drv: Derivation) -> str:
    """Return the name of the file that a `fetch` downloads. The name of the derivation lacks some characters."""
    urls = drv.args.get("urls", ())
    return str(urls[0]).partition("#")[0].partition("?")[0].rpartition("/")[2] if urls else drv.name


def _named(kind: str, namespace: str, name: str, version: str, urls: list[str], hashes: Hashes) -> Component:
    url = purl(kind, namespace, name, version)
    full = f"{namespace}/{name}" if namespace else name
    return Component(url, kind, full, version, purl=url, hashes=hashes, urls=tuple(sorted(urls)))


def _npm_hashes(integrity: str) -> Hashes:
    import base64
    import binascii

    for word in integrity.split():
        if word.startswith(_SHA512):
            try:
                return Hashes(sha512=base64.b64decode(word.removeprefix(_SHA512), validate=True).hex())
            except binascii.Error:
                break
    return Hashes()


def split_name(text: str) -> tuple[str, str]:
    """Split a name such as `zlib-1.3` into the name and the version, which is "" if there is none."""
    match = _NAME_VERSION.match(text)
    return (match[1], match[2]) if match else (text, "")
