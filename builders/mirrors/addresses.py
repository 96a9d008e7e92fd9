"""Open the places that keep locks by their addresses: a registry, a bucket, a directory or a bundle."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from fpack.builders.distribution.addresses import open_repository, split_address
from fpack.builders.distribution.protocol import Repository
from fpack.builders.distribution.reference import Reference, is_reference, parse_reference
from fpack.store.errors import FpackError

FORMS = (
    "HOST/NAME, oci://HOST/NAME, a path such as ./mirror, file:///DIRECTORY, https://HOST/PATH or s3://BUCKET/PREFIX"
)


class BadMirror(FpackError):
    """An address that is not that of a place which can keep locks."""

    exit_code = 2


def normal_address(text: str) -> str:
    """Return an address in full. A path, such as ./mirror, is relative to the working directory."""
    if text.startswith(("./", "../", "/", "~/")):
        return Path(os.path.abspath(os.path.expanduser(text))).as_uri()
    if "://" in text or is_reference(text):
        return text
    raise BadMirror(f"{text[:200]!r} is not the address of a mirror", hint=f"write {FORMS}")


def is_on_this_machine(address: str) -> bool:
    """Return whether an address names files of this machine, which need no network."""
    return address.startswith("file:")


def tag_of(address: str) -> str:
    """Return the tag in an address of a registry, or ""."""
    found = _reference(address)
    return found.tag if found is not None else ""


def open_place(
    address: str, *, writes: bool = False, patient: bool = True, trusted: bool = True, uploads: Path | None = None
) -> Repository:
    """Open the repository at an address. Nothing is requested before the first method.

    writes: do not read what a mirror of the registry has. patient: repeat requests that fail also before the host has
    answered for the first time. trusted: the user named the address: a registry on this machine is asked without TLS.
    uploads: the directory of the records of uploads under way.
    """
    if is_on_this_machine(address):
        parts = split_address(address)
        path = Path(unquote(parts.path))
        if parts.netloc in ("", "localhost") and "\0" not in str(path) and path.is_file():
            from .bundle import BundleRepository

            return BundleRepository(path)
    reference = _reference(address)
    place: str | Reference = address if reference is None else reference._replace(tag="", digest="")
    return open_repository(place, plain_http=trusted, patient=patient, mirrors=not writes, uploads=uploads)


def _reference(address: str) -> Reference | None:
    """Return the reference of a registry's address, or None if it is of another kind."""
    text = address.removeprefix("oci://")
    return parse_reference(text) if is_reference(text) else None
