"""Open a repository by its address: a registry, a directory, a web server, or a bucket."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError

from .reference import BadReference, Reference, is_reference, parse_reference

if TYPE_CHECKING:
    from .protocol import Repository
    from .registry_config import RegistryPlace
    from .transport import Settings

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z"
FORMS = "oci://HOST/NAME, file:///DIRECTORY, https://HOST/PATH or s3://BUCKET/PREFIX"


class BadAddress(FpackError):
    """A text that is not the address of a repository."""

    exit_code = 2


def open_repository(
    address: str | Reference,
    *,
    plain_http: bool | str = False,
    environ: Mapping[str, str] = os.environ,
    patient: bool = True,
    mirrors: bool = True,
    uploads: Path | None = None,
) -> Repository:
    """Open a repository. A tag or a digest of a reference is not used. Nothing is requested before the first method.

    plain_http: ask a registry on this machine without TLS; a host with its port: ask this one so, wherever it is.
    patient: repeat requests that fail also before the host has answered for the first time.
    mirrors: read from those that containers-registries.conf(5) names; who writes must know what is in the repository.
    uploads: the directory of the records of uploads under way, so that another process goes on with them.
    """
    if not isinstance(address, Reference) and address.startswith("file://"):
        return _directory(address)
    from .transport import Settings

    settings = Settings(environ, patient=patient, uploads=uploads)
    if isinstance(address, Reference):
        return _registry(address, plain_http, mirrors, settings)
    scheme, sign, rest = address.partition("://")
    if not sign:
        if is_reference(address):
            return _registry(parse_reference(address), plain_http, mirrors, settings)
        raise BadAddress(f"{address[:200]!r} is not the address of a repository", hint=f"write {FORMS}")
    if scheme == "oci":
        found = _reference(rest)
        if found.tag or found.digest:
            raise BadAddress("The address of a repository has no tag", where=address, hint=f"write {FORMS}")
        return _registry(found, plain_http, mirrors, settings)
    if scheme in ("http", "https"):
        return _site(address, plain_http, settings)
    if scheme == "s3":
        return _bucket(address, settings)
    raise BadAddress(f"{scheme[:20]!r} is not a kind of repository", where=address[:200], hint=f"write {FORMS}")


def _directory(address: str) -> Repository:
    from .layout import DirectoryRepository

    parts = split_address(address)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise BadAddress("The address of a directory is not valid", where=address, hint="write file:///DIRECTORY")
    return DirectoryRepository(Path(path))


def split_address(address: str) -> SplitResult:
    """Split a URL. Raise BadAddress if it is malformed. The error does not quote it, since it may have a password."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        why = "its host or its port is not valid"
        raise BadAddress("The address of a repository is not valid", why=why, hint=f"write {FORMS}") from None
    return parts


def _reference(text: str) -> Reference:
    try:
        return parse_reference(text)
    except BadReference:
        # With `oci://`, the first part is a host even without a dot or a port.
        host, slash, rest = text.partition("/")
        if slash and "." not in host and ":" not in host:
            return parse_reference(f"{host}.invalid/{rest}")._replace(host=host)
        raise


def _site(address: str, plain_http: bool | str, settings: Settings) -> Repository:
    from .answers import WEB_SERVER
    from .site import SiteRepository
    from .transport import Transport, is_loopback

    parts = split_address(address)
    if parts.username is not None or parts.query or parts.fragment or not parts.hostname:
        hint = "write https://HOST/PATH; credentials stand in the configuration of docker or podman"
        raise BadAddress("The address of a web server is not valid", where=parts.hostname or "", hint=hint)
    if parts.scheme == "http" and not (plain_http and is_loopback(parts.hostname)) and plain_http != parts.netloc:
        raise BadAddress(
            "A server on another machine must have TLS",
            where=address,
            why="HTTP without TLS is only for servers on this machine",
            hint="write https://",
        )
    return SiteRepository(Transport(parts.netloc, parts.scheme, settings, WEB_SERVER), quote(unquote(parts.path)))


def _bucket(address: str, settings: Settings) -> Repository:
    from .answers import BUCKET_SERVER
    from .bucket import BucketRepository
    from .signature_v4 import find_access
    from .transport import Transport, is_loopback

    parts = split_address(address)
    bucket, prefix = parts.netloc, unquote(parts.path).strip("/")
    if not re.match(_BUCKET, bucket) or ".." in prefix.split("/"):
        why = "a bucket's name is 3 to 63 lowercase letters, digits, dots or dashes, and no part of a prefix is `..`"
        hint = "write s3://BUCKET/PREFIX"
        raise BadAddress("The address of a bucket is not valid", where=address, why=why, hint=hint)
    access = find_access(settings.environ)
    endpoint = settings.environ.get("AWS_ENDPOINT_URL_S3") or settings.environ.get("AWS_ENDPOINT_URL") or ""
    if not endpoint and "." not in bucket:
        return BucketRepository(
            address,
            Transport(f"{bucket}.s3.{access.region}.amazonaws.com", "https", settings, BUCKET_SERVER),
            "",
            prefix,
            access,
        )
    server = split_address(endpoint or f"https://s3.{access.region}.amazonaws.com")
    if not server.hostname or (server.scheme != "https" and not is_loopback(server.hostname)):
        hint = "set AWS_ENDPOINT_URL=https://HOST"
        raise BadAddress("The server of a bucket must have TLS", where=endpoint, hint=hint)
    path = f"{server.path.rstrip('/')}/{bucket}"
    return BucketRepository(
        address, Transport(server.netloc, server.scheme, settings, BUCKET_SERVER), path, prefix, access
    )


def _registry(reference: Reference, plain_http: bool | str, mirrors: bool, settings: Settings) -> Repository:
    from . import registry_config
    from .protocol import Denied

    route = registry_config.find(reference, settings.environ)
    if route.blocked:
        what, why = "The configuration of registries blocks this repository", f"it blocks {route.blocked}"
        raise Denied(what, where=str(reference), why=why)
    main = _place(route.main, plain_http, settings)
    if not mirrors or not route.mirrors:
        return main
    from .mirrored import MirroredRepository

    return MirroredRepository(main, [(_place(place, plain_http, settings), place.pull) for place in route.mirrors])


def _place(place: RegistryPlace, plain_http: bool | str, settings: Settings) -> Repository:
    from .registry import RegistryRepository

    host, repository = place.host, place.repository
    loopback = Reference(host, repository).is_loopback
    plain = (loopback and (plain_http is not False or place.insecure)) or plain_http == host
    if host in ("docker.io", "index.docker.io"):
        host = "registry-1.docker.io"
        repository = repository if "/" in repository else f"library/{repository}"
    return RegistryRepository(host, repository, "http" if plain else "https", settings)
