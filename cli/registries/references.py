"""Open the images of registries that references on a command line name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpack.cli.paths import cache_directory

if TYPE_CHECKING:
    from fpack.builders.distribution.protocol import Repository
    from fpack.builders.distribution.reference import Reference
    from fpack.builders.intake.repository_archive import RemoteImage

PREFIX = "oci://"


def is_remote(text: str) -> bool:
    """Return whether a text, which names no file, is a reference to an image in a registry."""
    from fpack.builders.distribution.reference import is_reference

    return text.startswith(PREFIX) or is_reference(text)


def remote_image(text: str) -> RemoteImage:
    """Return the image of a reference. Nothing is asked of its registry yet. Raise BadReference if it is none."""
    from fpack.builders.distribution.document_cache import DocumentCache
    from fpack.builders.distribution.reference import parse_reference
    from fpack.builders.intake.repository_archive import RemoteImage

    reference = parse_reference(text.removeprefix(PREFIX))
    return RemoteImage(reference, lambda: repository_of(reference), DocumentCache(cache_directory() / "registry"))


def repository_of(reference: Reference) -> Repository:
    """Open the repository of a reference, by HTTP without TLS if the command line says so."""
    from fpack.builders.distribution.addresses import open_repository
    from fpack.cli.options import uses_plain_http

    return open_repository(reference, plain_http=uses_plain_http())
