"""Open the images of registries that references on a command line name."""

from __future__ import annotations

from fpack.cli.paths import cache_directory
from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpack.builders.distribution.protocol import Repository
    from fpack.builders.distribution.reference import Reference
    from fpack.builders.intake.repository_archive import RemoteImage

PREFIX = "oci://"


def is_remote(text: str) -> bool:
    """Return whether a text, which names no file, is a reference to an image in a registry."""
    from fpack.builders.distribution.reference import is_reference

    return text.startswith(PREFIX) or is_reference(text)


def remote_image(text: str, *, plain_http: bool | None = None) -> RemoteImage:
    """Return the image of a reference. Nothing is asked of its registry yet. Raise BadReference if it is none.

    plain_http: as of `repository_of`.
    """
    from fpack.builders.distribution.document_cache import DocumentCache
    from fpack.builders.distribution.reference import parse_reference
    from fpack.builders.intake.repository_archive import RemoteImage

    reference = parse_reference(text.removeprefix(PREFIX))
    return RemoteImage(
        reference, lambda: repository_of(reference, plain_http), DocumentCache(cache_directory() / "registry")
    )


def repository_of(reference: Reference, plain_http: bool | None = None) -> Repository:
    """Open the repository of a reference. plain_http: without TLS; None if click's options say so."""
    from fpack.builders.distribution.addresses import open_repository

    if plain_http is None:
        from fpack.cli.options import uses_plain_http

        plain_http = uses_plain_http()
    return open_repository(reference, plain_http=plain_http)
