"""Make the derivations of a Debian package's file and payload, as the library's `fpack/debian-package` defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name, parse

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import LockedDeb


class PackageOutputs(NamedTuple):
    """The .deb of a package and its payload. bodies: the derivations of both, by digest."""

    deb: Output
    payload: Output
    bodies: dict[bytes, bytes]


def of_package(package: LockedDeb) -> PackageOutputs:
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
