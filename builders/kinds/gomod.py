"""Build the `gomod` kind: download a version of a Go module and verify it against its hashes in go.sum.

The hashes cover the names and contents of the files in the archive, but not its encoding, so the archive is rewritten
in a canonical form. The output has the layout of a Go module proxy. Go reads the module from there and verifies it
again.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.net.errors import HttpError, NotFound, combined
from fpack.builders.net.http import Http
from fpack.builders.net.kept_files import WantedFile, download_kept
from fpack.builders.net.language_packages.tool_settings import GoProxies, go_proxies
from fpack.builders.payload import meta
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.builders.streams import zip_reader
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import CHUNK, chunks

if TYPE_CHECKING:
    from .table import Services

VERSION = 1


# Go's own limits for the files of a module, and for its go.mod.
MAX_ZIP, MAX_MOD = 500 << 20, 16 << 20
MAX_FILES = 200_000
_MAX_ENV = 1 << 16  # bytes
_UPPER = re.compile("[A-Z]")


class GomodArgs(NamedTuple):
    """The arguments. zip, mod: `h1:<base64>` of the archive and of the go.mod, or "" if go.sum has none.

    toolchain: a root with Go, whose go.env is the default for settings that this machine does not have, or "".
    """

    module: str
    version: str
    zip: str
    mod: str
    toolchain: str


class GomodBuilder(BaseBuilder):
    """The builder of `gomod`. Its output holds `<module>/@v/<version>.zip` and `.mod`."""

    version = VERSION
    network = True

    def __init__(self, http: Http) -> None:
        self._http = http

    def key(self, drv: Derivation) -> Value:
        """Return the module, the version and the hashes, but not the toolchain."""
        args = arguments.read(GomodArgs, drv.args)
        return [f"gomod {VERSION}", args.module, args.version, args.zip, args.mod]

    def build(self, task: Task) -> Built:
        """Download and verify the go.mod and the archive, and rewrite the archive."""
        args = arguments.read(GomodArgs, task.args)
        path = f"{escaped(args.module)}/@v/{escaped(args.version)}"
        proxies = go_proxies(args.module, _defaults(task, args.toolchain))
        writer = task.writer()
        writer.mkdir("")
        at = ""
        for part in path.split("/")[:-1]:
            at = f"{at}/{part}".lstrip("/")
            writer.mkdir(at)
        if args.mod:
            kept = self._kept(task, args.mod, MAX_MOD, lambda file: mod_hash(file) == args.mod)
            file, url = kept or self._download(task, proxies, f"{path}.mod", MAX_MOD)
            found = mod_hash(file)
            _check(found, args.mod, url, f"the go.mod of {args.module} {args.version}")
            writer.file(f"{path}.mod", chunks(file))
        if args.zip:
            packed, prefix = task.scratch() / "zip", f"{args.module}@{args.version}/"
            kept = self._kept(task, args.zip, MAX_ZIP, lambda file: _is_zip(file, packed, prefix, args.zip, task.check))
            file, url = kept or self._download(task, proxies, f"{path}.zip", MAX_ZIP)
            try:
                found = repack(file, packed, prefix, task.check)
            except zip_reader.DAMAGED as error:
                raise BuildError("A Go module's archive cannot be read", where=url, why=str(error)) from None
            _check(found, args.zip, url, f"{args.module} {args.version}")
            writer.file(f"{path}.zip", chunks(packed))
        return Built(writer)

    def _kept(self, task: Task, wanted: str, limit: int, accepts: Callable[[Path], bool]) -> tuple[Path, str] | None:
        """Return a file, and where it is from, if a place keeps it."""
        part = task.scratch() / "part"
        file = WantedFile(aliases=(wanted,))
        where = download_kept(self._http.kept, file, part, accepts, limit=limit, check=task.check)
        return (part, where) if where else None

    def _download(self, task: Task, proxies: GoProxies, name: str, limit: int) -> tuple[Path, str]:
        """Download a file from the first proxy that has it. Return its path and its URL."""
        failures: list[HttpError] = []
        for proxy, on_any in proxies.proxies:
            part, url = task.scratch() / "part", f"{proxy}/{name}"
            try:
                self._http.download([url], part, limit=limit, progress=task.progress, check=task.check)
            except HttpError as error:
                failures.append(error)
                if on_any or isinstance(error, NotFound):
                    continue
                break
            task.log(f"from {url}")
            return part, url
        hint = "run go mod vendor on a machine that can download the module, and keep vendor/ with the project"
        if not failures:
            raise BuildError(f"There is no proxy to download {task.name} from", why=proxies.why, hint=hint)
        last = combined(failures)
        raise last.with_(hint=last.hint or hint)


def escaped(text: str) -> str:
    """Escape a module path or version for a file name: `!a` for `A`. Raise BuildError if it is invalid."""
    if not re.fullmatch(r"[A-Za-z0-9._~+-]+(/[A-Za-z0-9._~+-]+)*", text) or any(
        part in (".", "..") for part in text.split("/")
    ):
        raise BuildError("go.sum has an invalid module path or version", where=repr(text)[:200])
    return _UPPER.sub(lambda match: f"!{match[0].lower()}", text)


def tree_hash(files: list[tuple[str, str]]) -> str:
    """Return the `h1:` hash of files, given as name and SHA-256 in hex (golang.org/x/mod/sumdb/dirhash, Hash1)."""
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(files, key=lambda file: file[0].encode()))
    return "h1:" + base64.b64encode(hashlib.sha256(listing.encode()).digest()).decode()


def mod_hash(path: Path) -> str:
    """Return the `h1:` hash of a go.mod."""
    with open(path, "rb") as content:
        return tree_hash([("go.mod", hashlib.file_digest(content, "sha256").hexdigest())])


def _is_zip(path: Path, packed: Path, prefix: str, wanted: str, check: Callable[[], None]) -> bool:
    """Return whether an archive has the wanted hash."""
    try:
        return repack(path, packed, prefix, check) == wanted
    except zip_reader.DAMAGED:
        return False


def repack(source: Path, target: Path, prefix: str, check: Callable[[], None]) -> str:
    """Rewrite an archive sorted, stored, and without times and attributes. Return the hash of its files.

    prefix: every name must begin with it. Raise one of zip_reader.DAMAGED for an invalid archive.
    """
    files: list[tuple[str, str]] = []
    with (
        open(source, "rb") as file,
        zip_reader.open_zip(file) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new,
    ):
        members = sorted(old.infolist(), key=lambda member: member.filename.encode())
        if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_ZIP:
            raise ValueError(f"it exceeds the limit of {MAX_ZIP >> 20} MB or of {MAX_FILES} files")
        names = [member.filename for member in members]
        if len(set(names)) < len(names):
            raise ValueError("two files have the same name")
        for member in members:
            name = member.filename
            if not name.startswith(prefix) or ".." in name.split("/") or re.search(r"[\x00-\x1f\\]", name):
                raise ValueError(f"it has the file {name!r}, but every name must begin with {prefix}")
            plain = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            plain.create_system, plain.external_attr, plain.file_size = 3, 0o444 << 16, member.file_size
            with zip_reader.open_member(old, member) as reader, new.open(plain, "w") as writer:
                files.append((name, _copy(reader, writer, check)))
    return tree_hash(files)


def _copy(reader: IO[bytes], writer: IO[bytes], check: Callable[[], None]) -> str:
    sha256 = hashlib.sha256()
    while chunk := reader.read(CHUNK):
        check()
        sha256.update(chunk)
        writer.write(chunk)
    return sha256.hexdigest()


def _check(found: str, wanted: str, url: str, what: str) -> None:
    if found != wanted:
        why = f"the hash of {what} is {found}, but go.sum has {wanted}"
        hint = "the module was changed: compare with another proxy; trust go.sum if it is committed as Go wrote it"
        raise BuildError("A Go module differs from go.sum", where=url, why=why, hint=hint)


def _defaults(task: Task, root: str) -> str:
    """Return the text of the go.env in a root, or "" if there is none."""
    if not root:
        return ""
    _, extra = meta.load(task.tree(root))
    for item in extra["slices"]:
        tree = task.tree(item["path"])
        for path in sorted((tree.disk / "data/usr/lib").glob("go-*/go.env")):
            digests = {entry.path: entry.blake3 for entry in meta.load(tree)[0]}
            content = meta.read_file(path, digests[str(path.relative_to(tree.disk / "data"))], _MAX_ENV)
            return content.decode("utf-8", "replace")
    return ""


def make(services: Services) -> GomodBuilder:
    return GomodBuilder(services.http())
