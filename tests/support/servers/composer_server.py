"""Stand in for Packagist: archives of Debian's packages of PHP's libraries, and the index that Composer reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_PROJECT = """debian = import("fpack/debian").trixie
archives = package {{
  name = "archives"
  tools = [debian.zip, {tools}]
  install = {install}
  strip = false
  fixup = null
}}
"""


class Library(NamedTuple):
    """A library of PHP. package: Debian's. directory: its files, below /usr/share/php. namespace: of its classes.

    needs: what it requires. functions: files that are always loaded.
    """

    name: str
    version: str
    package: str
    directory: str
    namespace: str
    needs: Mapping[str, str] = {}
    functions: Sequence[str] = ()


def make(build: Callable[[Path], str], directory: Path, libraries: Sequence[Library]) -> str:
    """Return the store path with an archive of each library. build: builds the package `archives` of a project."""
    lines = ["mkdir -p $out work"]
    for library in libraries:
        name = _file(library)
        lines.append(f"cp -r /usr/share/php/{library.directory} work/{name}")
        lines.append(f"find work/{name} -exec touch -d @946684800 {{}} +")
        lines.append(f"(cd work && find {name} -type f | LC_ALL=C sort | zip -q -X -@ $out/{name}.zip)")
    tools = ", ".join(f"debian.{library.package}" for library in libraries)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "fpack.fp").write_text(_PROJECT.format(tools=tools, install=json.dumps("\n".join(lines))))
    return build(directory)


def publish(archives: Path, folder: Path, url: str, libraries: Sequence[Library]) -> None:
    """Copy archives into a folder that is served at a URL, with their index."""
    packages: dict[str, Any] = {}
    for library in libraries:
        name = f"{_file(library)}.zip"
        shutil.copy(archives / name, folder / name)
        sha1 = hashlib.sha1((folder / name).read_bytes()).hexdigest()
        packages[library.name] = {
            library.version: {
                "name": library.name,
                "version": library.version,
                "type": "library",
                "require": dict(library.needs),
                "autoload": {"psr-4": {library.namespace: ""}, "files": list(library.functions)},
                "dist": {"type": "zip", "url": f"{url}/{name}", "reference": sha1, "shasum": sha1},
            }
        }
    (folder / "packages.json").write_text(json.dumps({"packages": packages}))


def _file(library: Library) -> str:
    return library.name.replace("/", "-")
