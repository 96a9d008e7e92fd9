"""Find where Maven downloads a file from: its repository, or the mirror that the user's settings.xml has for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from fpack.builders.net.errors import BadUrl

SCHEME = "maven:"
CENTRAL = "https://repo.maven.apache.org/maven2"
MAX_SETTINGS = 1 << 20  # bytes
_VARIABLE = re.compile(r"\$\{env\.(\w+)\}|\$\{user\.home\}")


class MavenMirror(NamedTuple):
    """A mirror. of: words of `mirrorOf`, such as `central`, `*` or `!snapshots`."""

    of: Sequence[str]
    url: str


def urls(url: str, mirrors: Callable[[], Sequence[MavenMirror]]) -> list[str]:
    """Return the URLs of a file, given as `maven:REPOSITORY//PATH`."""
    repository, separator, path = url.removeprefix(SCHEME).rpartition("//")
    if not separator or not repository.startswith(("https://", "http://")) or ".." in path.split("/"):
        raise BadUrl("This is not the address of a file in a Maven repository", where=url[:200])
    base = next((mirror.url for mirror in mirrors() if _matches(mirror, repository)), repository)
    return [f"{base.rstrip('/')}/{path}"]


def _matches(mirror: MavenMirror, repository: str) -> bool:
    """Return whether a mirror is for a repository. The names of others than `central` are known to the project only."""
    name = "central" if repository == CENTRAL else repository
    if f"!{name}" in mirror.of:
        return False
    everything = ("*", "external:*", *(("external:http:*",) if repository.startswith("http://") else ()))
    return name in mirror.of or any(word in mirror.of for word in everything)


@cache
def user_mirrors() -> tuple[MavenMirror, ...]:
    """Return the mirrors in the settings of Maven on this machine, best first."""
    path = Path(os.path.expanduser("~/.m2/settings.xml"))
    try:
        with path.open("rb") as file:
            return parse(file.read(MAX_SETTINGS).decode("utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise BadUrl("The settings of Maven cannot be read", where=str(path), why=str(error)) from None


def parse(text: str) -> tuple[MavenMirror, ...]:
    """Return the mirrors in a settings.xml. Raise ValueError if it is malformed."""
    if "<!DOCTYPE" in text:
        raise ValueError("it has a document type")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    found = []
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "mirror":
            fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}
            if fields.get("url") and fields.get("mirrorOf"):
                of = [word.strip() for word in fields["mirrorOf"].split(",")]
                found.append(MavenMirror(of, _VARIABLE.sub(_value, fields["url"])))
    return tuple(found)


def _value(variable: re.Match[str]) -> str:
    return os.environ.get(variable[1], "") if variable[1] else os.path.expanduser("~")
