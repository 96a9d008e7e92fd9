"""Build the `pypi` kind: choose the best file of a Python package among those that a lock allows by hash.

A lock lists the hashes of all files of a version, for every system. The file names in an index tell which of these
files suits the target. A separate `fetch` derivation downloads the file and verifies it against its hash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.tool_settings import pip_directories, pip_indexes
from fpack.builders.net.origins import Origins, is_local
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.python.names import normal
from fpack.builders.python.pages import MAX_PAGE, file_of, links
from fpack.builders.python.wheels import IndexFile, WheelTarget, choose, target
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.errors import counted
from fpack.store.files.tree import read_file
from fpack.store.path import clean_name

from .fetch import FetchArgs

if TYPE_CHECKING:
    from .table import Services

VERSION = 1


class PypiArgs(NamedTuple):
    """The arguments. hashes: the allowed SHA-256. urls: in addition to the indexes. arch: Debian's.

    python, libc: the versions of the target, like "3.13" and "2.41". optional: accept that no file matches. sources:
    accept a source distribution if no wheel matches.
    """

    project: str
    version: str
    hashes: tuple[str, ...]
    urls: tuple[str, ...]
    python: str
    libc: str
    arch: str
    optional: bool
    sources: bool

    @property
    def target(self) -> WheelTarget:
        """Return the system that a wheel must suit."""
        return target(self.python, self.libc, self.arch)


class PypiBuilder(BaseBuilder):
    """The builder of `pypi`. Its output is a directory with the file; an empty one if `optional` and none matches.

    origins: the origins of the `fetch` builder, which must admit files of this machine.
    """

    version = VERSION
    network = True

    def __init__(self, http: Http, origins: Origins) -> None:
        self._http = http
        self._origins = origins

    def key(self, drv: Derivation) -> Value:
        """Return the derivation without its URLs."""
        return super().key(drv._replace(args={**drv.args, "urls": []}))

    def build(self, task: Task) -> Steps:
        """Choose the file and request its `fetch`."""
        args = arguments.read(PypiArgs, task.args)
        args = args._replace(project=normal(args.project))
        offered = self._offered(task, args)
        chosen = choose(offered, args.hashes, args.target)
        if chosen is not None and not chosen.name.endswith(".whl") and not args.sources:
            raise BuildError(
                f"{args.project} {args.version} has no compatible wheel", where=args.project,
                why=f"it has {chosen.name}, which may need a compiler to build",
                hint="python { sources = true } builds it; add the packages that the build needs to `tools`",
            )  # fmt: skip
        writer = task.writer()
        writer.mkdir("")
        if chosen is None:
            if args.optional:
                return Built(writer)
            raise _nothing(args, offered)
        urls = tuple(file.url for file in offered if file.sha256 == chosen.sha256)
        fetch = arguments.write(FetchArgs(urls, chosen.sha256))
        (path,) = yield Need([Derivation("fetch", clean_name(chosen.name), fetch)])
        tree = task.tree(path)
        node = read_file(tree.disk, os.stat(tree.disk))
        tree.compare("", node)
        writer.link(chosen.name, node, tree.disk)
        task.log(chosen.name)
        return Built(writer)

    def _offered(self, task: Task, args: PypiArgs) -> list[IndexFile]:
        """Return the allowed files of the lock's URLs, of pip's local directories and of its indexes."""
        project, allowed = args.project, args.hashes
        named = [file_of(url) for url in args.urls]
        found = [file for directory in pip_directories() for file in _in_directory(Path(directory), project, allowed)]
        failures: list[HttpError] = []
        kept = [] if named or self._http.kept is None else self._kept(allowed)
        # A place may lack the files of the hashes that suit this machine, so the indexes are asked unless it has all.
        for index in () if kept and len(kept) == len(allowed) else pip_indexes():
            task.check()
            try:
                found += links(self._page(f"{index}/{project}/"), f"{index}/{project}/")
            except HttpError as error:
                failures.append(error)
        here = [file for file in found if file.sha256 in allowed]
        self._origins.admit(file.url for file in here if is_local(file.url))
        here = [file for file in named if file.sha256 in allowed] + here + kept
        if not here and failures and len(failures) == len(pip_indexes()):
            raise failures[0]
        return here

    def _kept(self, hashes: Sequence[str]) -> list[IndexFile]:
        """Return the files with these hashes that places keep. Their URLs say no more than their names."""
        assert self._http.kept is not None
        names = {sha256: self._http.kept.named(sha256) for sha256 in hashes}
        return [IndexFile(name, f"kept:{name}", sha256) for sha256, name in names.items() if name]

    def _page(self, url: str) -> str:
        if url.startswith("file:"):
            url += "index.html"
        body = bytearray()
        with self._http.open(url) as response:
            for chunk in response.chunks():
                body += chunk
                if len(body) > MAX_PAGE:
                    raise BuildError(
                        "The page of an index is too large", where=url, why=f"the limit is {MAX_PAGE >> 20} MB"
                    )
        return body.decode("utf-8", "replace")


def _in_directory(directory: Path, project: str, allowed: Collection[str]) -> list[IndexFile]:
    found = []
    for name in sorted(os.listdir(directory)):
        if normal(name.partition("-")[0]) == project and (directory / name).is_file():
            with open(directory / name, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest in allowed:
                found.append(IndexFile(name, (directory / name).as_uri(), digest))
    return found


def _nothing(args: PypiArgs, offered: Sequence[IndexFile]) -> BuildError:
    project, version = args.project, args.version
    if offered:
        why = "it has " + ", ".join(sorted(file.name for file in offered)[:5])
        return BuildError(f"No file of {project} {version} is compatible", where=project, why=why)
    indexes = counted(len(pip_indexes()), "index", "indexes")
    directories = counted(len(pip_directories()), "directory", "directories")
    hashes = counted(len(args.hashes), "hash", "hashes")
    return BuildError(
        f"No index has {project} {version} with one of the locked hashes",
        where=project,
        why=f"fpack searched {indexes} and {directories} for {hashes}",
        hint="pip config list shows the configured indexes; lock again if the files were replaced",
    )


def make(services: Services) -> PypiBuilder:
    return PypiBuilder(services.http(), services.origins)
