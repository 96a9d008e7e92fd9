"""Make the derivations of a Debian package's file and payload, as the library's `fpack/debian-package` defines them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from fpack.builders import arguments
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name, parse


class ArchiveFile(Protocol):
    """A package of an archive: of an index, a lock, a manifest or a comparison. sha256, sha512: "" if it has none."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def archive(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def sha512(self) -> str: ...


class PackageOutputs(NamedTuple):
    """The .deb of a package and its payload. bodies: the derivations of both, by digest."""

    deb: Output
    payload: Output
    bodies: dict[bytes, bytes]


def of_package(package: ArchiveFile) -> PackageOutputs:
    """Return the outputs that are the .deb of a package and its payload."""
    from fpack.builders.kinds.fetch import FetchArgs, StrongDigest

    urls = (f"mirror://{package.archive}/{package.file}",)
    name = clean_name(package.file.rpartition("/")[2])
    args = arguments.write(FetchArgs(urls, package.sha256, package.size))
    strong = arguments.write(StrongDigest(package.sha512)) if package.sha512 else {}
    fetch = Derivation("fetch", name, {**args, **strong}).encode()
    deb = Output(derivation.digest(fetch))
    stands = str(parse(str(placeholder(deb.derivation, name))))
    about = {"package": package.name, "version": package.version, "arch": package.arch, "deb": stands}
    payload = Derivation("deb", clean_name(f"{package.name}-{package.version}"), about, (deb,)).encode()
    output = Output(derivation.digest(payload))
    return PackageOutputs(deb, output, {deb.derivation: fetch, output.derivation: payload})
