"""Open a repository by its address: a registry, a directory, a web server, or a bucket."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fpack.store.errors import FpackError

from .reference import BadReference, Reference, is_reference, parse_reference

if TYPE_CHECKING:
    from .protocol import Repository

FORMS = "oci://HOST/NAME, file:///DIRECTORY, https://HOST/PATH or s3://BUCKET/PREFIX"


class BadAddress(FpackError):
    """A text that is not the address of a repository."""

    exit_code = 2


def open_repository(
    address: str | Reference, *, plain_http: bool | str = False, environ: Mapping[str, str] = os.environ
) -> Repository:
    """Open a repository. A tag or a digest of a reference is not used. Nothing is requested before the first method.

    plain_http: ask a registry on this machine without TLS; a host with its port: ask this one so, wherever it is.
    """
    if isinstance(address, Reference):
        return _registry(address, plain_http, environ)
    scheme, sign, rest = address.partition("://")
    if not sign:
        if is_reference(address):
            return _registry(parse_reference(address), plain_http, environ)
        raise BadAddress(f"{address[:200]!r} is not the address of a repository", hint=f"write {FORMS}")
    if scheme == "oci":
        found = _reference(rest)
        if found.tag or found.digest:
            raise BadAddress("The address of a repository has no tag", where=address, hint=f"write {FORMS}")
        return _registry(found, plain_http, environ)
    if scheme == "file":
        from .layout import DirectoryRepository

        parts = urlsplit(address)
        path = unquote(parts.path)
        if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
            raise BadAddress("The address of a directory is not valid", where=address, hint="write file:///DIRECTORY")
        return DirectoryRepository(Path(path))
    raise BadAddress(f"fpack knows no repositories of the kind {scheme[:20]!r}", where=address, hint=f"write {FORMS}")


def _reference(text: str) -> Reference:
    try:
        return parse_reference(text)
    except BadReference:
        # With `oci://`, the first part is a host even without a dot or a port.
        host, slash, rest = text.partition("/")
        if slash and "." not in host and ":" not in host:
            return parse_reference(f"{host}.invalid/{rest}")._replace(host=host)
        raise


def _registry(reference: Reference, plain_http: bool | str, environ: Mapping[str, str]) -> Repository:
    from .registry import RegistryRepository
    from .transport import Settings

    plain = (plain_http is not False and reference.is_loopback) or plain_http == reference.host
    host, repository = reference.host, reference.repository
    if host in ("docker.io", "index.docker.io"):
        host = "registry-1.docker.io"
        repository = repository if "/" in repository else f"library/{repository}"
    return RegistryRepository(host, repository, "http" if plain else "https", Settings(environ))
