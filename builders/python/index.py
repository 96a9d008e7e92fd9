"""Answer what the package indexes of this machine's pip have, for a resolution."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fpack.builders.net.errors import HttpError, NotFound, without_login
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.tool_settings import pip_directories, pip_indexes
from fpack.builders.net.origins import is_local
from fpack.builders.protocol import BuildError
from fpack.store import threads

from .metadata import DAMAGED, MAX_METADATA, Metadata, parse_metadata, read_sdist, read_wheel
from .names import normal
from .pages import MAX_PAGE, links
from .versions import Version, parse, satisfies, specifier
from .wheels import IndexFile, WheelTarget, choose, rank, version_of

MAX_FILE = 4 << 30  # bytes
PARALLEL = 8  # requests at a time


class PackageIndexes:
    """The files of the indexes for a target.

    scratch: a directory for downloads. python: the full version of the target. Answers are kept for the life of the
    object. `expect` asks several packages' pages at once.
    """

    def __init__(
        self, http: Http, target: WheelTarget, python: str, scratch: Path, check: Callable[[], None] = lambda: None
    ) -> None:
        self._http = http
        self._target = target
        self._python = python
        self._scratch = scratch
        self._check = check
        self._pages: dict[str, dict[str, list[IndexFile]]] = {}
        self._order: dict[str, list[str]] = {}
        self._metadata: dict[str, Metadata] = {}

    def versions(self, name: str) -> Sequence[str]:
        """Return the versions that have a file for the target, newest first; those taken back are last."""
        if name not in self._order:
            found = self._page(name)

            def order(version: str) -> tuple[bool, Version]:
                return not all(file.yanked for file in found[version]), parse(version)

            self._order[name] = sorted(found, key=order, reverse=True)
        return self._order[name]

    def file(self, name: str, version: str) -> IndexFile:
        """Return the best file of a version."""
        files = self._page(name)[version]
        chosen = choose(files, {file.sha256 for file in files}, self._target)
        assert chosen is not None
        return chosen

    def by_hash(self, name: str, sha256: str) -> IndexFile:
        """Return the file of a package with this hash; raise ValueError if no index has it."""
        for files in self._page(name).values():
            for file in files:
                if file.sha256 == sha256:
                    return file
        raise ValueError(f"no index has the file of {name} with the SHA-256 {sha256}")

    def metadata(self, name: str, version: str) -> Metadata:
        """Return the metadata of the best file; raise ValueError if it cannot be read."""
        file = self.file(name, version)
        if file.sha256 not in self._metadata:
            self._metadata[file.sha256] = self.read(file)
        return self._metadata[file.sha256]

    def read(self, file: IndexFile) -> Metadata:
        """Return the metadata of a file, from beside it or from inside."""
        if file.metadata and file.name.endswith(".whl"):
            try:
                _, body = self._http.get([f"{file.url}.metadata"], limit=MAX_METADATA, check=self._check)
            except NotFound:
                body = b""
            if body and (file.metadata == "true" or hashlib.sha256(body).hexdigest() == file.metadata):
                return parse_metadata(body.decode("utf-8", "replace"))
        path = self._scratch / file.sha256
        if not path.is_file():
            self._http.download([file.url], path, sha256=file.sha256, limit=MAX_FILE, check=self._check)
        try:
            return read_wheel(path) if file.name.endswith(".whl") else read_sdist(path, file.name)
        except DAMAGED as error:
            raise ValueError(f"{file.name} cannot be read: {error}") from None

    def expect(self, names: Iterable[str]) -> None:
        """Ask for the pages of these packages at once."""
        missing = [name for name in dict.fromkeys(names) if name not in self._pages]
        if len(missing) > 1:
            with threads.Workers(PARALLEL, "index pages") as workers:
                pages = workers.map(self._read_page, missing)
            self._pages.update(zip(missing, pages, strict=True))

    def _page(self, name: str) -> dict[str, list[IndexFile]]:
        if name not in self._pages:
            self._pages[name] = self._read_page(name)
        return self._pages[name]

    def _read_page(self, name: str) -> dict[str, list[IndexFile]]:
        """Return the files of a package that suit the target, by version."""
        files = [file for directory in pip_directories() for file in _in_directory(Path(directory), name)]
        failures: list[HttpError] = []
        for index in pip_indexes():
            self._check()
            url = f"{index}/{name}/"
            try:
                _, body = self._http.get([f"{url}index.html" if is_local(url) else url], limit=MAX_PAGE)
                files += links(body.decode("utf-8", "replace"), url)
            except HttpError as error:
                failures.append(error)
        failures = [error for error in failures if not isinstance(error, NotFound)]
        if not files and failures:
            raise failures[0]
        found: dict[str, list[IndexFile]] = {}
        for file in files:
            version = version_of(file.name, name)
            if version is not None and self._suits(file, version):
                found.setdefault(version, []).append(file)
        return found

    def _suits(self, file: IndexFile, version: str) -> bool:
        try:
            parse(version)
            return rank(file.name, self._target) is not None and satisfies(
                self._python, specifier(file.requires_python)
            )
        except ValueError:
            return False


def bare(url: str) -> str:
    """Return a URL without its user and password, which a lock must not have; "" for a file of this machine."""
    return "" if is_local(url) else without_login(url)


def _in_directory(directory: Path, project: str) -> list[IndexFile]:
    found = []
    for name in sorted(os.listdir(directory)):
        path = directory / name
        if normal(name.partition("-")[0]) == project and path.is_file():
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(IndexFile(name, path.as_uri(), digest))
    return found


def constraints(paths: Iterable[str]) -> list[str]:
    """Return the requirements in the constraint files of pip's configuration."""
    from .requirements import requirements_file

    found: list[str] = []
    for path in paths:
        folder = os.path.dirname(os.path.abspath(path))

        def read(name: str, folder: str = folder) -> str:
            return Path(folder, name).read_text("utf-8", "replace")

        try:
            content = requirements_file(os.path.basename(path), read)
        except (OSError, ValueError) as error:
            raise BuildError("pip's constraints cannot be read", where=path, why=str(error)) from None
        found += [*content.lines, *content.constraints]
    return found
