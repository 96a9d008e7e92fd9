"""Read an image of a repository as the files of an OCI layout, each only when it is opened.

The index, the marker of a layout and the list of referrers, which a repository has in other forms, are made from what
it answers. A document is fetched once, and kept in memory and in a cache on disk; layers are streamed. The size of a
blob is the one that its descriptor says, and the repository compares what it sends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from io import BytesIO

from fpack import light_hashes
from fpack.builders.attest import cosign
from fpack.builders.distribution.document_cache import DocumentCache
from fpack.builders.distribution.layout_index import annotations_of, describe
from fpack.builders.distribution.protocol import (
    BlobEntry,
    Corrupt,
    ManifestDocument,
    NotThere,
    Repository,
    RepositoryError,
)
from fpack.builders.distribution.reference import Reference
from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.streams import strict_json
from fpack.builders.streams.stream import PieceReader
from fpack.builders.verify import documents
from fpack.builders.verify.documents import BadDocument, blob_name, descriptor
from fpack.builders.verify.findings import VerifyError
from fpack.light_typing import Any, BinaryIO, NoReturn
from fpack.store.errors import did_you_mean

MAX_TOP = 4 << 20  # bytes of an image's manifest or index
MAX_BLOBS = 20_000
MAX_REFERRERS = 1_000
MAX_IN_MEMORY = 32 << 20  # of one document
MAX_ALL_IN_MEMORY = 256 << 20  # bytes
_TOP = (
    documents.MANIFEST,
    documents.INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = frozenset(_TOP)
_INDEXES = frozenset(_TOP[1::2])
_UNTYPED = frozenset({"", "application/vnd.oci.empty.v1+json", "application/vnd.oci.image.config.v1+json"})
_LAYERS = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


class RemoteImage:
    """An image in a repository that a reference names. Its tag is resolved once: all answers are about one image.

    open_repository: is called when the image is first read. cache: of documents.
    """

    def __init__(
        self, reference: Reference, open_repository: Callable[[], Repository], cache: DocumentCache | None = None
    ) -> None:
        self.reference = reference
        self._open = open_repository
        self._cache = cache or DocumentCache(None)
        self._archive: RepositoryArchive | None = None

    def __str__(self) -> str:
        return str(self.reference)

    @property
    def name(self) -> str:
        """The last word of the repository, from which names of files about the image are made."""
        return self.reference.repository.rpartition("/")[2]

    @cached_property
    def repository(self) -> Repository:
        """The repository. Nothing was asked of it yet."""
        return self._open()

    def archive(self) -> RepositoryArchive:
        """Return the files of the image. Raise an FpackError if there is no such image."""
        if self._archive is None:
            self._archive = RepositoryArchive(self.reference, self.repository, self._cache)
        return self._archive


class RepositoryArchive:
    """The files of an image in a repository. It implements ImageArchive, and can be read again after it was closed.

    top: the image's manifest, or the index of several images.
    """

    def __init__(self, reference: Reference, repository: Repository, cache: DocumentCache) -> None:
        self.repository = repository
        self._reference = reference
        self._cache = cache
        self._entries: dict[str, BlobEntry] = {}
        self._kept: dict[str, bytes] = {}
        self._room = MAX_ALL_IN_MEMORY
        self.top = self._top()
        name = blob_name(self.top.digest)
        self._kept[name] = self.top.data
        self.sizes: dict[str, int] = _Sizes(self._referrers)
        self._list("oci-layout", documents.dump(documents.LAYOUT))
        self._list("index.json", documents.dump(self._index()))
        self._entries[name] = BlobEntry(self.top.media_type, self.top.digest, len(self.top.data))
        self.sizes[name] = len(self.top.data)
        self._add_blobs(self.top.data)

    def _top(self) -> ManifestDocument:
        reference = self._reference
        data = self._cache.read(reference.digest) if reference.digest else None
        if data is not None:
            # The type of a manifest from the cache stands in the manifest.
            found = ManifestDocument(_media_type(data), reference.digest, data)
            if found.media_type in _MANIFESTS:
                return found
        try:
            answer = self.repository.manifest(reference.wanted)
        except NotThere:
            answer = None
        if answer is None:
            raise self._absent()
        digest = f"sha256:{light_hashes.sha256(answer.data).hexdigest()}"
        if len(answer.data) > MAX_TOP or digest != answer.digest or reference.digest not in ("", digest):
            why = f"its digest is {digest}" if len(answer.data) <= MAX_TOP else f"it has {len(answer.data)} bytes"
            raise VerifyError("The registry sent another document than the image", where=str(reference), why=why)
        if answer.media_type not in _MANIFESTS:
            raise VerifyError(
                "This is not a container image", where=str(reference),
                why=f"its media type is {documents.shown(answer.media_type)}",
            )  # fmt: skip
        self._cache.write(digest, answer.data)
        return answer

    def _absent(self) -> VerifyError:
        reference = self._reference
        try:
            tags = self.repository.tags() if not reference.digest else []
        except RepositoryError:
            tags = []
        hint = did_you_mean(reference.wanted, tags) or (f"it has the tag {tags[-1]}" if tags else "")
        return VerifyError(
            f"There is no image {reference}",
            why=f"{self.repository.name} has no {'manifest' if reference.digest else 'tag'} {reference.wanted}",
            hint=hint or "check the name of the registry and the repository",
        )

    def _index(self) -> dict[str, Any]:
        """Return the `index.json` of a layout that holds this image alone."""
        reference, top = self._reference, self.top
        entry: dict[str, Any] = {"mediaType": top.media_type, "digest": top.digest, "size": len(top.data)}
        if reference.tag or not reference.digest:
            tag = reference.tag or "latest"
            name = f"{reference.host}/{reference.repository}:{tag}"
            entry["annotations"] = {documents.NAMES[0]: name, documents.NAMES[1]: tag}
        return {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": [entry]}

    @property
    def images(self) -> list[str]:
        """The digests of the image, or of the index and of its images."""
        found = [self.top.digest]
        if self.top.media_type in _INDEXES:
            value = documents.parse(self.top.data, blob_name(self.top.digest))
            listed = value.get("manifests") if isinstance(value, dict) else None
            for entry in listed[:MAX_REFERRERS] if isinstance(listed, list) else []:
                if not documents.is_attestation(entry):
                    found.append(descriptor(entry, blob_name(self.top.digest)).digest)
        return list(dict.fromkeys(found))

    def with_signatures(self) -> RepositoryArchive:
        """Add to the index what cosign stores beside the image under tags of its own, as a layout of cosign does."""
        entries = []
        for image in self.images:
            for kind, word in cosign.KINDS.items():
                tag = cosign.tag(image, kind)
                found = self.repository.resolve(tag)
                if found is not None and found.media_type in _MANIFESTS:
                    notes = {cosign.KIND: word, cosign.REF_NAME: tag}
                    about = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
                    entries.append({**about, "annotations": notes})
                    self._add(found)
        index = self._index()
        index["manifests"] += entries
        self._list("index.json", documents.dump(index))
        return self

    def _referrers(self) -> int:
        """Fetch the lists of referrers. Return the size of the file that has them, or -1 if there are none."""
        found: dict[str, BlobEntry] = {}
        for image in self.images:
            for entry in self.repository.referrers(image):
                found[entry.digest] = entry
        if len(found) > MAX_REFERRERS:
            raise BadDocument(REFERRERS, f"the image has {len(found)} documents; the limit is {MAX_REFERRERS}")
        if not found:
            return -1
        for entry in found.values():
            self._add(entry)
        listed = sorted(map(self._typed, found.values()), key=lambda entry: (entry.artifact_type, entry.digest))
        index = {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": [entry.value() for entry in listed]}
        self._kept[REFERRERS] = documents.dump(index)
        return len(self._kept[REFERRERS])

    def _typed(self, entry: BlobEntry) -> BlobEntry:
        """Return the descriptor of a document with the type that its manifest gives it.

        Registries that do not know the field `artifactType` list the media type of the configuration instead.
        """
        if entry.artifact_type not in _UNTYPED or entry.media_type not in _MANIFESTS:
            return entry
        try:
            data = self._document(entry, blob_name(entry.digest))
            own = describe(data, entry.media_type)
            return own._replace(annotations=entry.annotations or annotations_of(data))
        except (BadDocument, Corrupt):
            return entry  # its readers report it

    def _list(self, name: str, data: bytes) -> None:
        self._kept[name] = data
        self.sizes[name] = len(data)

    def open(self, name: str) -> BinaryIO:
        """Open a file. A document is fetched as a whole, a layer as it is read."""
        data = self._kept.get(name)
        if data is None:
            entry = self._entries[name]
            if entry.media_type not in _MANIFESTS and (
                entry.size > MAX_IN_MEMORY or entry.media_type.startswith(_LAYERS)
            ):
                return _BlobStream(self.repository.read_blob(entry), name)  # type: ignore[return-value]
            data = self._document(entry, name)
        return BytesIO(data)

    def _document(self, entry: BlobEntry, name: str) -> bytes:
        data = self._cache.read(entry.digest)
        if data is None:
            try:
                data = self._fetched(entry)
            except (NotThere, Corrupt) as error:
                _damaged(error, name)
            if len(data) != entry.size or f"sha256:{light_hashes.sha256(data).hexdigest()}" != entry.digest:
                raise BadDocument(name, "the registry sent another document than the one of this digest")
            self._cache.write(entry.digest, data)
        if len(data) <= self._room:
            self._room -= len(data)
            self._kept[name] = data
        if entry.media_type in _MANIFESTS:
            self._add_blobs(data)
        return data

    def _fetched(self, entry: BlobEntry) -> bytes:
        if entry.media_type in _MANIFESTS:
            found = self.repository.manifest(entry.digest)
            if found is None:
                raise NotThere("it is missing")
            return found.data
        return b"".join(self.repository.read_blob(entry))

    def _add_blobs(self, data: bytes) -> None:
        """Learn the sizes of what a manifest or an index refers to. Readers report what is invalid in it."""
        try:
            value = strict_json.parse(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        listed = [value.get("config")]
        for field in ("layers", "manifests"):
            found = value.get(field)
            listed += found if isinstance(found, list) else []
        for item in listed[:MAX_BLOBS]:
            try:
                self._add(BlobEntry(*descriptor(item, "")))
            except BadDocument:
                continue

    def _add(self, entry: BlobEntry) -> None:
        name = blob_name(descriptor(entry.value(), REFERRERS).digest)
        if name not in self._entries:
            if len(self._entries) > MAX_BLOBS:
                raise BadDocument(name, f"the image refers to more than {MAX_BLOBS} blobs")
            self._entries[name] = entry
            self.sizes[name] = entry.size

    def entry(self, name: str) -> BlobEntry:
        """Return the descriptor of a blob that a document refers to."""
        return self._entries[name]

    def close(self) -> None:
        """Do nothing: other parts of a command read the image again."""


class _Sizes(dict[str, int]):
    """The sizes of files. The list of referrers is fetched when it is first asked for."""

    def __init__(self, fetch: Callable[[], int]) -> None:
        super().__init__()
        self._fetch: Callable[[], int] | None = fetch

    def _ask(self) -> None:
        if self._fetch is not None:
            fetch, self._fetch = self._fetch, None
            if (size := fetch()) >= 0:
                self[REFERRERS] = size

    def __contains__(self, name: object) -> bool:
        if name == REFERRERS:
            self._ask()
        return super().__contains__(name)

    def __getitem__(self, name: str) -> int:
        if name == REFERRERS:
            self._ask()
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a size, or the default."""
        return self[name] if name in self else default  # noqa: SIM401 - this is what implements it


class _BlobStream:
    """A blob as a file that can be read once. An error of the repository about its content is one of the image."""

    def __init__(self, pieces: Iterator[bytes], name: str) -> None:
        self._pieces = pieces
        self._reader = PieceReader(pieces)
        self._name = name

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes."""
        try:
            return self._reader.read(size)
        except (NotThere, Corrupt) as error:
            _damaged(error, self._name)

    def close(self) -> None:
        """End the transfer."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> _BlobStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _damaged(error: RepositoryError, name: str) -> NoReturn:
    """Raise the error about a blob that is missing or has other content."""
    why = f"{error.what}: {error.why}" if error.why else error.what
    raise BadDocument(name, "it is missing" if isinstance(error, NotThere) else why) from None


def _media_type(data: bytes) -> str:
    try:
        value = strict_json.parse(data)
    except (ValueError, RecursionError):
        return ""
    return str(value.get("mediaType")) if isinstance(value, dict) else ""
