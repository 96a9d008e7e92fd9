"""Ask the registry of this machine's npm for the versions of packages, and for hashes that a lock lacks."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from fpack.builders.net.errors import HttpError, NotFound, split_url, without_login
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.tool_settings import npm_registry
from fpack.builders.streams import strict_json
from fpack.store import threads
from fpack.store.errors import FpackError

from .manifest import Manifest, manifest_of
from .model import NodePackage, name_of, table, texts
from .package_lock import digests

MAX_DOCUMENT = 256 << 20  # bytes
MAX_VALUES = 5_000_000  # of a document, each of which takes up to 150 bytes of memory
MAX_ARCHIVE = 2 << 30  # bytes
PARALLEL = 8  # requests at a time
_SHORT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"


class RegistryError(FpackError):
    """A package that the registry does not have, or whose archive is not what was announced."""

    exit_code = 4


class ModuleRelease(NamedTuple):
    """A version of a package in the registry. node: the Node that it needs, as a range. entry: all that is known."""

    package: NodePackage
    manifest: Manifest
    node: str
    deprecated: bool
    entry: Mapping[str, Any]


class Packument(NamedTuple):
    """The record of a package in the registry. tags: versions by tag."""

    name: str
    tags: Mapping[str, str]
    versions: Mapping[str, Mapping[str, Any]]

    def release(self, version: str) -> ModuleRelease:
        entry = table(self.versions.get(version))
        dist = table(entry.get("dist"))
        integrity, _ = digests(dist.get("integrity", ""))
        sha1 = str(dist.get("shasum", ""))
        package = NodePackage(
            self.name, version, str(dist.get("tarball", "")), integrity,
            sha1 if re.fullmatch(r"[0-9a-f]{40}", sha1) and not integrity else "",
        )  # fmt: skip
        node = texts(entry.get("engines")).get("node", "") if isinstance(entry.get("engines"), dict) else ""
        return ModuleRelease(package, manifest_of(entry), node, bool(entry.get("deprecated")), entry)


class Registry:
    """The registry, whose answers are kept for the life of the object. Use it as a context manager."""

    def __init__(self, http: Http | None = None, check: Callable[[], None] = lambda: None) -> None:
        self._http = http or Http(accept=_SHORT)
        address = npm_registry()
        if address is None:
            raise RegistryError(
                "The registry of Node packages is unknown",
                why="npm, whose configuration names it, is not installed here",
                hint="install npm, or lock the project with npm, pnpm or Yarn",
            )
        self._address = address
        self._check = check
        self._known: dict[str, Packument] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="fpack-")

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def packument(self, name: str) -> Packument:
        """Return what is known of a package; raise RegistryError if there is none of the name."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def expect(self, names: Iterable[str]) -> None:
        """Ask for several packages at once; failures show when a package is needed."""
        missing = [name for name in dict.fromkeys(names) if name not in self._known]
        if len(missing) < 2:
            return

        def read(name: str) -> Packument | None:
            try:
                return self._read(name)
            except FpackError:
                return None

        with threads.Workers(PARALLEL, "packages of npm") as workers:
            for name, found in zip(missing, workers.map(read, missing), strict=True):
                if found is not None:
                    self._known[name] = found

    def hashed(self, packages: Sequence[NodePackage]) -> list[NodePackage]:
        """Return packages with a SHA-512 and a URL each. Archives of which only the SHA-1 is known are fetched once."""
        with threads.Workers(PARALLEL, "archives of npm") as workers:
            return workers.map(self._hashed, packages)

    def _hashed(self, package: NodePackage) -> NodePackage:
        self._check()
        known = package
        if not known.url:
            known = self.packument(package.name).release(package.version).package
            if not known.url:
                raise RegistryError(f"The registry has no {package.name} {package.version}", where=self._address)
            if package.integrity or package.sha1:
                known = known._replace(integrity=package.integrity, sha1=package.sha1)
        if known.integrity:
            return known._replace(url=bare(known.url))
        path = Path(self._scratch.name) / hashlib.sha256(f"{known.name} {known.url}".encode()).hexdigest()
        self._http.download(self._addresses(known), path, limit=MAX_ARCHIVE, check=self._check)
        with open(path, "rb") as file:
            sha1 = hashlib.file_digest(file, "sha1").hexdigest()
            file.seek(0)
            sha512 = hashlib.file_digest(file, "sha512").digest()
        path.unlink()
        if known.sha1 and sha1 != known.sha1:
            raise RegistryError(
                f"The archive of {known.name} {known.version} differs from its lock", where=bare(known.url),
                why=f"its SHA-1 is {sha1}, and the lock has {known.sha1}", hint="lock it again with npm",
            )  # fmt: skip
        return known._replace(integrity=f"sha512-{base64.b64encode(sha512).decode()}", sha1="", url=bare(known.url))

    def _addresses(self, package: NodePackage) -> list[str]:
        path = archive_path(package)
        own = f"{self._address}/{path}"
        return list(
            dict.fromkeys([own, package.url] if split_url(package.url).path.endswith(f"/{path}") else [package.url])
        )

    def _read(self, name: str) -> Packument:
        self._check()
        try:
            url = f"{self._address}/{quote(name_of(name), safe='@')}"
        except ValueError:  # a server may take `..` in it for another path
            raise RegistryError(f"{name[:60]!r} is not the name of a package") from None
        try:
            _, body = self._http.get([url], limit=MAX_DOCUMENT)
        except NotFound:
            raise RegistryError(
                f"The registry has no package {name}",
                where=self._address,
                hint="npm config get registry shows the registry",
            ) from None
        except HttpError as error:
            raise error from None
        if strict_json.most_values(body) > MAX_VALUES:
            what = f"The registry's answer for {name} is too large"
            raise RegistryError(what, where=url, why=f"it has more than {MAX_VALUES} values")
        try:
            data = table(json.loads(body))
        except (ValueError, RecursionError):
            raise RegistryError(f"The registry's answer for {name} is not valid JSON", where=url) from None
        return Packument(name, texts(data.get("dist-tags")), table(data.get("versions")))


def archive_path(package: NodePackage) -> str:
    """Return the path of a package's archive within a registry."""
    return f"{package.name}/-/{package.name.rpartition('/')[2]}-{package.version}.tgz"


def bare(url: str) -> str:
    """Return a URL without its user and password, which a lock must not have."""
    return without_login(url) if split_url(url).scheme in ("http", "https") else ""
