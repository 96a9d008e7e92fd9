"""Make the layers of a pushed image entries of the cache that builds push to, if it is in the same registry.

The cache refers to the blobs of the layers, so their bytes are not written a second time. From them, others substitute
the outputs of the layers' derivations, and the store paths in the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from fpack.builders.distribution.reference import Reference, parse_reference
from fpack.cli.errors import UsageError
from fpack.cli.ui.render import note, warn
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store.errors import FpackError, printable
from fpack.store.settings import CACHE_PUSH, CACHE_SIGN_WITH, OFFLINE

if TYPE_CHECKING:
    from fpack.builders.caches.image_layers import PathInLayer
    from fpack.builders.caches.push import CachePush
    from fpack.cli.images.packing import PackedImage
    from fpack.store.path import StorePath
    from fpack.store.store import Store

    Images = AbstractContextManager[Sequence[tuple[Store, StorePath]]]

_SCHEME = "oci://"


class CacheEntries(NamedTuple):
    """The entries to write after a push. repository: of the cache, in the registry of the image.

    write: writes them, and returns what it did; None if this machine does not have the image.
    """

    address: str
    repository: str
    write: Callable[[], CachePush | None]

    @property
    def marker(self) -> str:
        """The name by which the record of a push tells that the entries were written."""
        return f"cache {self.address}"

    def publish(self) -> bool:
        """Write the entries. Return whether that was done. A failure is told, and fails no push."""
        try:
            done = self.write()
        except (FpackError, OSError) as error:
            warn(printable(f"the image is pushed, but the cache {self.address} does not refer to it: {error}"))
            return False
        if done is not None and done.pushed:
            note(f"{len(done.pushed)} store paths of the image can be substituted from {self.address}")
        return done is not None


def entries(reference: Reference, images: Callable[[], Images]) -> CacheEntries | None:
    """Return the entries to write for an image that is pushed, or None.

    images: opens its outputs, with their stores. There are entries if the setting `cache.push` names a repository of
    the same registry, and `cache.sign-with` a key.
    """
    address = CACHE_PUSH.find()
    if not address.startswith(_SCHEME) or not CACHE_SIGN_WITH.find() or OFFLINE.find():
        return None
    try:
        cache = parse_reference(address.removeprefix(_SCHEME))
    except FpackError:
        return None  # builds tell what is wrong with the setting
    if cache.host != reference.host:
        return None
    mounts = () if cache.repository == reference.repository else (reference.repository,)
    return CacheEntries(address, cache.repository, lambda: _write(address, images, mounts))


def of_packed(reference: Reference, made: PackedImage) -> CacheEntries | None:
    """Return the entries to write for an image that was packed for the push, or None."""
    return entries(reference, lambda: nullcontext(made.paths))


def _write(address: str, images: Callable[[], Images], mounts: Sequence[str]) -> CachePush | None:
    with images() as found:
        return _push(address, found, mounts) if found else None


def _push(address: str, images: Sequence[tuple[Store, StorePath]], mounts: Sequence[str]) -> CachePush:
    from fpack.builders.caches import image_layers
    from fpack.builders.caches.push import push, realisations_of
    from fpack.builders.kinds.table import generation
    from fpack.cli.workspace.caches.opener import open_cache, signing_key

    key = signing_key()
    if key is None:
        raise UsageError("No key is named", hint="set cache.sign-with")
    store = images[0][0]
    parts: dict[StorePath, PathInLayer] = {}
    found: list[StorePath] = []
    for _, image in images:
        content = image_layers.of_image(store, image)
        parts.update(content.parts)
        found += [*content.layers, *content.parts]
    # gc may have deleted what an image was made of.
    paths = [path for path in dict.fromkeys(found) if store.info(path) is not None and store.keep([path])]
    rows = realisations_of(store, store.closure(paths), generation())
    return push(store, open_cache(address, [key.public]), paths, rows, key, parts=parts, mounts=lambda digest: mounts)
