"""Create /etc of a shell: the root's /etc with the shell's user added, once for each user and cached shell."""

from __future__ import annotations

import os
from collections.abc import Iterable

from fpack.cli.shells.atomic_dir import atomic_directory
from fpack.cli.shells.model import Account

# Files that host files are mounted over.
_POINTS = ("resolv.conf", "localtime", "hosts", "machine-id")


def passwd(text: str, who: Account, shell: str) -> str:
    """Add `who` to a passwd file, replacing users with the same name or number."""
    return _without(text, who.name, who.uid) + f"{who.name}:x:{who.uid}:{who.gid}::{who.home}:{shell}\n"


def group(text: str, who: Account, more: Iterable[tuple[str, int]]) -> str:
    """Add the user's own group to a group file, and the host's names for the user's other groups."""
    wanted = {gid: name for name, gid in more}
    wanted.setdefault(who.gid, who.name)
    for gid, name in wanted.items():
        text = _without(text, name, gid) + f"{name}:x:{gid}:\n"
    return text


def _without(text: str, name: str, number: int) -> str:
    kept = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] != name and fields[2] != str(number):
            kept.append(line + "\n")
    return "".join(kept)


def make_etc(path: str, view: str, who: Account, more: Iterable[tuple[str, int]]) -> None:
    """Create the directory `path` atomically: a copy of the view's /etc with `who` added."""
    import shutil

    with atomic_directory(path) as directory:
        # Do not keep the read-only modes of the store: the user must be able to delete the copy.
        shutil.copytree(f"{view}/etc", directory, symlinks=True, dirs_exist_ok=True, copy_function=_copy)
        os.chmod(directory, 0o755)
        for name, text in (("passwd", passwd(_read(f"{directory}/passwd"), who, "/bin/bash")),
                           ("group", group(_read(f"{directory}/group"), who, more))):  # fmt: skip
            _write(f"{directory}/{name}", text)
        for name in _POINTS:
            point = f"{directory}/{name}"
            if os.path.islink(point):
                os.unlink(point)
            if not os.path.exists(point):
                _write(point, "")


def _copy(source: str, target: str) -> None:
    import shutil

    shutil.copyfile(source, target)
    os.chmod(target, 0o755 if os.stat(source).st_mode & 0o100 else 0o644)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
