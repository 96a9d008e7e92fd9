"""Fit the image of an fpack.fp to the programs that its package installs. All functions but one are pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.cli.init.edits import ProjectText
from fpack.cli.init.native.complete import is_named_as_library
from fpack.cli.init.native.programs import main_program

from .targets import read_text


class Correction(NamedTuple):
    """A change of a file. field: what is changed, why: the reason, for people."""

    text: ProjectText
    field: str
    why: str


def fit_image(
    text: ProjectText, name: str, programs: Sequence[str], has: Callable[[str], bool], known: bool = True
) -> Correction | None:
    """Return the text whose image runs a program that a package has, or None if it does.

    programs: paths such as `bin/wave`, likely ones first. has: whether the package has the file at a path. known: there
    are no other programs, so a package without one has no image.
    """
    found = text.container()
    if found is None:
        return None
    entry, record = found
    words = re.search(
        rf'entrypoint\s*=\s*\["\$\{{{re.escape(name)}\}}/(s?bin)/([^"]+)"', text.text[record.start : record.end]
    )
    if words is None or has(f"{words[1]}/{words[2]}"):
        return None
    if not programs:
        why = f"{name} has no program to run, so there is no image"
        return Correction(text.without(entry), str(entry.name), why) if known else None
    chosen = main_path(programs, name)
    after = text.replaced(record.start + words.start(1), record.start + words.end(2), chosen)
    return Correction(after, "entrypoint", f"{name} has no {words[1]}/{words[2]}, but {chosen}")


def add_image(text: ProjectText, name: str, programs: Sequence[str]) -> Correction | None:
    """Return the text with an image that runs the program that a package without an image is named for, or None."""
    names = [path.rpartition("/")[2] for path in programs]
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if text.container() is not None or any(entry.kind == "set" and entry.name == "image" for entry in text.entries):
        return None
    if is_named_as_library(name, names) or plain not in {re.sub(r"[^a-z0-9]", "", n.lower()) for n in names}:
        return None
    entry = next((entry for entry in text.entries if entry.kind == "set" and entry.name == name), None)
    if entry is None:
        return None
    chosen = main_path(programs, name)
    image = (
        f'\n\nimage = container {{\n  packages = [{name}]\n  closure = "linked"\n'
        f'  entrypoint = ["${{{name}}}/{chosen}"]\n  user = "nobody"\n}}'
    )
    after = text.replaced(entry.value.end, entry.value.end, image)
    return Correction(after, "image", f"{name} installs {chosen}, so it has an image")


def main_path(programs: Sequence[str], name: str) -> str:
    """Return the path of the program that a project is named for, or its first one that is no test."""
    paths = {path.rpartition("/")[2]: path for path in reversed(programs)}
    return paths[main_program(list(dict.fromkeys(path.rpartition("/")[2] for path in programs)), name)]


def own_programs(built: Path) -> list[str]:
    """Return the paths of a built package's programs. Of an environment of Python, those of the project itself."""
    listed = sorted(f"{folder}/{name}" for folder in ("bin", "sbin") for name in entries(built / folder))
    installed = [path for path in sorted(built.glob("lib/python3*/site-packages/*.dist-info")) if _is_own(path)]
    if not (built / "pyvenv.cfg").exists() or not installed:
        return listed
    own = {f"bin/{name}" for path in installed for name in _commands(path)}
    return [path for path in listed if path in own]


def entries(directory: Path) -> list[str]:
    """Return the names in a directory, or none if it does not exist."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _is_own(info: Path) -> bool:
    """Return whether a distribution was installed from a directory, as the project is, and not from an archive."""
    return '"dir_info"' in read_text(info / "direct_url.json")


def _commands(info: Path) -> list[str]:
    return re.findall(r"^(?:\.\./){3}bin/([^/,\n]+),", read_text(info / "RECORD"), re.MULTILINE)
