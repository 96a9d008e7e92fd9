"""Find modules that code of Python imports and that the release's Python no longer has. All functions are pure.

Python 3.12 and 3.13 removed modules of the standard library, and setuptools 82 removed pkg_resources, which projects
import without a requirement, since it came with Python's environments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from fpack.builders.linking.imports import imports
from fpack.builders.python.versions import parse

from ..guess import Guess, text
from ..language_versions import PYTHONS

# The first Python without each module.
_REMOVED: Mapping[str, str] = {
    **dict.fromkeys(("asynchat", "asyncore", "imp", "smtpd"), "3.12"),
    **dict.fromkeys(
        (
            "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "nis", "nntplib",
            "ossaudiodev", "pipes", "sndhdr", "sunau", "telnetlib", "uu", "xdrlib",
        ),
        "3.13",
    ),
}  # fmt: skip
# What setuptools brings: the requirement that has the module.
_OF_SETUPTOOLS: Mapping[str, str] = {"pkg_resources": "setuptools<82", "distutils": "setuptools"}


class LostModule(NamedTuple):
    """A module that Python or setuptools no longer has, and that code certainly imports. where: the file."""

    module: str
    where: str


def imported(texts: Mapping[str, str], own: Collection[str]) -> Iterator[LostModule]:
    """Yield the imports of modules that Python or setuptools removed. texts: of modules, by path. own: all paths of
    the project, whose own modules are left out.
    """
    names = _REMOVED.keys() | _OF_SETUPTOOLS.keys()
    mentioned = re.compile(rf"\b(?:{'|'.join(sorted(names))})\b")
    modules = {re.sub(r"(?:/__init__)?\.py$", "", path).rpartition("/")[2] for path in own if path.endswith(".py")}
    for path, content in texts.items():
        if not mentioned.search(content):
            continue
        for found in imports("python", content.encode()):
            top = found.name.partition(".")[0]
            if found.sure and top in names and top not in modules:
                yield LostModule(top, path)


def with_modules(guess: Guess, found: Collection[LostModule], release: str) -> Guess:
    """Return a guess whose Python has the modules that the code imports.

    release: the one whose packages are used if the guess names none.
    """
    guess = _with_older_python(guess, found, release)
    return _with_setuptools(guess, found, guess.release or release)


def _with_older_python(guess: Guess, found: Collection[LostModule], release: str) -> Guess:
    own = PYTHONS.get(guess.release or release, PYTHONS["forky"])
    gone = [
        item
        for item in found
        if (limit := _REMOVED.get(item.module)) and not _is_older(own, limit) and not _is_brought(item.module, guess)
    ]
    if not gone or any(field == "python" for field, _ in guess.fields):
        return guess
    limit = min((_REMOVED[item.module] for item in gone), key=parse)
    first = next(item for item in gone if _REMOVED[item.module] == limit)
    older = next((name for name in guess.pythons if _is_older(PYTHONS[name], limit)), None)
    why = f"{first.where}: it imports {first.module}, which Python {limit} removed"
    if older is None:
        return guess._replace(todo=[*guess.todo, f"replace the module {first.module}: {why}"])
    version = ".".join(PYTHONS[older].split(".")[:2])
    return guess._replace(
        fields=[*guess.fields, ("python", text(version))],
        release=older,
        reasons=[*guess.reasons, f"{why}; Python {version} is that of {older}"],
    )


def _with_setuptools(guess: Guess, found: Collection[LostModule], release: str) -> Guess:
    """Return a guess that also installs setuptools, if the code imports what it brings."""
    builtin = {"distutils"} if _is_older(PYTHONS.get(release, PYTHONS["forky"]), "3.12") else set()
    if "setuptools" in guess.uses:
        return guess
    item = min((i for i in found if i.module in _OF_SETUPTOOLS and i.module not in builtin), default=None)
    if item is None:
        return guess
    # pkg_resources is the stricter requirement.
    item = next((i for i in found if i.module == "pkg_resources"), item)
    need = _OF_SETUPTOOLS[item.module]
    why = f"{item.where}: it imports {item.module}, which setuptools has"
    if any(field == "lock" for field, _ in guess.fields):
        todo = f"add {need} to the project's dependencies, and lock again: {why}"
        return guess._replace(todo=[*guess.todo, todo])
    fields = [(field, f"[{text(need)}, {value[1:]}" if field == "needs" else value) for field, value in guess.fields]
    if not any(field == "needs" for field, _ in fields):
        fields.append(("needs", f"[{text(need)}]"))
    return guess._replace(fields=fields, reasons=[*guess.reasons, f"{why}; it is added"])


def _is_brought(module: str, guess: Guess) -> bool:
    """Return whether a package that the project asks for brings a module that Python removed."""
    names = (f"standard-{module}", f"legacy-{module}", f"py{module}", f"{module}-lts", f"zombie-{module}")
    return any(name in guess.uses for name in names)


def _is_older(version: str, limit: str) -> bool:
    return parse(version) < parse(limit)
