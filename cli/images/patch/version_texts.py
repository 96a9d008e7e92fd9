"""Find texts of an image's derivations that have the version of a package that moves.

A project can write the version of a package into a setting, a file or a build. A manifest has the text alone, so a
patch cannot tell whether a build of the project would write the new version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from fpack.store.canonical import Value
from fpack.store.derivation import Derivation

from .platform import MovedVersion

# Derivations of packages, whose versions a patch replaces.
_OF_PACKAGES = ("configure", "deb", "fetch", "root", "slice")
_WORD = re.compile(r"[A-Za-z0-9.+~:-]+")
_SHORT = 4  # a word of at most so many letters, such as 1.0, counts only if it is a whole text and a whole version


def notes(derivations: Mapping[str, Derivation], moved: Iterable[MovedVersion]) -> list[str]:
    """Return what must be told: each old version that a text keeps, and the derivation that has it."""
    known = {form: item for item in moved for form in _forms(item.old)}
    found: dict[MovedVersion, str] = {}
    for made in derivations.values():
        if made.kind in _OF_PACKAGES:
            continue
        # By default, the tag is the version of a package. It is no part of the image.
        for text in _texts({**made.args, "tag": ""} if made.kind == "image" else made.args):
            for word in {text, *_WORD.findall(text)}:
                item = known.get(word.rstrip("."))
                if item is not None and (len(word) > _SHORT or word == text == item.old):
                    found.setdefault(item, made.name)
    return [
        f"{name} has the old version of {item.name} in a text, {item.old}, which stays: "
        "a build of the project may write the new one"
        for item, name in found.items()
    ]


def _forms(version: str) -> Iterator[str]:
    """Yield a version, also without its epoch, and without its revision."""
    plain = version.partition(":")[2] or version
    yield from (version, plain, plain.rpartition("-")[0] or plain)


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
