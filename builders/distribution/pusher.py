"""Push an image to a repository: only what it lacks, blobs in parallel, the tag last.

The tag is written last, so that whoever finds it finds the whole image, with the documents about it. If the tag names
the image already, nothing of it is asked for or sent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from fpack.light_typing import Any, NamedTuple, Protocol
from fpack.store import threads
from fpack.store.errors import FpackError

from .names import digest_of
from .protocol import BlobSource, Corrupt, Repository

WORKERS = 8  # uploads at a time
PROBES = 6  # blobs that the repository lacks, after which small ones are sent without asking whether it has them
SMALL = 1 << 20  # to ask takes as long as to send this much or less
MAX_MOUNTS = 3
Chunks = Callable[[int], Iterator[bytes]]


class PushedManifest(NamedTuple):
    """A manifest or index to push, with the blobs that it names. tag: a further tag that it gets, such as cosign's.

    subject: the digest of the image that it is about, or "".
    """

    data: bytes
    media_type: str
    blobs: Sequence[BlobSource] = ()
    tag: str = ""
    subject: str = ""

    @property
    def digest(self) -> str:
        """Return the digest of its bytes."""
        return digest_of(self.data)


class LateDocument(NamedTuple):
    """A document about an image that takes time to make. name: of its content. make: returns it, or None if none is.

    It is made only if it is not known that the repository has it.
    """

    name: str
    make: Callable[[], PushedManifest | None]


class PushedImage(NamedTuple):
    """An image to push. parts: the images of an index. referrers, late: documents about the image or its parts."""

    top: PushedManifest
    parts: Sequence[PushedManifest] = ()
    referrers: Sequence[PushedManifest] = ()
    late: Sequence[LateDocument] = ()

    @property
    def documents(self) -> list[str]:
        """Return what identifies each document: its digest, or its name."""
        return sorted([*(one.digest for one in self.referrers), *(one.name for one in self.late)])


class PushResult(NamedTuple):
    """The result of a push. unchanged: the repository had everything.

    sent: bytes of blobs. uploaded: number of blobs that were sent. existing: of those that were not, since the
    repository, or another one of the same registry, had them. referrers: number of documents that were added.
    """

    digest: str
    unchanged: bool = False
    sent: int = 0
    uploaded: int = 0
    existing: int = 0
    referrers: int = 0


class PushObserver(Protocol):
    """A listener to a push. Several threads call it."""

    def begin(self, blobs: Sequence[BlobSource]) -> None:
        """Learn which blobs the repository may lack."""

    def advance(self, blob: BlobSource, done: int) -> None:
        """Learn how many bytes of a blob were sent."""

    def end(self, blob: BlobSource) -> None:
        """Learn that the repository has a blob."""


class SilentObserver:
    """A listener that ignores everything."""

    def begin(self, blobs: Sequence[BlobSource]) -> None:
        """Ignore it."""

    def advance(self, blob: BlobSource, done: int) -> None:
        """Ignore it."""

    def end(self, blob: BlobSource) -> None:
        """Ignore it."""


class _Stopped(FpackError):
    """An upload that ends because another one failed."""


def manifest(
    data: bytes, media_type: str, chunks: Callable[[str], Chunks], tag: str = "", subject: str = ""
) -> PushedManifest:
    """Return a manifest with the blobs that it names. chunks: returns the content of a blob by digest."""
    value = json.loads(data)
    rows: list[Any] = [*([value["config"]] if "config" in value else []), *value.get("layers", ())]
    sources = {row["digest"]: BlobSource(row["digest"], row["size"], chunks(row["digest"])) for row in rows}
    return PushedManifest(data, media_type, tuple(sources.values()), tag, subject)


class Pusher:
    """A push to a repository. mounts: returns repositories of the same registry that may have a blob, by digest.

    merge: returns what to push in place of a document with a tag, since others may have written the tag, or None if
    the repository has all of it. settle: called at the end of a push that left out blobs because the repository had
    them; waits until nobody deletes blobs, and returns whether somebody may have.
    """

    def __init__(
        self,
        repository: Repository,
        mounts: Callable[[str], Sequence[str]] = lambda digest: (),
        observer: PushObserver | None = None,
        merge: Callable[[Repository, PushedManifest], PushedManifest | None] = lambda repository, one: one,
        workers: int = WORKERS,
        settle: Callable[[Repository], bool] = lambda repository: False,
    ) -> None:
        self._repository = repository
        self._mounts = mounts
        self._observer: PushObserver = observer or SilentObserver()
        self._merge = merge
        self._workers = workers
        self._settle = settle
        self._relied: dict[str, BlobSource] = {}  # blobs that the repository may have had before the push
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._sent = self._uploaded = self._existing = 0

    def push(self, image: PushedImage, tag: str, known: Collection[str] = ()) -> PushResult:
        """Push an image under a tag, or by its digest alone for "".

        known: the documents that the repository has if the tag names the image, see `PushedImage.documents`.
        """
        digest = image.top.digest
        head = self._repository.resolve(tag or digest)
        if head is not None and head.digest == digest:
            late = [one.make() for one in image.late if one.name not in known]
            wanted = [one for one in image.referrers if one.digest not in known]
            wanted += [one for one in late if one is not None]
            wanted = self._absent(self._merged(wanted))
            if not wanted:
                return PushResult(digest, unchanged=True)
            self._write_blobs(wanted, set())
            self._write_referrers(wanted)
            return self._result(digest, len(wanted))
        existing, parts = self._former(head.digest if head is not None else "")
        missing = [part for part in image.parts if part.digest not in parts]
        referrers = self._merged(image.referrers)
        referrers += self._write_blobs([*missing, image.top, *referrers], existing, image.late)
        self._run([lambda part=part: self._write(part) for part in missing])  # type: ignore[misc]
        if referrers or not tag:
            self._write(image.top)
        self._write_referrers(referrers)
        if tag:
            self._repository.write_manifest(image.top.data, image.top.media_type, tag)
        if self._relied and self._settle(self._repository):
            self._write_deleted(image, referrers, tag)
        return self._result(digest, len(referrers))

    def _write_deleted(self, image: PushedImage, referrers: Sequence[PushedManifest], tag: str) -> None:
        """Write what was deleted since the push found it. Nothing deletes it again, since the tag names it."""
        deleted: list[BlobSource] = []

        def look(blob: BlobSource) -> None:
            if not self._repository.has_blob(blob.digest):
                deleted.append(blob)

        self._run([partial(look, blob) for blob in self._relied.values()])
        self._existing -= len(deleted)
        # Another push may have written the tag of a document since this one read it.
        documents = self._merged(referrers)
        sent = {blob.digest for one in referrers for blob in one.blobs}
        todo = [*deleted, *(blob for one in documents for blob in one.blobs if blob.digest not in sent)]
        self._observer.begin(todo)
        self._run([partial(self._write_blob, blob) for blob in todo])
        for one in (*image.parts, image.top, *documents):
            if deleted or self._repository.resolve(one.digest) is None:
                self._write(one, one.tag)
        if tag and deleted:
            self._repository.write_manifest(image.top.data, image.top.media_type, tag)

    def _result(self, digest: str, referrers: int) -> PushResult:
        return PushResult(digest, False, self._sent, self._uploaded, self._existing, referrers)

    def _merged(self, referrers: Sequence[PushedManifest]) -> list[PushedManifest]:
        found = [self._merge(self._repository, one) if one.tag else one for one in referrers]
        return [one for one in found if one is not None]

    def _absent(self, referrers: Sequence[PushedManifest]) -> list[PushedManifest]:
        """Return those documents that the repository does not list, or whose tag names another one."""
        listed: dict[str, set[str]] = {}
        for subject in dict.fromkeys(one.subject for one in referrers):
            listed[subject] = {entry.digest for entry in self._repository.referrers(subject)} if subject else set()
        found = []
        for one in referrers:
            if one.digest in listed[one.subject]:
                tagged = self._repository.resolve(one.tag) if one.tag else None
                if not one.tag or (tagged is not None and tagged.digest == one.digest):
                    continue
            found.append(one)
        return found

    def _former(self, digest: str) -> tuple[set[str], set[str]]:
        """Return the blobs and manifests that the image has which the tag names now: the repository has them."""
        document = self._repository.manifest(digest) if digest else None
        if document is None:
            return set(), set()
        try:
            value = json.loads(document.data)
            rows = [*([value["config"]] if "config" in value else []), *value.get("layers", ())]
            return {str(row["digest"]) for row in rows}, {str(row["digest"]) for row in value.get("manifests", ())}
        except (ValueError, KeyError, TypeError, AttributeError):
            return set(), set()

    def _write_blobs(
        self, manifests: Sequence[PushedManifest], existing: set[str], late: Sequence[LateDocument] = ()
    ) -> list[PushedManifest]:
        """Write the blobs of manifests, the largest first. Meanwhile, make late documents, and write their blobs.

        Return these documents.
        """
        sources = {blob.digest: blob for one in manifests for blob in one.blobs}
        todo = sorted(sources.values(), key=lambda blob: -blob.size)
        self._relied.update({blob.digest: blob for blob in todo if blob.digest in existing})
        todo = [blob for blob in todo if blob.digest not in existing]
        self._existing += len(sources) - len(todo)
        self._observer.begin(todo)
        made: list[PushedManifest] = []

        def make() -> None:
            for document in late:
                one = None if self._stop.is_set() else document.make()
                if one is None:
                    continue
                blobs = [blob for blob in one.blobs if blob.digest not in sources]
                self._observer.begin(blobs)
                for blob in blobs:
                    sources[blob.digest] = blob
                    self._write_blob(blob)
                made.append(one)

        self._run([lambda blob=blob: self._write_blob(blob) for blob in todo], make if late else None)  # type: ignore[misc]
        return made

    def _write_blob(self, blob: BlobSource) -> None:
        read = 0

        def chunks(offset: int) -> Iterator[bytes]:
            nonlocal read
            done = offset
            for chunk in blob.chunks(offset):
                if self._stop.is_set():
                    raise _Stopped("The upload was stopped")
                yield chunk
                done += len(chunk)
                read += len(chunk)
                self._observer.advance(blob, done)

        mounts = tuple(self._mounts(blob.digest))[:MAX_MOUNTS]
        source = blob._replace(chunks=chunks, mounts=mounts)
        # The largest come first, also in a push that was interrupted: if it has none of them, it has no others.
        new = self._existing == 0 and self._uploaded >= PROBES and blob.size <= SMALL
        direct = getattr(self._repository, "upload", None) if new else None
        written = direct(source) if direct is not None else self._repository.write_blob(source)
        with self._lock:
            self._sent += read
            self._uploaded += written
            self._existing += not written
            if direct is not None or not written:
                self._relied[blob.digest] = blob
        self._observer.end(blob)

    def _write(self, one: PushedManifest, tag: str = "") -> None:
        written = self._repository.write_manifest(one.data, one.media_type, tag)
        if written.digest != one.digest:
            why = f"it keeps {written.digest}"
            raise Corrupt(
                f"The repository does not keep the manifest {one.digest}", where=self._repository.name, why=why
            )

    def _write_referrers(self, referrers: Sequence[PushedManifest]) -> None:
        """Write documents about images one after the other: repositories may keep a list of them."""
        for one in referrers:
            self._write(one, one.tag)

    def _run(self, work: Sequence[Callable[[], None]], own: Callable[[], None] | None = None) -> None:
        """Do work in parallel. The first failure ends what is under way, and is raised. own: done by this thread."""
        failed: list[BaseException] = []

        def guarded(one: Callable[[], None]) -> None:
            if self._stop.is_set():
                return
            try:
                one()
            except BaseException as error:
                with self._lock:
                    failed.append(error)
                self._stop.set()

        if own is None and len(work) < 2:
            for one in work:
                one()
            return
        with threads.Workers(max(1, min(self._workers, len(work))), "push") as pool:
            try:
                jobs = [pool.submit(partial(guarded, one)) for one in work]
                if own is not None:
                    guarded(own)
                for job in jobs:
                    job.result()
            except BaseException:
                self._stop.set()
                raise
        if failed:
            raise failed[0]
