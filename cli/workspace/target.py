"""Parse targets: the things that a user can name on the command line.

No name at all means `image` of the project's `fpack.fp`. `FILE#attr.path` is an attribute of a file.
`debian.RELEASE.NAME` and `ubuntu.RELEASE.NAME` are packages (only the first two dots separate, since names may contain
dots). A bare name
is an attribute of the project's file, or a curated package. `(EXPRESSION)` is the value of an expression, and `-e
EXPRESSION` of a verb means the same. A store path, or a link to one such as `./result`, is what it was built from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.cli.paths import PROJECT_FILE
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store.errors import FpackError, did_you_mean
from fpack.store.files.owners import find_above
from fpack.store.files.regular_file import read_bytes
from fpack.store.path import STORE
from fpack.store.root import default_root

if TYPE_CHECKING:
    from fpack.builders.verify.image_archive import ImageLocation


class Target(NamedTuple):
    """A parsed target.

    text: as the user wrote it. project: directory of the project's file, or None. file: the named file, or None. path:
    the attributes in the file. package: (release, name) of a package of Debian or Ubuntu. expression: a text of the
    language. store: a store path; path is then that of a file below it.
    """

    text: str
    project: Path | None
    file: Path | None = None
    path: tuple[str, ...] = ()
    package: tuple[str, str] | None = None
    expression: str = ""
    store: str = ""


_DISTRIBUTIONS = ("debian.", "ubuntu.")
# The ends of the names of image files. A name without a slash means a file only with one of them.
IMAGES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2", ".oci")


def find_image(text: str | None, cwd: Path) -> ImageLocation | None:
    """Return the image file, a tar or an OCI layout, or the image in a registry that `text` names.

    Return None if it names none. An existing file takes precedence over a reference of the same text, unless that has
    oci:// in front.
    """
    if text is None or "#" in text or not (text.endswith(IMAGES) or "/" in text or text in (".", "..")):
        return None
    if text.startswith("oci://"):
        return _remote(text)
    path = cwd / text
    if path.is_dir():
        return path if (path / "oci-layout").is_file() else None
    if path.exists():
        return None if text.endswith(".fp") or (in_store(path) and not is_archive(path)) else path
    if text.endswith(IMAGES) and not text.startswith(_DISTRIBUTIONS):
        raise UsageError("There is no such file", where=str(path), why=f"it is named by {text!r}")
    return None if text.endswith(".fp") else _remote(text)


def _remote(text: str) -> ImageLocation | None:
    from fpack.cli.registries.references import is_remote, remote_image

    return remote_image(text) if is_remote(text) else None


def in_store(path: Path) -> tuple[str, tuple[str, ...]] | None:
    """Return the store path that a file or a link on disk is in, and the names below it, or None.

    A link inside a store path is a file of that path, whatever it leads to: programs look at the name they run by.
    """
    try:
        itself = os.path.join(os.path.realpath(path.parent), path.name)
        real = os.path.realpath(path)
        inside = f"{os.path.realpath(default_root())}/store/"
    except ValueError:
        return None
    for found in (itself, real):
        if found.startswith(inside) and os.path.lexists(found):
            base, *names = found[len(inside) :].split("/")
            return f"{STORE}/{base}", tuple(names)
    return None


def is_archive(path: Path) -> bool:
    """Return whether a path is a tar or an OCI layout."""
    try:
        if path.is_dir():
            return (path / "oci-layout").is_file()
        return read_bytes(path, 262)[257:] == b"ustar"
    except OSError:
        return False


def find_project(start: Path) -> Path | None:
    """Return the nearest directory from `start` upwards that has a project file, unless others can change the file."""
    found = find_above(os.fspath(start), PROJECT_FILE)
    return None if found is None else Path(found)


def parse(text: str | None, cwd: Path, default: str = "image") -> Target:
    """Parse the target that `text` names, without evaluating anything. Raise UsageError if it is not valid."""
    project = find_project(cwd)
    if text is None:
        if project is None:
            raise UsageError(
                f"There is no {PROJECT_FILE} here",
                where=str(cwd),
                hint="fpack init writes one for an existing project; without one, name a package, "
                "as in: fpack pack postgres, fpack try nginx, or: fpack shell debian.trixie.jq",
            )
        return Target(f"{PROJECT_FILE}#{default}", project, project / PROJECT_FILE, (default,))
    if text.startswith("(") and text.endswith(")"):
        import shlex

        return Target(f"-e {shlex.quote(text[1:-1])}", project, expression=text[1:-1])
    if (stored := _stored(text, cwd)) is not None:
        return Target(text, project, path=stored[1], store=stored[0])
    if "#" in text:
        name, _, attributes = text.partition("#")
        file = _file(cwd / name if name else (project or cwd) / PROJECT_FILE, text)
        return Target(text, find_project(file.parent), file, _path(attributes, text) if attributes else (default,))
    if find_image(text, cwd) is not None:
        raise _is_image(text)
    if text.startswith(_DISTRIBUTIONS):
        return Target(text, project, package=_package(text))
    if text.endswith(".fp") or "/" in text or text in (".", ".."):
        file = _file(cwd / text, text)
        return Target(text, find_project(file.parent), file, (default,))
    return Target(text, project, None, _path(text, text))


def _stored(text: str, cwd: Path) -> tuple[str, tuple[str, ...]] | None:
    """Return the store path that a text names, itself or by a link, and the names below it, or None."""
    if text.startswith(f"{STORE}/"):
        base, *names = text[len(STORE) + 1 :].rstrip("/").split("/")
        return f"{STORE}/{base}", tuple(names)
    if "/" not in text or is_archive(cwd / text):
        return None
    return in_store(cwd / text)


def _package(text: str) -> tuple[str, str]:
    """Return the release and the name of a package."""
    from fpack.builders.debian.suites import (
        ALL_RELEASES,
        DISTRIBUTIONS,
        OF_DISTRIBUTION,
        STABLE,
        UBUNTU_STABLE,
        target_of,
    )

    distribution, _, rest = text.partition(".")
    release, dot, name = rest.partition(".")
    name = name.strip('"')
    whole = rest.strip('"')
    stable = {"debian": STABLE, "ubuntu": UBUNTU_STABLE}[distribution]
    of_releases = did_you_mean(release, OF_DISTRIBUTION[distribution])
    # A package's name has a dot before a digit only, as in python3.13.
    is_name = not dot or (name[:1].isdigit() and not of_releases)
    if whole and release not in ALL_RELEASES and is_name:
        hint = f"write {target_of(stable, whole)}"
        raise UsageError(f"{text!r} does not name a release of {DISTRIBUTIONS[distribution]}", hint=hint)
    if not dot or not release or not name:
        example = target_of(release if release in ALL_RELEASES else stable, "redis-server")
        raise UsageError(
            f"{text!r} does not name a package", hint=f"name a package of {DISTRIBUTIONS[distribution]} as in {example}"
        )
    if release in ALL_RELEASES and release not in OF_DISTRIBUTION[distribution]:
        what = f"{release} is not a release of {DISTRIBUTIONS[distribution]}"
        raise UsageError(what, where=text, hint=f"write {target_of(release, name)}")
    return release, name


def unknown(
    target: Target, fields: Sequence[str], curated: Sequence[str], no_packages: FpackError | None = None
) -> UsageError:
    """Return the error for a bare name that neither the project's file (with `fields`) nor a curated package has.

    no_packages: why Debian's packages were not searched.
    """
    from fpack.builders.debian.suites import ALL_RELEASES, distribution

    text = target.text
    here = f"{PROJECT_FILE} has {', '.join(fields)}" if fields else f"there is no {PROJECT_FILE} here"
    # `fpack run` leaves the project alone where its file does not have the name.
    beside = target.project is None and find_project(Path.cwd()) is not None
    if beside:
        here = f"{PROJECT_FILE} has no field {text}"
    known = did_you_mean(target.path[0], [*fields, *curated])
    suites = ALL_RELEASES.get(target.path[0])
    package = f"a package is named {distribution(suites)}.{text}" if suites else ""
    if os.path.isfile(os.path.join(text, "oci-layout")):
        known = f"the image in this directory is ./{text}"
    elif os.path.isfile(text):
        known = known or f"the file in this directory is ./{text}"
    hint = package or known or f"fpack search {text} looks for packages"
    if beside and not package:
        hint = f"fpack run NAME -- {text} runs a program of the package NAME of {PROJECT_FILE}; {hint}"
    if not all(c.isalnum() or c in "+-._" for c in text):
        hint = "fpack eval -e evaluates an expression"
    why = f"{here}, and the curated packages are {', '.join(curated)}"
    if no_packages is None:
        return UsageError(f"There is nothing called {text!r}", why=why, hint=hint)
    reason = f"{no_packages.what}: {no_packages.why}" if no_packages.why else no_packages.what
    return UsageError(
        f"There is nothing called {text!r}, and Debian's packages could not be searched",
        where=no_packages.where,
        why=f"{reason}; {why}",
        hint=known or no_packages.hint or hint,
    )


def no_field(target: Target, fields: Sequence[str]) -> FpackError:
    """Return the error for a file that does not have the attribute that a target names."""
    from fpack.lang.errors import Fault

    assert target.file is not None
    name = target.path[0]
    return Fault(
        f"{os.path.relpath(target.file)} has no `{name}`",
        why=f"it has {', '.join(fields)}" if fields else "it is empty",
        hint=did_you_mean(name, fields) or f"define {name} = ..., or name another one, as in FILE.fp#NAME",
    )


def _file(path: Path, text: str) -> Path:
    path = path / PROJECT_FILE if path.is_dir() else path
    if not path.is_file():
        raise UsageError("There is no such file", where=str(path), why=f"it is named by {text!r}")
    return path.absolute()


def _is_image(text: str) -> UsageError:
    return UsageError(
        f"{text} is an image, not the source of one",
        hint="name a package or a file, as in debian.trixie.jq or ./fpack.fp; "
        "fpack verify, why, size, closure, show and trace read images",
    )


def _path(attributes: str, text: str) -> tuple[str, ...]:
    if not attributes:
        raise UsageError(f"{text!r} names nothing", hint="name a package or an attribute, as in jq or image")
    parts = []
    rest = attributes
    while rest:
        if rest.startswith('"'):
            name, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(".")):
                raise UsageError(f"{text!r} cannot be read", why="a quoted name does not end")
            rest = rest[1:]
        else:
            name, dot, rest = rest.partition(".")
            if dot and not rest:
                name = ""
        if not name:
            raise UsageError(f"{text!r} cannot be read", why="a name between two dots is empty")
        parts.append(name)
    return tuple(parts)
