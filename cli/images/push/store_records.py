"""Find the images of a file that the store of this machine has, and make the records of their store paths.

`fpack pull` makes the store paths again by such a record. An image that was packed on this machine before, and is
pushed from a file, has one like an image that is packed for the push.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from fpack.builders.distribution.pusher import LateDocument, PushedManifest
from fpack.builders.intake.store_record import RecordError
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.verify import embedded_manifest, manifest_loading
from fpack.cli.ui.render import note
from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError
from fpack.store.path import StorePath, parse
from fpack.store.root import default_root
from fpack.store.store import Store

from .records import STORE_RECORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from fpack.builders.manifest.referrer import Referrer
    from fpack.builders.verify.image_archive import ImageArchive

    Pushable = Callable[[Referrer], PushedManifest]


def of_store(store: Store, path: StorePath, pushable: Pushable) -> PushedManifest | None:
    """Return the record of an image of the store, or None if it cannot have one."""
    from fpack.builders.intake.record_source import attachment

    try:
        return pushable(attachment(store, path))
    except RecordError as error:
        note(f"fpack pull cannot make store paths of this image: {error.what}{error.why and f': {error.why}'}")
        return None


def of_archive(archive: ImageArchive, having: Collection[str], pushable: Pushable) -> list[LateDocument]:
    """Return the records of the images in an archive that the store of this machine has.

    having: the digests of images whose records the archive has.
    """
    try:
        with stored_images(archive, having) as images:
            paths = [path for _, path in images]
    except FpackError:
        return []  # the image is pushed without its record
    return [LateDocument(f"{STORE_RECORD}{path}", partial(_made, default_root(), path, pushable)) for path in paths]


@contextlib.contextmanager
def stored_images(archive: ImageArchive, but: Collection[str] = ()) -> Iterator[list[tuple[Store, StorePath]]]:
    """Yield the images of an archive that the store of this machine has, with the store.

    but: digests of images to pass over. Raise FpackError if the archive or the store cannot be read.
    """
    root = default_root()
    heads = []
    if (root / "db" / "fpack.sqlite").is_file():
        heads = [manifest_loading.head(data, "the image").image for data in embedded_manifest.find(archive)]
    wanted = {image.path: image.manifest.digest for image in heads if image.manifest.digest not in but}
    if not wanted:
        yield []
        return
    store = Store(root)
    try:
        paths = [(parse(text), digest) for text, digest in wanted.items()]
        yield [
            (store, path)
            for path, digest in paths
            if store.is_there(path) and read_record(store.tree(path)).fields["digest"] == digest
        ]
    finally:
        store.close()


def _made(root: Path, path: StorePath, pushable: Pushable) -> PushedManifest | None:
    try:
        store = Store(root)
    except FpackError:
        return None
    try:
        return of_store(store, path, pushable)
    finally:
        store.close()
