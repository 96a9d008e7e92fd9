"""Read a project for `fpack init`: the names of its files, and the text of files that describe its build."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fpack import strict_toml
from fpack.builders.streams.stream import ArchiveError, Section, Stream, blocks
from fpack.builders.streams.tar_reader import TarReader
from fpack.store.files.regular_file import read_bytes

MAX_FILE = 1 << 20  # bytes
MAX_TEXTS = 64 << 20  # bytes of all files that are read
MAX_GEM = 256 << 20  # bytes of a gem that are looked at
MAX_SCRIPT = 1 << 16  # bytes of a script
MAX_BLANKS = 64  # spaces and tabs in a row, in a text
MAX_ENTRIES = 2000  # of a directory
MAX_FILES = 20_000  # files of a project to list
LEVELS = 9  # sources of Java lie deep
# Files whose text is read; of other files only the name is needed. First those at the top level.
_TOP = (
    r"pyproject\.toml|setup\.(py|cfg)|requirements.*\.txt|pylock\.toml|PKG-INFO|(uv|poetry|pdm|Pipfile)\.lock|Pipfile",
    r"\.(python|node|tool)-versions?|\.nvmrc|\.?mise\.toml|runtime\.txt",
    r"[A-Za-z_]\w*\.py",
    r"package(-lock)?\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-(lock|workspace)\.yaml",
    r"(vite|next|astro|svelte|nuxt)\.config\.(m?[jt]s|cjs)|(hugo|config)\.(toml|ya?ml|json)",
    r"\.gitignore|(Docker|Container)file|Procfile|(docker-)?compose\.ya?ml|(server|index|app|main)\.[mc]?js|angular\.json",
    r"go\.(mod|sum)|[A-Za-z_]\w*\.go",
    r"Cargo\.(toml|lock)",
    r"Gemfile(\.lock)?|config\.ru|[\w.-]+\.gemspec",
    r"composer\.(json|lock)|artisan|\.env",
    r".*\.(cs|fs|vb)proj",
    r"CMakeLists\.txt|meson\.build|configure\.ac|Makefile(\.am)?|GNUmakefile|makefile",
    r"(?i:README|INSTALL)(\.(md|rst|txt|rdoc|adoc))?|VERSION|version\.txt|\.version",
)
# At each level: those of the members of a workspace, and modules that define a program or a version.
_BELOW = (
    r"(?:[\w@.-]+/){1,3}package\.json",  # those of the packages of a workspace
    r"(.*/)?(Cargo\.toml|pom\.xml|(build|settings)\.gradle(\.kts)?|gradle-wrapper\.properties|main\.go)",
    r"(src/)?[\w.+-]+\.egg-info/(entry_points|requires)\.txt",
    r"config/database\.(yml|php)",
    r"[\w.+-]+/Makefile",  # those of directories that a Makefile of BSD's make lists
    r"(.*/)?((Main|App|\w*Application)\.java|src/main/resources/application\.(properties|ya?ml))",
    r"(?:[A-Za-z_]\w*/){1,2}(__init__|__main__|_version|app|application|api|asgi|main|server|settings|wsgi|config|database|db|models)\.py",
)
_BLANKS = re.compile(rf"[ \t]{{{MAX_BLANKS},}}")
_READ_TOP = re.compile(rf"(?:{'|'.join(_TOP)})\Z")
_READ_BELOW = re.compile(rf"(?:{'|'.join(_BELOW)})\Z")
_GEM_FILES = 10  # a gem has three files and their signatures
# Directories of dependencies are skipped, except the gems of a Ruby project.
_OTHERS = re.compile(r"node_modules/|target/|vendor/(?!(?:cache/)?\Z)")


class Project(NamedTuple):
    """A project.

    name: name of its directory, without a version. files: path of each file, with the text of those that were read.
    directories: names of those at the top level. version: the version in the directory's name or in a file VERSION.
    scripts: the beginning of each file at the top level, and in its bin, that begins with `#!`. release: the one whose
    packages it is built with.
    """

    name: str
    files: Mapping[str, str | None]
    directories: frozenset[str] = frozenset()
    version: str | None = None
    scripts: Mapping[str, str] = {}
    release: str = "trixie"

    def text(self, name: str) -> str:
        """Return a file's text, or "" if it does not exist or was not read."""
        return self.files.get(name) or ""

    def has(self, *names: str) -> str | None:
        """Return the first of `names` that is a file of the project, or None."""
        return next((name for name in names if name in self.files), None)

    def toml(self, name: str) -> dict[str, Any]:
        """Return a file's data, or an empty record if it is damaged."""
        try:
            return strict_toml.parse(self.text(name))
        except ValueError:
            return {}

    def json(self, name: str) -> dict[str, Any]:
        """Return a file's data, or an empty record if it is damaged or not a record."""
        try:
            found = json.loads(self.text(name) or "{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def read_project(directory: Path) -> Project:
    """Read the files of a directory and of eight levels below it, following no symlink."""
    files: dict[str, str | None] = {}
    directories: set[str] = set()
    scripts: dict[str, str] = {}
    levels = [("", directory)]
    left = MAX_TEXTS
    for depth in range(LEVELS):
        below: list[tuple[str, Path]] = []
        for prefix, path in levels:
            if len(files) > MAX_FILES:
                break
            for entry in sorted(os.scandir(path), key=lambda e: e.name)[:MAX_ENTRIES]:
                if entry.name == ".git" or entry.is_symlink():
                    continue
                name = f"{prefix}{entry.name}"
                if entry.is_dir():
                    directories.update([name] if depth == 0 else [])
                    below.append((f"{name}/", Path(entry.path)))
                elif entry.is_file():
                    gem = name.startswith("vendor/cache/") and name.endswith(".gem")
                    wanted = (depth == 0 and _READ_TOP.match(name)) or _READ_BELOW.match(name)
                    read = _gem if gem else _text if wanted else None
                    found = read(Path(entry.path)) if read and left > 0 else None
                    left -= len(found or "")
                    files[name] = found
                    if (depth == 0 or prefix == "bin/") and left > 0 and (script := _script(entry.path)):
                        scripts[name] = script
                        left -= len(script)
        levels = [level for level in below if not _OTHERS.match(level[0])]
    name, version = split_name(directory.name)
    return Project(name, files, frozenset(directories), version or _stated_version(files), scripts)


def split_name(name: str) -> tuple[str, str | None]:
    """Split the name of a directory that an archive of a release was unpacked to, such as `hello-1.2`.

    Archives of tags are called `hello-release-1.2`, those of Debian's sources `hello-1.2.orig`.
    """
    name = re.sub(r"[-_.]orig\Z", "", name)
    found = re.fullmatch(
        r"(.*?[A-Za-z].*?)(?:[-_](?:rel|release|version|ver))?[-_]v?(\d+(?:\.\w+)+(?:[-+~.]\w+)*)", name
    ) or re.fullmatch(r"([A-Za-z][\w-]*?[a-z])(\d+(?:\.\d+){2,})", name)
    return (found[1], found[2]) if found else (name, None)


def _stated_version(files: Mapping[str, str | None]) -> str | None:
    """Return the version that a file says which has nothing else."""
    for name in ("VERSION", "version.txt", ".version"):
        found = re.match(r"\s*v?(\d+(?:\.\w+)+(?:[-+~]\w+)*)\s*(?:\n|\Z)", files.get(name) or "")
        if found:
            return found[1]
    return None


def _script(path: str) -> str:
    """Return the beginning of a file that begins with `#!`, or ""."""
    try:
        with open(path, "rb") as file:
            begins = file.read(2)
            text = (begins + file.read(MAX_SCRIPT)).decode("utf-8", "replace") if begins == b"#!" else ""
            return shorten_blanks(text)
    except OSError:
        return ""


def _text(path: Path) -> str | None:
    data = read_bytes(path, MAX_FILE + 1)
    return None if len(data) > MAX_FILE else shorten_blanks(data.decode("utf-8", "replace"))


def shorten_blanks(text: str) -> str:
    """Return a text in which a long run of blanks has MAX_BLANKS: many patterns take quadratic or cubic time for it."""
    return _BLANKS.sub(lambda run: run[0][:MAX_BLANKS], text)


def _gem(path: Path) -> str | None:
    """Return the metadata of a gem, or None if the file is not a gem."""
    with path.open("rb") as file:
        gem = TarReader(Stream(blocks(Section(file, min(path.stat().st_size, MAX_GEM)), ""), MAX_GEM))
        try:
            for number, member in enumerate(gem):
                if member.name == b"metadata.gz" and member.size <= MAX_FILE:
                    data = b"".join(gem.content())
                    return zlib.decompressobj(31).decompress(data, MAX_FILE).decode("utf-8", "replace")
                if number > _GEM_FILES:
                    break
        except (ArchiveError, zlib.error):
            pass
    return None
