"""Build the `ociblob` kind: download a blob of a repository by its digest.

Its output is a directory with the file `blob`, as that of a layer. The key is the digest, and no repository.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.distribution.protocol import BlobEntry, Repository, RepositoryError, differs
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import chunks

if TYPE_CHECKING:
    from .table import Services

VERSION = 1

FILE = "blob"
Open = Callable[[str], Repository]


class OciblobArgs(NamedTuple):
    """The arguments. urls: addresses of repositories, `oci://HOST/NAME`. sha256: of the blob, in hexadecimal."""

    urls: tuple[str, ...]
    sha256: str
    size: int


class OciblobBuilder(BaseBuilder):
    """The builder of `ociblob`. An interrupted download is resumed by the next attempt."""

    version = VERSION
    network = True

    def __init__(self, repository: Open) -> None:
        self._repository = repository

    def key(self, drv: Derivation) -> Value:
        """Return the digest."""
        return [f"ociblob {VERSION}", arguments.read(OciblobArgs, drv.args).sha256]

    def build(self, task: Task) -> Built:
        """Download the blob, and write it to the store."""
        args = arguments.read(OciblobArgs, task.args)
        entry = BlobEntry("application/octet-stream", f"sha256:{args.sha256}", args.size)
        part = task.resume_dir() / "part"
        first_of(args.urls, self._repository, lambda found: _download(found, entry, part, task))
        writer = task.writer()
        writer.file(FILE, chunks(part))
        os.unlink(part)
        return Built(writer)


def derivation(urls: Sequence[str], digest: str, size: int) -> Derivation:
    """Return the derivation of a blob. digest: `sha256:` and 64 hexadecimal digits."""
    sha256 = digest.removeprefix("sha256:")
    return Derivation("ociblob", f"blob-{sha256[:12]}", arguments.write(OciblobArgs(tuple(urls), sha256, size)))


def first_of(urls: Sequence[str], repository: Open, read: Callable[[Repository], None]) -> None:
    """Call `read` with the first repository for which it succeeds. Raise the first error if there is none."""
    first: RepositoryError | None = None
    for url in urls:
        if not url.startswith("oci://"):  # a project must not read files of its user
            why = "only addresses that begin with oci:// name one"
            raise BuildError("A derivation has a URL that is not a registry's", where=url, why=why)
        try:
            read(repository(url))
            return
        except RepositoryError as error:
            first = first or error
    raise first or BuildError("A derivation names no repository")


def _download(repository: Repository, entry: BlobEntry, part: Path, task: Task) -> None:
    """Write a blob to a file, whose content so far is a part of the blob."""
    found = ""
    for _ in range(2):
        with open(part, "ab+") as file:
            file.seek(0)
            sha256, done = hashlib.sha256(), 0
            while chunk := file.read(1 << 18):
                sha256.update(chunk)
                done += len(chunk)
            resumed = done > 0
            for chunk in _rest(repository, entry, done):
                task.check()
                file.write(chunk)
                sha256.update(chunk)
                done += len(chunk)
                task.progress(min(done, entry.size), entry.size)
        found = f"sha256:{sha256.hexdigest()}"
        if done == entry.size and found == entry.digest:
            return
        os.unlink(part)
        if not resumed:
            break
    raise differs(entry.digest, found, repository.name)


def _rest(repository: Repository, entry: BlobEntry, offset: int) -> Iterator[bytes]:
    if offset == 0:
        return repository.read_blob(entry)
    if offset >= entry.size:
        return iter(())
    return repository.read_blob(entry, offset)


def make(services: Services) -> OciblobBuilder:
    return OciblobBuilder(services.repository)
