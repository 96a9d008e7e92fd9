"""Push an image to a registry, show the progress, and describe the result."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence

from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.protocol import BlobSource, Repository
from fpack.builders.distribution.pusher import PushedImage, PushedManifest, Pusher, SilentObserver
from fpack.builders.distribution.reference import BadReference, Reference, parse_reference
from fpack.builders.scheduler.reporter import BuildOutcome, Reporter
from fpack.cli.errors import UsageError
from fpack.cli.paths import uploads_directory
from fpack.cli.ui.render import counted, megabytes
from fpack.light_typing import TYPE_CHECKING, Any

from .records import PushRecord

if TYPE_CHECKING:
    from fpack.cli.images.packing import PackedImage

    from .cache_entries import CacheEntries

TAG = "latest"


def destination(text: str) -> Reference:
    """Parse the reference to push to. Without a tag and a digest, the tag is `latest`, as in other tools."""
    found = parse_reference(text)
    return found if found.tag or found.digest else found._replace(tag=TAG)


def destinations(text: str, images: Sequence[PackedImage]) -> list[Reference]:
    """Return where to push images. A text that ends with `/` is a prefix of their names and tags."""
    if text.endswith("/"):
        found = []
        for image in images:
            name = image.bundle.name.rpartition("/")[2]
            found.append(parse_reference(f"{text}{name}:{image.bundle.tag}"))
        if len(set(found)) < len(found):
            raise UsageError("Two images would be pushed to the same name", hint="push them one by one")
        return found
    if len(images) != 1:
        raise UsageError(
            f"--push names one image, and there are {len(images)}",
            hint=f"end it with a slash: --push {text}/ pushes each by its own name",
        )
    return [destination(text)]


def check_destination(text: str) -> None:
    """Raise an error, before anything is built, if a text cannot name where to push."""
    try:
        parse_reference(f"{text}name" if text.endswith("/") else text)
    except BadReference as error:
        raise error.with_(
            hint="write HOST/NAME:TAG, such as localhost:5000/team/app:1.0, or HOST/TEAM/ for several images"
        ) from None


def push(
    image: PushedImage,
    reference: Reference,
    *,
    plain_http: bool = False,
    observer: UploadDisplay | None = None,
    source: Reference | None = None,
    below: Sequence[Mapping[str, Any]] = (),
    entries: CacheEntries | None = None,
) -> dict[str, Any]:
    """Push an image. Return the object that `--json` prints of it. source: where the image is, if in a registry.

    below: layers of the image's base, from whose repositories they are mounted, see `packing.base_layers`. entries:
    those of the cache in the same registry.
    """
    if reference.digest and reference.digest != image.top.digest:
        raise UsageError(
            "The image has another digest than the reference to push to", why=f"it is {image.top.digest}",
            hint="name a tag, or leave the digest out",
        )  # fmt: skip
    repository = open_repository(reference, plain_http=plain_http, mirrors=False, uploads=uploads_directory())
    record = PushRecord(reference.host)
    mounts = record.mounts(reference.repository)
    near = source is not None and source.host == reference.host and source.repository != reference.repository
    first = (source.repository,) if near and source is not None else ()
    if entries is not None and entries.repository != reference.repository:
        first = (*first, entries.repository)  # builds may have pushed the layers
    near_bases = {layer["digest"]: _near(layer["urls"], reference) for layer in below}
    pusher = Pusher(
        repository, lambda digest: (*first, *near_bases.get(digest, ()), *mounts.get(digest, ())), observer, _merge,
        settle=_settle,
    )  # fmt: skip
    known = record.documents(reference, image.top.digest)
    result = pusher.push(image, reference.tag, known)
    published = entries is not None and entries.marker not in known and entries.publish()
    if published or not result.unchanged or not set(image.documents) <= set(known):
        record.add(reference, image, (entries.marker,) if entries is not None and published else ())
    return {
        "reference": str(reference),
        "digest": result.digest,
        "unchanged": result.unchanged,
        "sent": result.sent,
        "blobs": {"uploaded": result.uploaded, "existing": result.existing},
        "documents": result.referrers,
    }


def _near(urls: Sequence[str], reference: Reference) -> list[str]:
    """Return the other repositories of the same registry among addresses."""
    found = [parse_reference(url.removeprefix("oci://")) for url in urls]
    here = (reference.host, reference.repository)
    return [one.repository for one in found if one.host == here[0] and one.repository != here[1]]


def _merge(repository: Repository, one: PushedManifest) -> PushedManifest | None:
    from fpack.cli.images.attestations.merging import merged

    return merged(repository, one)


def _settle(repository: Repository) -> bool:
    from fpack.builders.caches import deletion_mark

    return deletion_mark.settle(repository)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the text output of a push."""
    name, digest = str(result["reference"]).partition("@")[0], result["digest"]
    yield f"{name}  {digest}"
    if result["unchanged"]:
        yield "  the registry has it already: nothing was sent"
        return
    blobs = result["blobs"]
    text = f"  sent {megabytes(result['sent'])}: {counted(blobs['uploaded'], 'blob')}"
    if blobs["existing"]:
        text += f"; the registry had {counted(blobs['existing'], 'other')}"
    yield text
    if result["documents"]:
        yield f"  documents about it: {result['documents']}"


class UploadDisplay(SilentObserver):
    """The uploads of a push as steps of a reporter."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._started: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, blobs: Sequence[BlobSource]) -> None:
        """Plan an upload for each blob."""
        for blob in blobs:
            self._reporter.planned(blob.digest.encode(), "push", blob.digest[7:19])

    def advance(self, blob: BlobSource, done: int) -> None:
        """Show how much of a blob was sent."""
        key = blob.digest.encode()
        with self._lock:
            new = blob.digest not in self._started
            self._started.add(blob.digest)
        if new:
            self._reporter.started(key)
        self._reporter.progress(key, done, blob.size)

    def end(self, blob: BlobSource) -> None:
        """Count a blob."""
        self._reporter.finished(blob.digest.encode(), BuildOutcome.BUILT, "")


@contextlib.contextmanager
def display() -> Iterator[UploadDisplay]:
    """Yield a display of uploads on the standard error."""
    from fpack.cli.ui.progress import reporter

    shown = reporter()
    try:
        yield UploadDisplay(shown)
    finally:
        shown.close()
