"""Find the candidates for values on the command line: targets, packages, releases and so on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Candidate = tuple[str, str]  # a text, and its description
_SECONDS = 5.0  # time limit for parsing a file
MANY = 600  # names of packages; if there are more, their prefixes are offered
ARCHITECTURES = ("amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x")
CODECS = (("zstd", "the default"), ("zstd:19", "small, and slow to make"), ("gzip", "for old runtimes"), ("none", ""))
_LETTERS = "+-.0123456789abcdefghijklmnopqrstuvwxyz"
_NAME = re.compile(r"[A-Za-z_]\w*(?:-\w+)*\Z")


class Answer(NamedTuple):
    """The candidates for a word. mode: what the shell does with them."""

    mode: str = "plain"
    candidates: Sequence[Candidate] = ()


def plain(candidates: Iterable[Candidate]) -> Answer:
    """Return an answer of candidates that the shell completes with a space."""
    return Answer("plain", list(candidates))


# Targets.


def targets(text: str, suffixes: tuple[str, ...] = (".fp",)) -> Answer:
    """Complete attributes of the project's file or another file, curated packages, files, and a release's packages.

    suffixes: of the names of files.
    """
    if "#" in text:
        return _of_file(text)
    if text.startswith(("debian.", "ubuntu.")):
        return _packages(text)
    found: list[Candidate] = []
    if "/" not in text:
        project = _project()
        if project is not None:
            found += _attributes(project, text)
        if "." not in text:
            found += _curated()
            found.append(("debian.", "Debian's packages, as in debian.trixie.jq"))
            found.append(("ubuntu.", "Ubuntu's packages, as in ubuntu.noble.jq"))
    found += _files(text, suffixes)
    shown = [entry for entry in found if entry[0].startswith(text)]
    return Answer("nospace" if shown and all(item[0][-1] in "./#" for item in shown) else "plain", shown)


def subjects(text: str) -> Answer:
    """Complete targets and image files."""
    from fpack.cli.workspace.target import IMAGES

    return targets(text, (".fp", *IMAGES))


def _references(text: str) -> Answer:
    """Complete references to images in registries that this machine knows."""
    from . import references

    return plain(entry for entry in references.known() if entry[0].startswith(text))


def _with_references(text: str, answer: Answer) -> Answer:
    """Add the references that begin with a text, unless the text has no slash and other candidates begin with it."""
    if not text or (answer.candidates and "/" not in text):
        return answer
    found = list(_references(text).candidates)
    return Answer("plain" if found else answer.mode, [*answer.candidates, *found])


def _image_or_reference(text: str) -> Answer:
    """Complete image files, and references."""
    return _with_references(text, subjects(text))


def _debugged(text: str) -> Answer:
    """Complete running containers, targets and image files."""
    from . import containers

    answer = subjects(text)
    found = [entry for entry in containers.running() if entry[0].startswith(text)]
    return Answer("plain" if found else answer.mode, [*found, *answer.candidates])


def _images(text: str) -> Answer:
    """Complete image files, and directories of them."""
    from fpack.cli.workspace.target import IMAGES

    found = list(_files(text, IMAGES))
    mode = "nospace" if found and all(name.endswith("/") for name, _ in found) else "plain"
    return _with_references(text, Answer(mode, found))


def _project() -> Path | None:
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.workspace.target import find_project

    directory = find_project(Path.cwd())
    return directory / PROJECT_FILE if directory is not None else None


def _curated() -> Iterator[Candidate]:
    from fpack.cli.workspace.curated import curated_packages

    for package in curated_packages():
        yield package.name, package.summary


def _of_file(text: str) -> Answer:
    name, _, attributes = text.partition("#")
    file = Path(os.path.expanduser(name)) if name else _project()
    if file is not None and file.is_dir():
        file /= "fpack.fp"
    if file is None:
        return Answer()
    return plain((f"{name}#{path}", what) for path, what in _attributes(file, attributes))


def _attributes(file: Path, text: str) -> list[Candidate]:
    """Return the attributes below the path in `text`, as far as parsing the file shows them."""
    from fpack.cli.paths import cache_directory
    from fpack.lang.runtime import deep_stack
    from fpack.lang.runtime.limits import Limits
    from fpack.lang.syntax.parser import parse
    from fpack.lang.syntax.source import Source, read_text
    from fpack.store.errors import FpackError

    try:
        limits = Limits(Limits.configured().memory, _SECONDS)
        source = Source(str(file), read_text(file, str(file)))
        entries = deep_stack.bounded(lambda: parse(source, cache_directory() / "modules"), limits)
    except (OSError, FpackError, RecursionError):
        return []
    *path, _ = text.split(".")
    for name in path:
        node = next((entry.value for entry in entries if entry.kind == "set" and entry.name == name), None)
        if node is None or node.kind not in ("rec", "named"):
            return []
        node = node.value if node.kind == "named" else node
        entries = node.entries if node.kind == "rec" else ()
    before = "".join(f"{name}." for name in path)
    return [
        (before + entry.name, _kind(entry.value))
        for entry in entries
        if entry.kind == "set" and _NAME.match(entry.name) and entry.value.kind != "fn" and not _imported(entry.value)
    ]


def _imported(node: Any) -> bool:
    """Return whether a value is imported: a library file or a release, which cannot be built."""
    while node.kind == "sel":
        node = node.base
    return bool(node.kind == "call" and node.callee.kind == "var" and node.callee.name == "import")


def _kind(node: Any) -> str:
    """Return the name of the function that creates a record, such as container or derivation, or ""."""
    return str(node.callee.name) if node.kind == "rcall" and node.callee.kind == "var" else ""


def _files(text: str, suffixes: tuple[str, ...]) -> Iterator[Candidate]:
    """Yield directories, and files whose names have one of the suffixes."""
    directory, slash, name = text.rpartition("/")
    try:
        entries = sorted(os.scandir(os.path.expanduser(directory + slash) or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name.startswith(".")):
            continue
        if entry.is_dir():
            yield f"{directory}{slash}{entry.name}/", ""
        elif entry.name.endswith(suffixes):
            yield f"{directory}{slash}{entry.name}", ""


# Packages of Debian and Ubuntu.


def _packages(text: str) -> Answer:
    """Complete `debian.RELEASE.` or `ubuntu.RELEASE.` and then names, or prefixes of names if there are many."""
    from fpack.builders.debian.suites import OF_DISTRIBUTION

    distribution, _, rest = text.partition(".")
    release, dot, name = rest.partition(".")
    releases = OF_DISTRIBUTION[distribution]
    if not dot:
        return Answer("nospace", [(f"{distribution}.{name}.", "") for name in releases if name.startswith(release)])
    if release not in releases:
        return Answer()
    mode, names = _names(release, name)
    return Answer(mode, [(f"{distribution}.{release}.{name}", "") for name in names])


def _names(release: str, start: str) -> tuple[str, list[str]]:
    """Return the names of packages that begin with `start`, from the locked or the newest cached index."""
    from heapq import merge
    from itertools import islice

    indexes = _indexes(release)

    def names(prefix: str) -> Iterator[str]:
        return merge(*(index.starting_with(prefix) for index in indexes))

    found = list(islice(names(start), MANY + 1))
    if len(found) <= MANY:
        return "plain", found
    whole = [start] if found[0] == start else []
    return "nospace", whole + [start + c for c in _LETTERS if next(names(start + c), None) is not None]


def _indexes(release: str) -> list[Any]:
    from fpack.builders.debian.indexes.cache import IndexCache
    from fpack.builders.debian.indexes.local import locked, newest
    from fpack.builders.debian.suites import ALL_RELEASES
    from fpack.cli.paths import cache_directory

    workspace = _workspace()
    suites, cache, arch = ALL_RELEASES[release], IndexCache(cache_directory() / "debian"), workspace.arch
    return [
        entry.opened
        for entry in locked(cache, workspace.read_lock(), release, suites, arch) or newest(cache, suites, arch)
    ]


def _workspace() -> Any:
    from fpack.cli.shared_options import SharedOptions
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace

    workspace = Workspace(SharedOptions(frozen=True))
    workspace.use_project(find_project(Path.cwd()))
    return workspace


def _releases(text: str) -> Answer:
    from fpack.builders.debian.suites import RELEASES

    return plain((release, "") for release in RELEASES)


def _locked(text: str) -> Answer:
    """Complete the packages in the lock."""
    names = sorted({name for _, _, name in _workspace().read_lock().packages})
    return plain((name, "") for name in names)


def _updated(text: str) -> Answer:
    """Complete the releases, packages and source packages in the lock."""
    lock = _workspace().read_lock()
    names = {name for pin in lock.packages.values() for name in (pin.name, pin.source)}
    return plain((name, "") for name in [*lock.releases(), *sorted(names)])


def _searched(text: str) -> Answer:
    from fpack.builders.debian.suites import STABLE

    if not text:
        return Answer()
    mode, names = _names(STABLE, text)
    return Answer(mode, [(name, "") for name in names])


def _file_names(text: str) -> Answer:
    """Complete a file's name or path from the cached index of files."""
    from fpack.cli.workspace.package_lookup import Packages

    directory, _, start = text.rpartition("/")
    if not start or "*" in text or "?" in text:
        return Answer()
    index = Packages(_workspace()).cached_contents()
    if index is None:
        return Answer()
    below = f"{directory}/".lstrip("/")
    found = index.matching(lambda path: not directory or path.startswith(below), start, MANY)
    return plain((entry.path if directory else entry.path.rpartition("/")[2], entry.packages[0]) for entry in found)


# The store.


def _store_paths(text: str) -> Answer:
    """Complete store paths, by name or hash; everything else is a file, such as a link to a path."""
    from fpack.store.database import Database
    from fpack.store.errors import FpackError
    from fpack.store.path import STORE
    from fpack.store.root import default_root

    path = default_root() / "db" / "fpack.sqlite"
    start = text.removeprefix(f"{STORE}/")
    if "/" in start or not start or not path.exists():
        return Answer("files")
    try:
        database = Database(path)
        try:
            names = database.names_starting_with(start, MANY)
        finally:
            database.close()
    except FpackError:
        return Answer("files")
    return plain((f"{STORE}/{name}" if text != start else name, "") for name in names) if names else Answer("files")


def _kinds(text: str) -> Answer:
    from fpack.builders.kinds.table import kinds

    return plain((kind, "") for kind in kinds())


# Parameters of commands, by name.
COMPLETERS: Mapping[str, Callable[[str], Answer]] = {
    "what": targets, "target": targets, "image": _image_or_reference, "newer": _image_or_reference, "images": _images,
    "reference": _references, "references": _references,
    "debugged": _debugged,
    "release": _releases, "releases": _releases,
    "thing": _locked, "packages": _locked, "words": _searched, "updated": _updated,
    "file_name": _file_names,
    "store_path": _store_paths, "store_paths": _store_paths, "kind": _kinds,
    "arch": lambda text: plain((name, "") for name in ARCHITECTURES),
    "compress": lambda text: plain(CODECS),
}  # fmt: skip
