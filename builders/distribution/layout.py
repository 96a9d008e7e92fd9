"""Keep a repository in a directory: an OCI layout that several processes can read and write at once.

`index.json` holds the tags, as image layouts define it (`org.opencontainers.image.ref.name`). A blob is written beside,
synced and renamed into place, so a blob that exists is complete. `index.json` is replaced under a file lock, after the
blobs are durable. A killed writer leaves a file in `.uploads`, which the next writer deletes. Others may be able to
write to the directory, so a writer follows no link in it.
Format: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fpack import light_hashes
from fpack.light_typing import Any
from fpack.store.files import disk_errors, replace
from fpack.store.files.disk_errors import path_of
from fpack.store.files.sync import sync_directory
from fpack.store.locks import FileLock

from . import layout_index
from .names import check_digest, is_digest
from .protocol import (
    BlobEntry,
    BlobSource,
    Corrupt,
    Denied,
    ManifestDocument,
    RepositoryError,
    Unavailable,
    differs,
    no_blob,
    too_long,
    too_short,
    wrong_size,
)

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_UPLOADS = ".uploads"


class DirectoryRepository:
    """The repository in a directory. The first write creates the directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"file://{directory}"
        self._blobs = directory / "blobs" / "sha256"
        self._uploads = directory / _UPLOADS
        self._preparing = threading.Lock()
        self._prepared = False
        self._index: tuple[tuple[int, int, int], layout_index.RefIndex] | None = None

    # Reading

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest, or None."""
        with self._errors():
            if is_digest(tag):
                found = self.manifest(tag)
                return layout_index.describe(found.data, found.media_type) if found else None
            entry = self._refs().tag(tag)
            return entry if entry is not None and self.has_blob(entry.digest) else None

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, compared with the digest, or None."""
        with self._errors():
            entry = None if is_digest(reference) else self._refs().tag(reference)
            digest = entry.digest if entry is not None else reference
            if not is_digest(digest):
                return None
            try:
                data = self._read(self._blob(digest), layout_index.MAX_MANIFEST)
            except FileNotFoundError:
                return None
            return layout_index.checked_manifest(data, digest, entry, self.name)

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob exists."""
        with self._errors():
            try:
                return stat.S_ISREG(os.lstat(self._blob(digest)).st_mode)
            except FileNotFoundError:
                return False

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a part of a blob. A whole blob is compared with its digest and size. Raise NotThere."""
        with self._errors():
            try:
                fd = self._open(self._blob(entry.digest))
            except FileNotFoundError:
                why = f"there is no file {self._blob(entry.digest)}"
                raise no_blob(entry.digest, self.name, why) from None
            try:
                size = os.fstat(fd).st_size
                if size != entry.size:
                    raise wrong_size(entry.digest, size, entry.size, self.name)
                yield from layout_index.stored_pieces(fd, 0, entry, offset, length, self.name)
            finally:
                os.close(fd)

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest."""
        found = self.manifest(layout_index.fallback_tag(digest))
        return layout_index.filtered(found.data, artifact_type) if found is not None else []

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix, sorted."""
        with self._errors():
            return self._refs().tags(prefix)

    # Writing

    def write_blob(self, source: BlobSource) -> bool:
        """Write a blob unless it exists. Return whether bytes were written."""
        with self._errors():
            target = self._blob(source.digest)
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(target).st_size == source.size:
                    return False
            self._prepare()
            with self._new_file() as (fd, uploads, temporary):
                hasher, size = light_hashes.sha256(size=source.size), 0
                for chunk in source.chunks(0):
                    hasher.update(chunk)
                    size += len(chunk)
                    if size > source.size:
                        break
                    _write(fd, chunk)
                if size > source.size:
                    raise too_long(source.digest, source.size, self.name)
                if size < source.size:
                    raise too_short(source.digest, size, source.size, self.name)
                if (found := f"sha256:{hasher.hexdigest()}") != source.digest:
                    raise differs(source.digest, found, self.name)
                os.fsync(fd)
                with self._folder("blobs", "sha256") as blobs:
                    os.rename(temporary, target.name, src_dir_fd=uploads, dst_dir_fd=blobs)
        return True

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Write a manifest or index, by digest or under a tag. List it if it has a subject."""
        if len(data) > layout_index.MAX_MANIFEST:
            raise RepositoryError(
                "A manifest is too large", where=self.name, why=f"the limit is {layout_index.MAX_MANIFEST} bytes"
            )
        entry = layout_index.describe(data, media_type)
        with self._errors():
            self._write_data(entry.digest, data)
            subject = layout_index.subject_of(data)
            if tag or subject:
                with self._changing() as refs:
                    if subject:
                        listed = self._referrers_data(refs, subject)
                        document = layout_index.referrers_document(listed, entry, layout_index.annotations_of(data))
                        list_entry = layout_index.describe(document, layout_index.OCI_INDEX)
                        self._write_data(list_entry.digest, document)
                        refs.set(layout_index.fallback_tag(subject), list_entry)
                    if tag:
                        refs.set(tag, entry)
        return entry

    def delete(self, reference: str) -> bool:
        """Delete a tag, or a manifest or blob with the tags that name it. Return whether it existed."""
        with self._errors():
            if not self.directory.is_dir():
                return False
            if not is_digest(reference):
                with self._changing() as refs:
                    return refs.remove(reference)
            target = self._blob(reference)
            try:
                os.lstat(target)
            except FileNotFoundError:
                return False
            if self._refs().names(reference):
                with self._changing() as refs:
                    refs.forget(reference)
            os.unlink(target)
            return True

    def touch(self, digests: Iterable[str]) -> None:
        """Note that blobs are used now, by the times of their files. Nothing has to be synced for that."""
        for digest in digests:
            with contextlib.suppress(OSError):
                os.utime(self._blob(digest), follow_symlinks=False)

    def untagged(self) -> list[str]:
        """Return the digests of manifests that `index.json` lists without a tag."""
        with self._errors():
            return self._refs().untagged()

    def is_listed(self, digest: str) -> bool:
        """Return whether `index.json` lists a digest."""
        with self._errors():
            return self._refs().names(digest)

    def blobs(self) -> Iterator[tuple[str, int, float]]:
        """Yield each blob's digest, its size, and the time of its last use, in seconds since 1970."""
        with self._errors(), contextlib.suppress(FileNotFoundError), os.scandir(self._blobs) as entries:
            for entry in entries:
                if is_digest(f"sha256:{entry.name}"):
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        yield f"sha256:{entry.name}", status.st_size, status.st_mtime

    # Files

    def _blob(self, digest: str) -> Path:
        return self._blobs / check_digest(digest, self.name).removeprefix("sha256:")

    def _open(self, path: Path) -> int:
        fd = os.open(path, _READ)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Corrupt("A file of a layout is not a regular file", where=str(path))
        return fd

    def _read(self, path: Path, limit: int) -> bytes:
        with open(self._open(path), "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Corrupt("A document is too large", where=str(path), why=f"the limit is {limit} bytes")
        return data

    def _refs(self) -> layout_index.RefIndex:
        """Return the tags. A process parses each version of `index.json` once."""
        path = self.directory / "index.json"
        try:
            status = os.stat(path)
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._index is not None and self._index[0] == version:
                return self._index[1]
            index = layout_index.RefIndex(self._read(path, layout_index.MAX_INDEX), self.name)
        except FileNotFoundError:
            return layout_index.RefIndex(layout_index.EMPTY_INDEX, self.name)
        self._index = (version, index)
        return index

    @contextlib.contextmanager
    def _changing(self) -> Iterator[layout_index.RefIndex]:
        """Yield the tags to change, under the lock, and write them. All blobs are durable before."""
        self._prepare()
        with FileLock(self.directory / ".lock", transient=False):
            path = self.directory / "index.json"
            try:
                refs = layout_index.RefIndex(self._read(path, layout_index.MAX_INDEX), self.name)
            except FileNotFoundError:
                refs = layout_index.RefIndex(layout_index.EMPTY_INDEX, self.name)
            before = refs.encode()
            yield refs
            if (after := refs.encode()) != before:
                sync_directory(self._blobs)
                replace.write(path, after, durable=True)

    def _referrers_data(self, refs: layout_index.RefIndex, subject: str) -> bytes | None:
        entry = refs.tag(layout_index.fallback_tag(subject))
        if entry is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            return self._read(self._blob(entry.digest), layout_index.MAX_MANIFEST)
        return None

    def _write_data(self, digest: str, data: bytes) -> None:
        self.write_blob(BlobSource(digest, len(data), lambda offset: iter((data[offset:],))))

    def _prepare(self) -> None:
        """Create the layout, and delete what killed writers left."""
        if self._prepared:
            return
        with self._preparing:
            for directory in (self._blobs, self._uploads):
                directory.mkdir(parents=True, exist_ok=True)
            for name, data in (("index.json", layout_index.EMPTY_INDEX), ("oci-layout", _LAYOUT)):
                path = self.directory / name
                if not path.exists():
                    with FileLock(self.directory / ".lock", transient=False):
                        if not path.exists():
                            replace.write(path, data, durable=True)
            with self._folder(_UPLOADS) as uploads:
                for name in os.listdir(uploads):
                    with contextlib.suppress(OSError):
                        _delete_if_unlocked(uploads, name)
            self._prepared = True

    @contextlib.contextmanager
    def _folder(self, *names: str) -> Iterator[int]:
        """Yield a descriptor of a directory of the layout. Raise Denied if a link is in its place."""
        fd = os.open(self.directory, _FOLDER)
        try:
            for number, name in enumerate(names):
                try:
                    below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                except NotADirectoryError:
                    where = os.fspath(self.directory.joinpath(*names[: number + 1]))
                    raise Denied("A directory of an image layout is a link or a file", where=where) from None
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _new_file(self) -> Iterator[tuple[int, int, str]]:
        """Yield a new locked file, the descriptor of its directory and its name.

        It is deleted at the end unless it was renamed.
        """
        with self._folder(_UPLOADS) as uploads:
            while True:
                name = os.urandom(12).hex()
                fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=uploads)
                try:
                    try:
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue  # another process locked the file, and is about to delete it
                    except OSError:
                        pass  # a file system without locks: no process deletes the file
                    if not os.fstat(fd).st_nlink:
                        continue  # another process deleted the file before it was locked
                    yield fd, uploads, name
                    return
                finally:
                    os.close(fd)
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=uploads)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind: Callable[..., RepositoryError] = Unavailable
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                kind = Denied
            what = "A directory with an image layout cannot be used"
            named, why, hint = path_of(error), error.strerror or str(error), ""
            if not named.startswith("/"):
                named = str(self.directory) if named else self.name  # it is a name in one of the directories
            if error.errno in disk_errors.FULL:
                why, hint = disk_errors.used_up(error, named), "free some space there, then run the same command again"
            raise kind(what, where=named, why=why, hint=hint) from None


def _write(fd: int, data: bytes) -> None:
    view: Any = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _delete_if_unlocked(directory: int, name: str) -> None:
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=directory)
    finally:
        os.close(fd)
