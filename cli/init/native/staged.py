"""Install what a build system installs to directories of the system: below DESTDIR, moved to the output. Pure."""

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


def staged(command: str) -> str:
    """Return a phase that installs by a command, and moves the files to the output, without usr and usr/local."""
    return (
        f'{command}; mkdir -p "$out"; cd {_DIRECTORY}; '
        'for each in "${out#/}" usr/local usr .; do '
        'if [ -d "$each" ]; then cp -a "$each/." "$out"; rm -rf "$each"/*; fi; '
        "find . -mindepth 1 -type d -empty -delete; done"
    )
