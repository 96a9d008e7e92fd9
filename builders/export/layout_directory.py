"""Write a built image as an OCI layout directory, and change the files of one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from fpack.builders.oci import spec
from fpack.builders.streams.output_file import CHUNK, ExportError, StoredFile, errors
from fpack.light_typing import Any
from fpack.store import threads
from fpack.store.files import replace
from fpack.store.files.writer import write_all

from .oci import ExportedImage, Extra, Source, copy_source

_LAYOUT_FILES = ("oci-layout", "index.json")
_HINT = "name an empty or a new directory"
_BLOBS = "blobs/sha256"
_MAX_INDEX = 1 << 20  # bytes
_NEW_LAYOUT = re.compile(r"\.oci-layout\.[0-9a-f]{12}")  # a file of `replace` before it has its name
_THREADS, _OPEN = 6, 8  # that fetch and sync blobs, and the blobs that wait for a sync with open files


def export_layout(bundle: ExportedImage, out: Path, extra: Callable[[], Extra] = dict) -> dict[str, Any]:
    """Write a bundle as an OCI layout directory. Return `Bundle.result`.

    extra: returns additional files. It is called while the blobs of the image are fetched.

    `out` may be missing, empty, or a layout of one image, which is replaced atomically: readers see the old image until
    `index.json` is replaced. Blobs that both images have are kept, and those of the old image alone are deleted.
    """
    sources: dict[str, Source] = {}
    with errors(out), contextlib.ExitStack() as stack:
        layout = _LayoutDirectory(out, stack)
        try:
            # First, so that the next command knows what a killed one leaves as an unfinished layout.
            if not layout.has("oci-layout", spec.LAYOUT):
                layout.write("oci-layout", spec.LAYOUT)
            parts: tuple[Callable[[], Extra], ...] = (lambda: bundle.blobs, extra)
            for part in parts:
                new = {name: source for name, source in part().items() if name not in sources}
                sources |= new
                # First the blobs, which other files name, and of these the largest, which take longest.
                for name in sorted(new, key=lambda name: ("/" not in name, -_size(new[name]))):
                    if not layout.has(name, new[name]):
                        layout.write(name, new[name])
            layout.write("index.json", bundle.index_json)
        except BaseException:
            layout.undo()
            raise
        layout.keep({*sources, *_LAYOUT_FILES})
        layout.sync()
    return bundle.result(out)


def update_layout(out: Path, files: Mapping[str, bytes], gone: Collection[str]) -> None:
    """Write files into a layout, and delete those of `gone`. Readers see the old files until they are replaced.

    Blobs are written first and `index.json` last, so that every file that a document names is there.
    """
    with errors(out), contextlib.ExitStack() as stack:
        layout = _LayoutDirectory(out, stack)
        try:
            for name in sorted(files, key=lambda name: ("/" not in name, name == "index.json", name)):
                if not layout.has(name, files[name]):
                    layout.write(name, files[name])
        except BaseException:
            layout.undo()
            raise
        layout.remove(gone)
        layout.sync()


class _LayoutDirectory:
    """A writer of an OCI layout that works by directory descriptors and follows no symlink.

    An unpacked archive or a cloned repository can hold a layout with symlinks to any of the user's files.
    """

    def __init__(self, out: Path, stack: contextlib.ExitStack) -> None:
        """Open or create the layout. Raise ExportError if `out` cannot become a layout."""
        self._made: list[tuple[str, int | None]] = []  # created directories: name, descriptor of the parent
        self._new: list[str] = []
        self._has_new_names = False  # at the top, since the last sync of it
        self._ends: list[threads.ThreadJob[None]] = []  # of the new blobs since the last sync of their directory
        self._workers = threads.Workers(_THREADS, "blobs")
        self._failure: BaseException | None = None  # the first of those that end all threads
        name, above = os.fspath(out), None
        if out.name not in ("", ".."):
            try:
                above, name = stack.enter_context(replace.target(out))
            except replace.OutsideError as error:
                raise ExportError(error.what, why=error.why, hint=_HINT) from None
        try:
            os.mkdir(name, dir_fd=above)
            self._made.append((name, above))
        except FileExistsError:
            pass
        try:
            try:
                self._directories = {"": _open(name, above, stack)}
            except NotADirectoryError:
                raise ExportError(f"{out} is not a directory", hint=_HINT) from None
            if not self._made:
                self._check(out)
            self._directories["blobs"] = self._directory(out, "blobs", self._directories[""], stack)
            self._directories[_BLOBS] = self._directory(out, _BLOBS, self._directories["blobs"], stack)
            self._before = self._contents()
            stack.enter_context(self._workers)
        except BaseException:
            self.undo()
            raise

    def _check(self, out: Path) -> None:
        top = self._directories[""]
        names = os.listdir(top)
        for directory in ("blobs", _BLOBS):
            if (out / directory).is_symlink():
                raise _is_link(out / directory)
        is_begun = all(name == "blobs" or _NEW_LAYOUT.fullmatch(name) for name in names)
        if is_begun and not any(files for _, _, files in os.walk(out / "blobs")):
            return  # it is empty, or a killed command had just begun a layout
        if "oci-layout" not in names:
            raise ExportError(f"{out} is not empty and not an OCI layout", hint=_HINT)
        try:
            entries = json.loads(_read_at(top, "index.json", _MAX_INDEX))["manifests"]
            images = [entry for entry in entries if not spec.is_attachment(entry)]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if len(images) > 1:
            why = "fpack replaces only layouts of one image"
            raise ExportError(f"{out} is an OCI layout of {len(images)} images", why=why, hint=_HINT)

    def _directory(self, out: Path, path: str, above: int, stack: contextlib.ExitStack) -> int:
        """Open a directory of the layout; create it if it does not exist."""
        name = path.rpartition("/")[2]
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=above)
            self._made.append((name, above))
        try:
            return _open(name, above, stack)
        except NotADirectoryError:
            raise _is_link(out / path) from None

    def _contents(self) -> set[str]:
        """Return the files that an export may replace or delete: blobs, and fpack's files at the top."""
        top = {n for n in os.listdir(self._directories[""]) if n in _LAYOUT_FILES or n.startswith("fpack-")}
        return top | {f"{_BLOBS}/{name}" for name in os.listdir(self._directories[_BLOBS])}

    def _at(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        return self._directories[directory], name

    def has(self, path: str, source: Source) -> bool:
        """Return whether a file has the given bytes. Read it, since a layer may have been modified. A blob is named by
        its digest.
        """
        if path not in self._before:
            return False
        directory, name = self._at(path)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or status.st_size != _size(source):
            return False
        if isinstance(source, bytes):
            return _read_at(directory, name) == source
        sha256 = hashlib.sha256()
        with os.fdopen(_open_at(directory, name), "rb", buffering=0) as mine:
            while piece := mine.read(CHUNK):
                sha256.update(piece)
        return path == f"{_BLOBS}/{sha256.hexdigest()}"

    def write(self, path: str, source: Source) -> None:
        """Write or replace a file atomically. Files of the layout are written after the blobs that they name."""
        if path.rpartition("/")[0] != _BLOBS:
            self._sync_blobs()
            self._write(path, source, replace.at_once)
        elif isinstance(source, StoredFile):  # the store's database is read by the main thread
            self._write(path, source, self._end_later)
        else:
            self._ends.append(self._workers.submit(partial(self._write_in_thread, path, source)))

    def _write_in_thread(self, path: str, source: Source) -> None:
        try:
            self._go_on()
            self._write(path, source, replace.at_once)
        except BaseException as error:
            self._failure = self._failure or error

    def _go_on(self) -> None:
        if self._failure is not None:
            raise InterruptedError

    def _write(self, path: str, source: Source, end: Callable[[Callable[[], None]], object]) -> None:
        """Write or replace a file. end: as of `replacing_at`."""
        directory, name = self._at(path)
        is_top, is_index = directory == self._directories[""], path == "index.json"
        # The names of all files at the top are synced with that of the index, the last one.
        with replace.replacing_at(directory, name, durable=True, collect=is_top, sync_name=is_index, end=end) as fd:
            if isinstance(source, bytes):
                write_all(fd, source)
            elif isinstance(source, StoredFile):
                copy_source(source, fd, bytearray(CHUNK))
            else:
                for piece in source.pieces():
                    self._go_on()
                    write_all(fd, piece)
        self._new.append(path)
        if directory != self._directories[_BLOBS]:
            self._has_new_names = not is_index

    def _end_later(self, step: Callable[[], None]) -> None:
        """Sync a blob and give it its name while the next ones are fetched: a disk syncs several at once."""
        self._ends.append(self._workers.submit(step))
        if len(self._ends) > _OPEN:
            self._ends[-_OPEN].result()

    def _sync_blobs(self) -> None:
        """Wait until the content of new blobs is durable, and make their names so."""
        if self._ends:
            for job in self._ends:
                job.result()
            if self._failure is not None:
                raise self._failure
            os.fsync(self._directories[_BLOBS])
            self._ends = []

    def keep(self, paths: set[str]) -> None:
        """Delete the files that the layout had before and that are not in `paths`."""
        self.remove(self._before - paths)

    def remove(self, paths: Collection[str]) -> None:
        """Delete files that an export may delete."""
        for path in self._before.intersection(paths):
            directory, name = self._at(path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)

    def sync(self) -> None:
        """Make new names and directories durable; the content of files is already."""
        self._sync_blobs()
        if self._has_new_names:
            os.fsync(self._directories[""])
        for _, above in self._made:
            if above is not None:
                os.fsync(above)

    def undo(self) -> None:
        """Delete the files and directories that this writer created."""
        self._failure = self._failure or InterruptedError()
        for job in self._ends:
            job.wait()
        self._workers.stop()  # also the job whose submission was interrupted
        for path in self._new:
            if path not in self._before:
                directory, name = self._at(path)
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=directory)
        for made, above in reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(made, dir_fd=above)


def _size(source: Source) -> int:
    return len(source) if isinstance(source, bytes) else source.size


def _is_link(path: Path) -> ExportError:
    return ExportError(f"{path} is a symlink", why="an OCI layout has a directory there", hint=_HINT)


def _open(name: str, above: int | None, stack: contextlib.ExitStack) -> int:
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    stack.callback(os.close, fd)
    return fd


def _open_at(directory: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)


def _read_at(directory: int, name: str, most: int = -1) -> bytes:
    with os.fdopen(_open_at(directory, name), "rb") as file:
        return file.read(most)
