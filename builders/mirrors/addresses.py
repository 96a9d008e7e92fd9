"""Open the places that keep locks by their addresses: a registry, a bucket, a directory or a bundle."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.protocol import Repository
from fpack.builders.distribution.reference import Reference, is_reference, parse_reference
from fpack.store.errors import FpackError

FORMS = "HOST/NAME, oci://HOST/NAME, file:///DIRECTORY, a path such as ./mirror, or s3://BUCKET/PREFIX"


class BadMirror(FpackError):
    """An address that is not that of a place which can keep locks."""

    exit_code = 2


def normal_address(text: str, directory: Path | None = None) -> str:
    """Return an address in full. A path, such as ./mirror, is relative to `directory`, by default the working one."""
    if text.startswith(("./", "../", "/", "~/")):
        path = os.path.join(directory or os.getcwd(), os.path.expanduser(text))
        return Path(os.path.normpath(path)).as_uri()
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


def open_place(address: str, *, plain_http: bool = False) -> Repository:
    """Open the repository at an address. Nothing is requested before the first method.

    plain_http: ask a registry on this machine without TLS, as an address that begins with http:// says, too.
    """
    if is_on_this_machine(address):
        parts = urlsplit(address)
        path = Path(unquote(parts.path))
        if parts.netloc in ("", "localhost") and "\0" not in str(path) and path.is_file():
            from .bundle import BundleRepository

            return BundleRepository(path)
    reference = _reference(address)
    if reference is None:
        return open_repository(address)
    if address.startswith("http://"):
        if not reference.is_loopback:
            raise BadMirror("A mirror must be reached by TLS", where=address, hint="http:// is for localhost alone")
        plain_http = True
    return open_repository(reference._replace(tag="", digest=""), plain_http=plain_http and reference.is_loopback)


def _reference(address: str) -> Reference | None:
    """Return the reference of a registry's address, or None if it is of another kind."""
    for scheme in ("oci://", "http://"):
        if address.startswith(scheme):
            return parse_reference(address.removeprefix(scheme))
    return parse_reference(address) if is_reference(address) else None
