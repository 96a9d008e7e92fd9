"""The guess about a project that `fpack init` renders, and helpers to fill it from untrusted files."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from .project import Project


class LoadedLibrary(NamedTuple):
    """A library of the system that code loads. name: a soname, or the name that `find_library` of ctypes takes.

    where: the place of the code, for a message. linked: libraries of a ready-made package are linked with it, instead
    of code that loads it by its name.
    """

    name: str
    where: str
    linked: bool = False


class Guess(NamedTuple):
    """A guess how a project is built.

    call: function of the library that builds it. fields: fields of its record, as text of the language. packages:
    Debian packages that a shell needs besides the build's tools. entrypoint: entrypoint of the image, as items of a
    list. library: there is nothing to run, so there is no image. reasons: sentences that explain the guess. todo: what
    the user has to do before a build. image: fields of the image instead of those for a program, in which `@` stands
    for the package. image_call: the function that makes the image. also_installs: commands after those of the phase
    `install`. directories: those of the image in which its user may write. workdir: the image's working directory.
    image_env: variables of the image. image_packages: Debian's packages in it, besides the project's. environment: the
    shell has the packages that the project uses, and not the project itself. release: the one whose packages the
    project is built with, if its language needs another one than was asked for. loads: libraries that packages it asks
    for load from the system. serves: the image's program is a server. uses: the normalised names of the packages of
    PyPI that it asks for. pythons: the releases whose Python it allows, best first. first: the command that the image
    runs at each start, before its program. secrets: variables of which the image's program needs one; the first one is
    shown.
    """

    call: str
    name: str
    version: str | None
    fields: Sequence[tuple[str, str]]
    packages: Sequence[str]
    entrypoint: Sequence[str] | None
    ports: Sequence[int] = ()
    reasons: Sequence[str] = ()
    todo: Sequence[str] = ()
    library: bool = False
    image: Sequence[tuple[str, str]] | None = None
    image_call: str = "container"
    also_installs: str = ""
    directories: Sequence[str] = ()
    workdir: str = ""
    image_env: Sequence[tuple[str, str]] = ()
    image_packages: Sequence[str] = ()
    environment: bool = False
    release: str | None = None
    loads: Sequence[LoadedLibrary] = ()
    serves: bool = False
    uses: Collection[str] = ()
    pythons: Sequence[str] = ()
    first: Sequence[str] = ()
    secrets: Sequence[str] = ()


LIBRARY = "it is a library, so there is no image"
OWN_PATCH = "with this `patch`, files of `patches` are not applied"


# Values from the project's files.


def text(value: str) -> str:
    """Return a string literal of the language. A control character of ASCII becomes a space, and other characters that
    cannot be seen become escapes: a terminal may obey them, and a source text must not have those that change the
    direction of a line."""
    value = re.sub(r"[\x00-\x1f\x7f]", " ", value)
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + "".join(c if c.isprintable() else _escaped(ord(c)) for c in value) + '"'


def _escaped(code: int) -> str:
    """Return the escape of a character. Half of a surrogate pair, which JSON may have alone, is none."""
    return f"\\u{{{0xFFFD if 0xD800 <= code < 0xE000 else code:x}}}"


def record(value: Any) -> dict[str, Any]:
    """Return `value` if it is a record, else an empty one."""
    return value if isinstance(value, dict) else {}


def records(value: Any) -> list[dict[str, Any]]:
    """Return the records in `value` if it is a list, else nothing."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(value: Any) -> list[str]:
    """Return the strings in `value` if it is a list, else nothing."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def clean_name(value: Any, project: Project) -> str:
    """Return a valid package name from `value`, or from the project's name if `value` is not a string."""
    found = value if isinstance(value, str) else project.name
    return re.sub(r"[^A-Za-z0-9+._-]+", "-", found.rpartition("/")[2]).strip("-.")[:100] or "app"


def clean_version(value: Any) -> str | None:
    """Return `value` if it is a valid version, else None."""
    found = re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,60}", value) if isinstance(value, str) else None
    return found[0] if found else None


def few(files: Sequence[str]) -> str:
    """Return the names of at most three files, and the number of the others."""
    names = [file.rpartition("/")[2] for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def shown(entrypoint: list[str]) -> str:
    """Return a command for messages, without the package's path."""
    return " ".join(word.removeprefix("@/") for word in entrypoint)
