"""Write the launcher of a distribution package: a script that enters the image's file system and starts its program.

The file system lies below /opt, where it cannot conflict with other files, and is read-only. bubblewrap, which needs no
privileges, makes it the program's `/`. The program sees the machine's network and processes, and the directories in
which people keep files unless the image has files there. Volumes are stored with the user's data. Other writable
directories are temporary. This module computes all of this; the script only checks its caller and working directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fpack.builders.sandbox.isolation import KERNEL_SETTINGS
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, SYMLINK, TarEntry

from .flattened import FileSystem

TOOL = "bubblewrap"
# Directories in which people keep files. A directory in which the image has files is the image's.
_HOST = ("home", "media", "mnt", "root", "srv", "tmp", "var/tmp")
_TEMPORARY = ("run", "tmp", "var/tmp")
_SYSTEM = ("dev", "proc", "sys")
# The machine's files for name resolution.
_NETWORK = ("etc/hosts", "etc/resolv.conf")
_LANGUAGES = (*("LANGUAGE", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"),)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_USER = re.compile(r"([0-9]+):([0-9]+)\Z")


class Launcher(NamedTuple):
    """A launcher. script: its text. missing: the mount points that the image does not have, sorted by path."""

    script: bytes
    missing: list[TarEntry]


class _Plan(NamedTuple):
    """The mounts, as relative paths: the machine's directories, temporary ones, volumes, files for the network."""

    host: list[str]
    temporary: list[str]
    volumes: list[str]
    network: list[str]


def launcher(files: FileSystem, name: str) -> Launcher:
    """Return the launcher of an image. name: of its directory below /opt and of the user's data directory."""
    config = files.config
    plan = _plan(files)
    wanted = {
        **dict.fromkeys((*_SYSTEM, *plan.host, *plan.temporary, *plan.volumes), DIRECTORY),
        **dict.fromkeys(plan.network, FILE),
    }
    missing: dict[bytes, TarEntry] = {}
    for path, kind in wanted.items():
        at = path.encode()
        while at and at not in files.entries and at not in missing:
            missing[at] = TarEntry(at, kind, 0o755 if kind == DIRECTORY else 0o644)
            at, kind = at.rpartition(b"/")[0], DIRECTORY
    script = "\n".join(_script(files, config, plan, name)) + "\n"
    return Launcher(script.encode(), [missing[path] for path in sorted(missing)])


def _plan(files: FileSystem) -> _Plan:
    config = files.config
    volumes = sorted(path.strip("/") for path in config.get("Volumes", {}))
    volumes = [v for v in volumes if v and _is_mountable(files, v)]
    taken = [*volumes, *(path for path in [str(config.get("WorkingDir") or "").strip("/")] if path)]
    host = [
        path
        for path in _HOST
        if _is_unused(files, path) and not any(_within(other, path) or _within(path, other) for other in taken)
    ]
    temporary: list[str] = []
    for path in sorted({*_TEMPORARY, *_writable(files)}):
        around = [*host, *temporary, *volumes]
        if _is_unused(files, path) and not any(_within(path, other) for other in around):
            temporary.append(path)
    network = [path for path in _NETWORK if _kind(files, path) in ("", FILE) and _is_mountable(files, path)]
    return _Plan(host, temporary, volumes, network)


def _kind(files: FileSystem, path: str) -> str:
    found = files.entries.get(path.encode())
    return found.member.kind if found is not None else ""


def _within(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory}/")


def _is_mountable(files: FileSystem, path: str) -> bool:
    """Return whether a path can be a mount point: all its parents are directories, and it is not a symlink."""
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts))]
    return all(_kind(files, parent) in ("", DIRECTORY) for parent in above) and _kind(files, path) != SYMLINK


def _is_unused(files: FileSystem, path: str) -> bool:
    """Return whether the image has at most empty directories at a path."""
    if not _is_mountable(files, path) or _kind(files, path) not in ("", DIRECTORY):
        return False
    below = f"{path}/".encode()
    return not any(e.member.kind != DIRECTORY for p, e in files.entries.items() if p.startswith(below))


def _user(config: dict[str, Any]) -> tuple[int, int] | None:
    match = _USER.match(str(config.get("User") or ""))
    return (int(match[1]), int(match[2])) if match else None


def _writable(files: FileSystem) -> Iterator[str]:
    """Yield the directories that are writable for the image's user, or for everyone."""
    user = _user(files.config)
    for path, (member, *_) in files.entries.items():
        if member.kind == DIRECTORY and path:
            mine = user is not None and user[0] and (member.uid == user[0] or (member.gid and member.gid == user[1]))
            if mine or member.mode & 0o002:
                yield path.decode("utf-8", "surrogateescape")


def _subdirectories(files: FileSystem, path: str) -> list[str]:
    """Return the directories below a path, which a new file system mounted there must have too."""
    below = f"{path}/".encode()
    return [p.decode("utf-8", "surrogateescape") for p in sorted(files.entries) if p.startswith(below)]


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _script(files: FileSystem, config: dict[str, Any], plan: _Plan, name: str) -> Iterator[str]:
    title = f"{files.record['name']}:{files.record['tag']}"
    yield "#!/bin/sh"
    yield f"# Runs {title} in its own file system. Made by fpack."
    yield "set -eu"
    yield 'here=$(dirname -- "$(readlink -f -- "$0")")'
    yield "root=${here%/*}/root"
    yield "if ! command -v bwrap >/dev/null; then"
    yield f"  echo {quote(f'{name}: {TOOL} is not installed')} >&2"
    yield "  exit 127"
    yield "fi"
    yield from _volumes(files, plan, name)
    workdir = str(config.get("WorkingDir") or "")
    yield "# From here on the command is put together, its end first."
    command = [str(word) for word in config.get("Cmd") or ()]
    if command:
        yield "if [ $# = 0 ]; then"
        yield f"  set -- {' '.join(map(quote, command))}"
        yield "fi"
    entrypoint = " ".join(quote(str(word)) for word in config.get("Entrypoint") or ())
    yield f'set -- -- {entrypoint} "$@"'
    if workdir:
        yield f'set -- --chdir {quote(workdir)} "$@"'
    else:
        patterns = "|".join(f"/{path}|/{path}/*" for path in plan.host)
        yield 'case "$PWD" in'
        if patterns:
            yield f'{patterns}) set -- --chdir "$PWD" "$@" ;;'
        yield '*) set -- --chdir / "$@" ;;'
        yield "esac"
    yield from _variables(config)
    yield from _mounts(files, plan)
    user = _user(config)
    if user is not None and user[0]:
        yield f'set -- --uid {user[0]} --gid {user[1]} "$@"'
    # If the caller is root, uid 0 in its user namespace is the machine's root, which may write the kernel's settings.
    settings = " ".join(f"--ro-bind-try {path} {path}" for path in KERNEL_SETTINGS)
    kernel = f"--dev /dev --proc /proc {settings} --ro-bind-try /sys /sys"
    yield f'exec bwrap --unshare-user --ro-bind "$root" / {kernel} "$@"'


def _volumes(files: FileSystem, plan: _Plan, name: str) -> Iterator[str]:
    """Yield the lines that make the directories of volumes, with the image's files."""
    if not plan.volumes:
        return
    yield "# What is kept, with the user's data."
    yield 'if [ "$(id -u)" = 0 ]; then'
    yield f"  data=/var/lib/{name}"
    yield "else"
    yield f"  data=${{XDG_DATA_HOME:-${{HOME:?}}/.local/share}}/{name}"
    yield "fi"
    for path in plan.volumes:
        at = quote(path)
        yield f'if ! [ -d "$data"/{at} ]; then'
        yield f'  mkdir -p "$data"/{at}'
        if _kind(files, path) == DIRECTORY:
            yield f'  cp -R "$root"/{at}/. "$data"/{at}'
        yield "fi"


def _variables(config: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that add the image's variables to the command."""
    variables = {key: value for key, _, value in (str(item).partition("=") for item in config.get("Env", ()))}
    # The image has no files for the machine's locales.
    variables.setdefault("LANG", "C.UTF-8")
    strange = " ".join(f"--unsetenv {key}" for key in _LANGUAGES if key not in variables)
    for key, value in sorted(variables.items()):
        setting = f'set -- --setenv {quote(key)} {quote(value)} "$@"'
        if key not in ("PATH", "LANG", *_LANGUAGES) and _VARIABLE.match(key):
            # The caller's own values take precedence, as with `podman run -e`.
            yield f'[ "${{{key}+set}}" ] || {setting}'
        else:
            yield setting
    yield f'set -- {strange} "$@"'


def _mounts(files: FileSystem, plan: _Plan) -> Iterator[str]:
    """Yield the lines that add what is mounted on the image's files, in the order from the command's end."""
    mounts = [
        *((path, f'set -- --bind "$data"/{quote(path)} /{quote(path)} "$@"') for path in plan.volumes),
        *((path, f'[ ! -d /{path} ] || set -- --bind /{path} /{path} "$@"') for path in plan.host),
        *((path, f'set -- --ro-bind-try /{path} /{path} "$@"') for path in plan.network),
    ]
    for path in plan.temporary:
        directories = " ".join(f"--dir /{quote(directory)}" for directory in _subdirectories(files, path))
        mounts.append((path, f'set -- --tmpfs /{quote(path)} {directories} "$@"'.replace("  ", " ")))
    yield from (line for _, line in sorted(mounts, reverse=True))
