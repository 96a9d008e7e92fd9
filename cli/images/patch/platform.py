"""Define the image for one platform that a patch makes again."""

from __future__ import annotations

from typing import NamedTuple

from fpack.builders.debian.lock.records import Lock
from fpack.builders.manifest.format import Head
from fpack.builders.manifest.reader import ManifestReader

from .documents import NO_DOCUMENTS, DocumentKinds
from .rewrite import RewriteResult


class MovedVersion(NamedTuple):
    """A package of an image that has another version after a patch."""

    name: str
    old: str
    new: str
    size: int  # of the new .deb


class PatchedPlatform(NamedTuple):
    """An image for one platform: the packages that move, the changed derivations, and what must be told.

    documents: the kinds of documents about the old image, which the new one gets, too. data: the exact manifest.
    """

    reader: ManifestReader
    moved: tuple[MovedVersion, ...]
    rewritten: RewriteResult
    lock: Lock
    notes: tuple[str, ...]
    documents: DocumentKinds = NO_DOCUMENTS
    data: bytes = b""

    @property
    def head(self) -> Head:
        return self.reader.head
