"""Find files in the places that keep locks: registries, buckets and directories.

The order is that of the settings. A place that fails is left alone for a while, and this is reported once. A place that
does not have what is asked for is asked after the archives from then on. Places are not trusted: what they deliver is
compared with the lock's digests, and the next place is tried if it differs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from fpack.builders.distribution.protocol import BlobEntry, Corrupt, NotThere, Repository, RepositoryError, too_long
from fpack.builders.net.errors import HttpError, NotFound, WrongContent
from fpack.builders.net.kept_files import FileOffer, WantedFile
from fpack.builders.net.response import Response
from fpack.store.errors import FpackError

from .kept_lock import FILE, LOCK_TAG, USE_TAG, KeptFile, identities
from .pages import read_kept

MISSES = 3  # without a find, after which a place is asked last
PAUSE = 60.0  # seconds for which a place that failed is left alone; doubled with each failure
MAX_PAUSE = 3600.0  # seconds
MAX_LOCKS = 500  # of a place, that are searched for a file of unknown size


class PlaceFailed(HttpError):
    """A place that does not answer."""


class KeptPlace:
    """One place. address: for messages. open: opens the repository at first use. say: shows a line to the user."""

    def __init__(
        self,
        address: str,
        open: Callable[[], Repository],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self._open = open
        self._say = say
        self._clock = clock
        self._lock = threading.RLock()
        self._repository: Repository | None = None
        self._known: dict[str, KeptFile] = {}
        self._unread: list[str] | None = None
        self._until = 0.0
        self._pause = PAUSE
        self._told: set[str] = set()
        self.misses = 0
        self.found = False

    @property
    def is_late(self) -> bool:
        """True if the place lacked what it was asked for, and never had anything."""
        return not self.found and self.misses >= MISSES

    @property
    def is_paused(self) -> bool:
        """True while the place is left alone."""
        return self._clock() < self._until

    def repository(self) -> Repository:
        """Return the repository. Raise RepositoryError or another FpackError."""
        with self._lock:
            if self._repository is None:
                self._repository = self._open()
            return self._repository

    def find(self, wanted: WantedFile) -> BlobEntry | None:
        """Return the blob of a file, as far as it can be known without asking for it. Record failures."""
        if wanted.sha256 and wanted.size is not None:
            return BlobEntry(FILE, f"sha256:{wanted.sha256}", wanted.size)
        keys = [f"sha256:{wanted.sha256}"] if wanted.sha256 else []
        keys += [f"sha512:{wanted.sha512}"] if wanted.sha512 else []
        keys += wanted.aliases
        try:
            found = self._search(keys)
        except FpackError as error:
            self.failed(error)
            return None
        if found is None:
            self.missed()
            return None
        return found.blob if wanted.size in (None, found.size) else None

    def named(self, sha256: str) -> str:
        """Return the name of a kept file."""
        try:
            found = self._search([f"sha256:{sha256}"])
        except FpackError as error:
            self.failed(error)
            return ""
        return found.name if found is not None else ""

    def _search(self, keys: Sequence[str]) -> KeptFile | None:
        """Return the file with one of these digests. Read the tables of kept locks until one has it."""
        with self._lock:
            repository = self.repository()
            if self._unread is None:
                tags = [tag for prefix in (LOCK_TAG, USE_TAG) for tag in repository.tags(prefix)]
                self._unread = identities(tags)[:MAX_LOCKS]
            while (found := next((self._known[key] for key in keys if key in self._known), None)) is None:
                if not self._unread:
                    return None
                self._read(repository, self._unread.pop(0))
            return found

    def _read(self, repository: Repository, identity: str) -> None:
        try:
            kept = read_kept(repository, identity)
        except (Corrupt, NotThere) as error:
            self.tell(f"warning: a kept lock of the mirror {self.address} is ignored: {error}")
            return
        for file in kept.files if kept is not None else ():
            for key in (file.digest, *file.aliases):
                self._known.setdefault(key, file)

    # The record of events.

    def worked(self) -> None:
        """Record that the place delivered a file."""
        self.found = True
        self._pause = PAUSE

    def missed(self) -> None:
        """Record that the place does not have a file."""
        self.misses += 1

    def failed(self, error: FpackError) -> None:
        """Leave the place alone for a while. Report it once."""
        with self._lock:
            if self.is_paused:
                return
            self._until = self._clock() + self._pause
            self._pause = min(self._pause * 2, MAX_PAUSE)
        self.tell(f"warning: the mirror {self.address} is not used for now: {error}", "failed")

    def lied(self, error: FpackError) -> None:
        """Report once that the place delivered something else."""
        self.tell(f"warning: the mirror {self.address} has other content than the lock: {error}", "lied")

    def tell(self, text: str, key: str = "") -> None:
        """Show a line, once for each key."""
        with self._lock:
            if (key or text) in self._told:
                return
            self._told.add(key or text)
        self._say(text)


class PlaceOffer(NamedTuple):
    """The offer of a place."""

    place: KeptPlace
    entry: BlobEntry

    @property
    def where(self) -> str:
        return f"{self.place.address}@{self.entry.digest}"

    def open(self, url: str, offset: int = 0) -> Response:
        """Open the blob. Errors of the repository are raised as those of a server."""
        try:
            chunks = self._chunks(self.place.repository(), offset)
            first = next(chunks, b"")
        except FpackError as error:
            raise self._error(error) from None

        def read() -> bytes:
            nonlocal first
            if first:
                piece, first = first, b""
                return piece
            try:
                return next(chunks, b"")
            except FpackError as error:
                raise self._error(error) from None

        self.place.worked()
        return Response(self.where, read, chunks.close, offset=offset, total=self.entry.size, html=False)

    def _chunks(self, repository: Repository, offset: int) -> Generator[bytes, None, None]:
        entry = self.entry
        done = offset
        pieces = repository.read_blob(entry, offset) if offset else repository.read_blob(entry)
        for piece in pieces:
            done += len(piece)
            if done > entry.size:
                raise too_long(entry.digest, entry.size, self.where)
            if piece:
                yield piece

    def refuse(self, error: HttpError) -> None:
        if isinstance(error, NotFound):
            self.place.missed()
        elif isinstance(error, PlaceFailed):
            self.place.failed(error)
        else:
            self.place.lied(error)

    def _error(self, error: FpackError) -> HttpError:
        why = ": ".join(filter(None, (error.what, error.why)))
        if isinstance(error, NotThere):
            return NotFound("The mirror does not have the file", where=self.where, why=why)
        if isinstance(error, Corrupt):
            return WrongContent("The mirror sent a different file than expected", where=self.where, why=why)
        if isinstance(error, RepositoryError | HttpError):
            return PlaceFailed("The mirror cannot be used", where=self.where, why=why, hint=error.hint)
        raise error


class KeptPlaces:
    """All places, in the order in which they are asked."""

    def __init__(self, places: Sequence[KeptPlace]) -> None:
        self.places = list(places)

    def offers(self, wanted: WantedFile, *, late: bool) -> Iterator[FileOffer]:
        """Yield what places offer, before the archives or after them."""
        for place in self.places:
            if place.is_paused or place.is_late != late:
                continue
            entry = place.find(wanted)
            if entry is not None and not place.is_paused:
                yield PlaceOffer(place, entry)

    def named(self, sha256: str) -> str:
        """Return the name of a kept file with a digest, or ""."""
        return next((name for place in self.places if not place.is_paused and (name := place.named(sha256))), "")
