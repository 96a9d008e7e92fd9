"""A shell without entering it: one directory of programs for PATH, each of which runs its namesake in the shell's root.

A shim is a name for one small script. That gives bubblewrap a file of arguments that was written once, so a program of
the shell starts in a few milliseconds, in the directory where it is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from fpack.builders.sandbox.isolation import filter_of

from . import host, plan
from .cache import Entry
from .model import Wishes
from .placing import beside
from .session import Ready

# Variables that a shim takes away from the program that it runs.
_UNSET = (
    "LD_LIBRARY_PATH", "LD_PRELOAD", "LC_ALL", "LC_CTYPE", "LANGUAGE", "PYTHONHOME", "PYTHONPATH", "PERL5LIB",
    "GEM_HOME", "GEM_PATH", "NODE_PATH", "GOROOT", "JAVA_HOME", "LOCPATH", "GCONV_PATH", "BASH_ENV", "FPACK_ACTIVE",
)  # fmt: skip
_FILTER_FD = 8  # as in the script
_SCRIPT = """\
#!/bin/sh
# A program of the shell {name}, which fpack made. What Ctrl-C does is up to the program.
trap '' INT QUIT
exec 8<{filter} 9<{args} || exit
exec {bwrap} --args 9 --chdir "$PWD" -- env --default-signal=INT,QUIT -- "${{0##*/}}" "$@"
"""


def activate(entry: Entry) -> tuple[str, dict[str, str]]:
    """Make the shims, if they are not there; their directory, and the shell's own variables."""
    ready = Ready(entry, Wishes())
    facts = ready.host._replace(folders=host.folders(), cwd=entry.project or ready.host.home, sockets=())
    made = ready.plan(facts)
    run = f"/run/user/{facts.uid}"
    args = [*made.args(_FILTER_FD)[:-2], "--bind-try", run, run]
    for name in ("PATH", "LANG", "FPACK_SHELL", *sorted(entry.closure.env)):
        if name in made.env:
            args += ["--setenv", name, made.env[name]]
    for name in _UNSET:
        if name not in entry.closure.env:
            args += ["--unsetenv", name]
    names = programs(entry)
    return _write(entry, args, names, ready), dict(entry.closure.env)


def programs(entry: Entry) -> list[str]:
    """The names of the shell's programs, less those that every shell has."""
    closure, usual = entry.closure, set(entry.usual)
    found: set[str] = set()
    disks = dict(closure.paths)
    for folder in [f for f in (closure.env.get("PATH", "") + ":" + closure.search + ":" + plan.SEARCH).split(":") if f]:
        if os.path.islink(closure.view + folder):
            continue  # /bin, which is /usr/bin
        parts = folder.split("/")
        store = "/".join(parts[:4])
        place = disks[store] + folder[len(store) :] if store in disks else closure.view + folder
        try:
            entries = sorted(os.scandir(place), key=lambda each: each.name)
        except OSError:
            continue
        for each in entries:
            target = _leads_to(closure.view, folder, each)
            if f"{folder}/{each.name}" not in usual and target not in usual and each.name != "fpack":
                found.add(each.name)
    return sorted(found)


def _leads_to(view: str, folder: str, each: os.DirEntry[str]) -> str:
    """Where a symlink ends, as the shell sees it."""
    path, place = f"{folder}/{each.name}", each.path
    for _ in range(10):
        if not os.path.islink(place):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(place)))
        place = view + path
    return path


def _write(entry: Entry, args: Iterable[str], names: Iterable[str], ready: Ready) -> str:
    from blake3 import blake3

    bwrap = ready.bwrap
    data = b"".join(os.fsencode(each) + b"\0" for each in args)
    digest = blake3(data + "\0".join([_SCRIPT, bwrap, *names]).encode()).hexdigest(8)
    place = f"{entry.place}/shims-{digest}"
    if os.path.isdir(place):
        return f"{place}/bin"
    if not ready.host.privileged:
        from fpack.builders.sandbox.bwrap import probe

        probe()  # a shim can say no more than bubblewrap does
    with beside(place) as folder:
        with open(f"{folder}/args", "wb") as file:
            file.write(data)
        with open(f"{folder}/filter", "wb") as file:
            file.write(filter_of(ready.plan().isolation))
        name = "".join(c for c in entry.closure.name if c.isalnum() or c in "-_.")
        with open(f"{folder}/run", "w", encoding="utf-8") as script:
            files = {"args": quoted(f"{place}/args"), "filter": quoted(f"{place}/filter")}
            script.write(_SCRIPT.format(name=name, bwrap=quoted(bwrap), **files))
        os.chmod(f"{folder}/run", 0o755)
        os.mkdir(f"{folder}/bin")
        for each in names:
            os.symlink("../run", f"{folder}/bin/{each}")
    return f"{place}/bin"


# As text for an interpreter.


def quoted(text: str) -> str:
    """A word for sh, bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def quoted_by_fish(text: str) -> str:
    """A word for fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def exports(kind: str, folder: str, env: Mapping[str, str]) -> str:
    """Commands of `kind` that put the shims on PATH and set the variables."""
    if kind == "json":
        import json

        return json.dumps({"path": folder, "env": dict(env)}, indent=2) + "\n"
    quote = quoted_by_fish if kind == "fish" else quoted
    lines = []
    for name, value in sorted(env.items()):
        if name != "PATH":
            lines.append(f"set -gx {name} {quote(value)}" if kind == "fish" else f"export {name}={quote(value)}")
    lines.append(f"set -gx PATH {quote(folder)} $PATH" if kind == "fish" else f'export PATH={quote(folder)}:"$PATH"')
    return "".join(f"{line}\n" for line in lines)


def leaving(kind: str, folder: str, env: Mapping[str, str], before: Mapping[str, str]) -> str:
    """A function `_fpack_leave` that puts everything back to what it was."""
    lines = []
    if kind == "fish":
        lines.append(f"set -gx PATH (string match -v -- {quoted_by_fish(folder)} $PATH)")
    else:
        lines.append(f"local own=:{quoted(folder)}: rest=:$PATH:")
        lines.append('rest=${rest/"$own"/:}; rest=${rest#:}; export PATH="${rest%:}"')
    for name in sorted(env):
        if name == "PATH":
            continue
        if name in before:
            value = before[name]
            lines.append(
                f"set -gx {name} {quoted_by_fish(value)}" if kind == "fish" else f"export {name}={quoted(value)}"
            )
        else:
            lines.append(f"set -e {name}" if kind == "fish" else f"unset {name}")
    body = "".join(f"  {line}\n" for line in lines)
    return f"function _fpack_leave\n{body}end\n" if kind == "fish" else f"_fpack_leave() {{\n{body}}}\n"
