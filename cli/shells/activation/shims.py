"""Activate a shell without entering it: create a directory for PATH whose programs run their namesakes in the shell.

All shims are links to one small script. The script passes bubblewrap a file of arguments that was written once, so a
program of the shell starts within milliseconds, in the directory where it is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from fpack.builders.sandbox.isolation import encode, filter_of
from fpack.cli.errors import UsageError
from fpack.cli.shells.atomic_dir import atomic_directory
from fpack.cli.shells.cache import CachedShell
from fpack.cli.shells.model import ShellOptions
from fpack.cli.shells.sandbox import environment, host
from fpack.cli.shells.session import ReadyShell

from . import variables
from .shell_text import word

# Variables that a shim unsets for the program that it runs.
_UNSET = (
    "LD_LIBRARY_PATH", "LD_PRELOAD", "LC_ALL", "LC_CTYPE", "LANGUAGE", "PYTHONHOME", "PYTHONPATH", "PERL5LIB",
    "GEM_HOME", "GEM_PATH", "NODE_PATH", "GOROOT", "JAVA_HOME", "LOCPATH", "GCONV_PATH", "BASH_ENV", "FPACK_ACTIVE",
)  # fmt: skip
_FILTER_FD = 8  # as in the script
_SCRIPT = """\
#!/bin/sh
# A program of the shell {name}, which fpack made. What Ctrl-C does is up to the program.
trap '' INT QUIT
case $PWD/ in
{seen}) ;;
/var/*|/run/*)
  echo "fpack: ${{0##*/}} of the shell {name} does not see this directory" >&2
  echo "fpack: start it in another directory, such as the project's, or copy the files to /tmp" >&2
  exit 126 ;;
esac
exec 8<{filter} 9<{args} || exit
exec {bwrap} --args 9 --chdir "$PWD" -- env --default-signal=INT,QUIT -- "${{0##*/}}" "$@"
"""


def activate(shell: CachedShell) -> tuple[str, dict[str, str]]:
    """Create the shims if needed. Return their directory, and the shell's own variables."""
    if shell.closure.emulator is not None:
        raise UsageError(
            f"The programs of {shell.closure.name} cannot run outside of the shell",
            why="they are for another architecture, and only the sandbox of the shell has an emulator",
            hint="fpack shell enters it; an emulator such as Debian's qemu-user-binfmt is for the whole machine",
        )
    ready = ReadyShell(shell, ShellOptions())
    shown = (*host.directories(), *host.var_directories(shell.closure.view))
    facts = ready.host._replace(directories=shown, cwd=shell.project or ready.host.home, sockets=())
    made = ready.plan(facts)
    run = f"/run/user/{facts.uid}"
    args = [*made.args(_FILTER_FD)[:-2], "--bind-try", run, run]
    for name in ("PATH", "LANG", "FPACK_SHELL", *sorted(shell.closure.env)):
        if name in made.env:
            args += ["--setenv", name, made.env[name]]
    for name in _UNSET:
        if name not in shell.closure.env:
            args += ["--unsetenv", name]
    names = programs(shell)
    seen = [run, *(mount.path for mount in made.mounts if mount.how == "--bind")]
    return _write(shell, args, names, ready, seen), dict(shell.closure.env)


def programs(shell: CachedShell) -> list[str]:
    """Return the names of the shell's programs, except those that every shell has."""
    closure, usual = shell.closure, set(shell.usual)
    found: set[str] = set()
    disks = dict(closure.paths)
    for directory in [
        f for f in (closure.env.get("PATH", "") + ":" + closure.search + ":" + environment.SEARCH).split(":") if f
    ]:
        if os.path.islink(closure.view + directory):
            continue  # such as /bin, a link to /usr/bin
        parts = directory.split("/")
        store = "/".join(parts[:4])
        path = disks[store] + directory[len(store) :] if store in disks else closure.view + directory
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            target = _leads_to(closure.view, directory, entry)
            if f"{directory}/{entry.name}" not in usual and target not in usual and entry.name != "fpack":
                found.add(entry.name)
    return sorted(found)


def _leads_to(view: str, directory: str, entry: os.DirEntry[str]) -> str:
    """Resolve a symlink as the shell would."""
    path, on_disk = f"{directory}/{entry.name}", entry.path
    for _ in range(10):
        if not os.path.islink(on_disk):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(on_disk)))
        on_disk = view + path
    return path


def _write(
    shell: CachedShell, args: Iterable[str], names: Iterable[str], ready: ReadyShell, seen: Iterable[str]
) -> str:
    """Write the shims, and return the directory of the programs. seen: the host's directories that they see."""
    from blake3 import blake3

    bwrap = ready.bwrap
    data = encode(args)
    digest = blake3(data + "\0".join([_SCRIPT, bwrap, *names]).encode()).hexdigest(8)
    path = f"{shell.directory}/shims-{digest}"
    if os.path.isdir(path):
        return f"{path}/bin"
    if not ready.host.privileged:
        from fpack.builders.sandbox.bwrap import probe

        probe()  # report problems now: a shim shows only bubblewrap's own message
    with atomic_directory(path) as directory:
        with open(f"{directory}/args", "wb") as file:
            file.write(data)
        with open(f"{directory}/filter", "wb") as file:
            file.write(filter_of(ready.plan().isolation))
        name = "".join(c for c in shell.closure.name if c.isalnum() or c in "-_.")
        with open(f"{directory}/run", "w", encoding="utf-8") as script:
            files = {"args": word("sh", f"{path}/args"), "filter": word("sh", f"{path}/filter")}
            visible = "|".join(f"{word('sh', directory)}/*" for directory in seen)
            script.write(_SCRIPT.format(name=name, bwrap=word("sh", bwrap), seen=visible, **files))
        os.chmod(f"{directory}/run", 0o755)
        os.mkdir(f"{directory}/bin")
        for name in names:
            os.symlink("../run", f"{directory}/bin/{name}")
    return f"{path}/bin"


def tell_left_out(shell: CachedShell, note: Callable[[str], None]) -> None:
    """Print the variables of a shell that are not set in the host's shell, once for each set of variables."""
    names = [name for name in variables.left_out(shell.closure.env) if name != "PATH"]
    if not names:
        return
    from blake3 import blake3

    mark = f"{shell.directory}/told-{blake3(' '.join(names).encode()).hexdigest(8)}"
    try:
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError:
        pass  # then it is printed again
    note(
        f"fpack: variables that are not set here, since they would change this machine's programs: {', '.join(names)}; "
        "the shell's own programs and fpack shell have them"
    )
