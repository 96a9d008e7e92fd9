"""Define phases that install for build systems which do not do so by themselves. All functions are pure.

They install to directories of the system, so below DESTDIR, or to directories that they do not make.
"""

from __future__ import annotations

from collections.abc import Mapping

_DIRECTORY = "/build/staged"
# The command of each function's phase `install`, with DESTDIR.
STAGED_COMMANDS: Mapping[str, str] = {
    "make": f'make install PREFIX="$out" prefix="$out" DESTDIR={_DIRECTORY}',
    "autotools": f"make install DESTDIR={_DIRECTORY}",
    "cmake": f"DESTDIR={_DIRECTORY} cmake --install /build/objects",
    "meson": f"DESTDIR={_DIRECTORY} meson install -C /build/objects --no-rebuild",
}
# The same without DESTDIR, for the functions whose projects may not make the directories.
DIRECT_COMMANDS: Mapping[str, str] = {"make": 'make install PREFIX="$out" prefix="$out"', "autotools": "make install"}
_DIRECTORIES = '"$out"/{bin,sbin,lib,include,etc,share,share/doc,{,share/}man/man{1,2,3,4,5,6,7,8}}'


def with_directories(command: str) -> str:
    """Return a phase that installs by a command to the usual directories, of which the empty ones are removed."""
    return f'mkdir -p {_DIRECTORIES}; {command}; find "$out" -mindepth 1 -type d -empty -delete'


def staged(command: str) -> str:
    """Return a phase that installs by a command, and moves the files to the output, without usr and usr/local."""
    return (
        f'{command}; mkdir -p "$out"; cd {_DIRECTORY}; '
        'for each in "${out#/}" usr/local usr .; do '
        'if [ -d "$each" ]; then cp -a "$each/." "$out"; rm -rf "$each"/*; fi; '
        "find . -mindepth 1 -type d -empty -delete; done"
    )
