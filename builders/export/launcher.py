"""What a distribution's package of an image runs: a script that enters the image's file system and starts its program.

The file system lies below /opt, where it can clash with nothing, and is never changed. bubblewrap, which needs no
rights, makes it the program's `/`. Of the machine the program sees the network, the processes, and the places where
people keep files: as far as the image has nothing there. Its volumes lie with the user's data, and what else it may
write to is forgotten when it ends. All of this is computed here; the script has only to look who calls it, and where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fpack.builders.sandbox.isolation import KERNEL_SETTINGS
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, SYMLINK, TarEntry

from .flattened import FileSystem

TOOL = "bubblewrap"
# Where people keep files. What the image has something in is the image's.
_HOST = ("home", "media", "mnt", "root", "srv", "tmp", "var/tmp")
_TEMPORARY = ("run", "tmp", "var/tmp")
_SYSTEM = ("dev", "proc", "sys")
# Files of the machine that name resolution needs.
_NETWORK = ("etc/hosts", "etc/resolv.conf")
_LANGUAGES = (*("LANGUAGE", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"),)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_USER = re.compile(r"([0-9]+):([0-9]+)\Z")


class Launcher(NamedTuple):
    """script: what is run. missing: entries that the file system must have for it besides its own, by path."""

    script: bytes
    missing: list[TarEntry]


class _Plan(NamedTuple):
    """Relative paths: of the machine's that are seen, of what is forgotten, of volumes, of files for the network."""

    host: list[str]
    temporary: list[str]
    volumes: list[str]
    network: list[str]


def launcher(files: FileSystem, name: str) -> Launcher:
    """The launcher of an image. name: of its folder below /opt, and of the user's data."""
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
    volumes = [v for v in volumes if v and _is_place(files, v)]
    taken = [*volumes, *(path for path in [str(config.get("WorkingDir") or "").strip("/")] if path)]
    host = [
        path
        for path in _HOST
        if _is_free(files, path) and not any(_within(other, path) or _within(path, other) for other in taken)
    ]
    temporary: list[str] = []
    for path in sorted({*_TEMPORARY, *_writable(files)}):
        around = [*host, *temporary, *volumes]
        if _is_free(files, path) and not any(_within(path, other) for other in around):
            temporary.append(path)
    network = [path for path in _NETWORK if _kind(files, path) in ("", FILE) and _is_place(files, path)]
    return _Plan(host, temporary, volumes, network)


def _kind(files: FileSystem, path: str) -> str:
    found = files.entries.get(path.encode())
    return found.member.kind if found is not None else ""


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def _is_place(files: FileSystem, path: str) -> bool:
    """Whether a path can be mounted on: no directory above it is something else."""
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts))]
    return all(_kind(files, each) in ("", DIRECTORY) for each in above) and _kind(files, path) != SYMLINK


def _is_free(files: FileSystem, path: str) -> bool:
    """Whether the image has no more there than empty directories."""
    if not _is_place(files, path) or _kind(files, path) not in ("", DIRECTORY):
        return False
    below = f"{path}/".encode()
    return not any(e.member.kind != DIRECTORY for p, e in files.entries.items() if p.startswith(below))


def _user(config: dict[str, Any]) -> tuple[int, int] | None:
    match = _USER.match(str(config.get("User") or ""))
    return (int(match[1]), int(match[2])) if match else None


def _writable(files: FileSystem) -> Iterator[str]:
    """The directories that the image's user may write to and root alone may not."""
    user = _user(files.config)
    for path, (member, *_) in files.entries.items():
        if member.kind == DIRECTORY and path:
            mine = user is not None and user[0] and (member.uid == user[0] or (member.gid and member.gid == user[1]))
            if mine or member.mode & 0o002:
                yield path.decode("utf-8", "surrogateescape")


def _folders(files: FileSystem, path: str) -> list[str]:
    """The directories below one, which a fresh file system in its place must have too."""
    below = f"{path}/".encode()
    return [p.decode("utf-8", "surrogateescape") for p in sorted(files.entries) if p.startswith(below)]


def quote(text: str) -> str:
    """A word of the shell."""
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
    if plan.volumes:
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
    variables = {key: value for key, _, value in (str(each).partition("=") for each in config.get("Env", ()))}
    # The machine's languages need files that the image has not.
    variables.setdefault("LANG", "C.UTF-8")
    strange = " ".join(f"--unsetenv {key}" for key in _LANGUAGES if key not in variables)
    for key, value in sorted(variables.items()):
        setting = f'set -- --setenv {quote(key)} {quote(value)} "$@"'
        if key not in ("PATH", "LANG", *_LANGUAGES) and _VARIABLE.match(key):
            # The caller's own values count, as those of `podman run -e` do.
            yield f'[ "${{{key}+set}}" ] || {setting}'
        else:
            yield setting
    yield f'set -- {strange} "$@"'
    mounts = [
        *((path, f'set -- --bind "$data"/{quote(path)} /{quote(path)} "$@"') for path in plan.volumes),
        *((path, f'[ ! -d /{path} ] || set -- --bind /{path} /{path} "$@"') for path in plan.host),
        *((path, f'set -- --ro-bind-try /{path} /{path} "$@"') for path in plan.network),
    ]
    for path in plan.temporary:
        folders = " ".join(f"--dir /{quote(each)}" for each in _folders(files, path))
        mounts.append((path, f'set -- --tmpfs /{quote(path)} {folders} "$@"'.replace("  ", " ")))
    yield from (line for _, line in sorted(mounts, reverse=True))
    user = _user(config)
    if user is not None and user[0]:
        yield f'set -- --uid {user[0]} --gid {user[1]} "$@"'
    # Root's user namespace has uid 0 of the machine outside, which may write the kernel's settings.
    settings = " ".join(f"--ro-bind-try {path} {path}" for path in KERNEL_SETTINGS)
    kernel = f"--dev /dev --proc /proc {settings} --ro-bind-try /sys /sys"
    yield f'exec bwrap --unshare-user --ro-bind "$root" / {kernel} "$@"'
