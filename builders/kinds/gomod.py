"""The `gomod` kind: a version of a Go module, known by the hashes that a go.sum has of its archive and its go.mod.

A hash says what is in the archive, not how that is packed, so the archive is packed anew, always in the same way. What
comes out is a part of a module proxy's files, from which Go itself takes the module, and checks it once more.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fpack.builders.net.errors import HttpError, NotFound, combined
from fpack.builders.net.http import Http
from fpack.builders.net.registries import GoProxies, go_proxies
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import CHUNK, chunks

if TYPE_CHECKING:
    from .table import Services

# Go's own limits of a module: of what is in its archive, and of its go.mod.
MAX_ZIP, MAX_MOD = 500 << 20, 16 << 20
MAX_FILES = 200_000
_UPPER = re.compile("[A-Z]")


class Gomod:
    """args: module, version, zip and mod ("h1:<base64>" of either; "" where go.sum has none), toolchain (a root with
    Go, whose settings hold where the machine has none, or ""). output: `<module>/@v/<version>.zip` and `.mod`.
    """

    kind = "gomod"
    network = True

    def __init__(self, http: Http) -> None:
        self._http = http

    def key(self, drv: Derivation) -> Value:
        """All but where to look."""
        return ["gomod 1", *(drv.args[name] for name in ("module", "version", "zip", "mod"))]

    def build(self, task: Task) -> Built:
        """Download both, verify them, pack the archive anew."""
        args = task.args
        module, version = str(args["module"]), str(args["version"])
        place = f"{escaped(module)}/@v/{escaped(version)}"
        proxies = go_proxies(module, _defaults(task))
        writer = task.writer()
        writer.mkdir("")
        at = ""
        for part in place.split("/")[:-1]:
            at = f"{at}/{part}".lstrip("/")
            writer.mkdir(at)
        if args["mod"]:
            file, url = self._download(task, proxies, f"{place}.mod", MAX_MOD)
            with open(file, "rb") as content:
                found = tree_hash([("go.mod", hashlib.file_digest(content, "sha256").hexdigest())])
            _check(found, str(args["mod"]), url, f"the go.mod of {module} {version}")
            writer.file(f"{place}.mod", chunks(file))
        if args["zip"]:
            file, url = self._download(task, proxies, f"{place}.zip", MAX_ZIP)
            packed = task.scratch() / "zip"
            try:
                found = repack(file, packed, f"{module}@{version}/", task.check)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
                raise BuildError("A Go module's archive cannot be read", where=url, why=str(error)) from None
            _check(found, str(args["zip"]), url, f"{module} {version}")
            writer.file(f"{place}.zip", chunks(packed))
        return Built(writer)

    def _download(self, task: Task, proxies: GoProxies, name: str, limit: int) -> tuple[Path, str]:
        """A file from the first proxy that has it, and where that was."""
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
        hint = "go mod vendor, where the module can be had, puts it beside the project"
        if not failures:
            raise BuildError(f"There is no proxy to get {task.name} from", why=proxies.why, hint=hint)
        last = failures[0] if len(failures) == 1 else combined(failures)
        last.hint = last.hint or hint
        raise last


def escaped(text: str) -> str:
    """A module's path or version as the names of files have it: `!a` for `A`; BuildError if it is neither."""
    if not re.fullmatch(r"[A-Za-z0-9._~+-]+(/[A-Za-z0-9._~+-]+)*", text) or any(
        part in (".", "..") for part in text.split("/")
    ):
        raise BuildError("go.sum has something that is no module", where=repr(text)[:200])
    return _UPPER.sub(lambda match: f"!{match[0].lower()}", text)


def tree_hash(files: list[tuple[str, str]]) -> str:
    """The hash `h1:` of files, given by name and SHA-256 in hexadecimal (golang.org/x/mod/sumdb/dirhash, Hash1)."""
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(files, key=lambda each: each[0].encode()))
    return "h1:" + base64.b64encode(hashlib.sha256(listing.encode()).digest()).decode()


def repack(source: Path, target: Path, prefix: str, check: Callable[[], None]) -> str:
    """Write an archive anew, sorted, without compression, times and attributes; the hash of what is in it.

    prefix: what every name begins with. ValueError and zipfile's errors for what is no module's archive.
    """
    files: list[tuple[str, str]] = []
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        members = sorted(old.infolist(), key=lambda each: each.filename.encode())
        if len(members) > MAX_FILES or sum(each.file_size for each in members) > MAX_ZIP:
            raise ValueError(f"it is larger than {MAX_ZIP >> 20} MB or {MAX_FILES} files, which no module is")
        names = [each.filename for each in members]
        if len(set(names)) < len(names):
            raise ValueError("two files have one name")
        for member in members:
            name = member.filename
            if not name.startswith(prefix) or ".." in name.split("/") or re.search(r"[\x00-\x1f\\]", name):
                raise ValueError(f"it has the file {name!r}, and all begin with {prefix}")
            plain = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            plain.create_system, plain.external_attr, plain.file_size = 3, 0o444 << 16, member.file_size
            with old.open(member) as reader, new.open(plain, "w") as writer:
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
        why = f"the hash of {what} is {found}, and go.sum has {wanted}"
        hint = "somebody changed it: compare with another proxy; go.sum is right if it was checked in as Go wrote it"
        raise BuildError("A Go module is not what go.sum has", where=url, why=why, hint=hint)


def _defaults(task: Task) -> str:
    """The text of the settings that Go in the root `toolchain` begins with; "" where there is none."""
    root = str(task.args["toolchain"])
    if not root:
        return ""
    _, extra = meta.read(task.disk(root))
    for each in extra["slices"]:
        for place in sorted((task.disk(each["path"]) / "data/usr/lib").glob("go-*/go.env")):
            return place.read_text("utf-8", "replace")
    return ""


def make(services: Services) -> Gomod:
    """Return the builder of the kind."""
    from fpack.builders.net.http import Http

    return Gomod(Http())
