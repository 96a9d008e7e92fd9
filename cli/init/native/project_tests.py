"""Find what the scripts need that a project's tests run or name, and tests that cannot run in a sandbox."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from fpack.builders.debian.contents.needs import PACKAGE, PROGRAM, BuildNeed
from fpack.builders.payload.commands import PACKAGES, called_names

from .texts import read_files
from .wanted import BuildRequirement

_SHELL = re.compile(r"#!\s*(?:/usr)?/bin/(?:env\s+)?(?:ba|da)?(?:sh|bats)\b")
_LIBRARY = re.compile(r"\bbats_load_library\s+[\"']?(bats-[\w-]+)")
# The first word of a command that a further shell gets as text.
_INNER = re.compile(r"\bsh\s+-\w{0,8}c\s+\\?[\"']([a-z][\w.+-]*)")
_TESTS = re.compile(r"^TESTS[ \t]*\+?=[ \t]*([^#\n]*)", re.MULTILINE)
# A build cannot set extended attributes, and is not root. A test that can leave itself out says so.
_REFUSED = re.compile(r"\b(?:setfattr|setfacl|chacl|setcap|require_root)\b")
_SKIPS = re.compile(r"\bexit 77\b|\bskip", re.IGNORECASE)


def refused_tests(texts: Mapping[str, str], files: Collection[str], directory: Path) -> list[str]:
    """Return the tests that automake runs if none of them can run in a sandbox. texts: of the build files."""
    found: list[str] = []
    for path, text in texts.items():
        if not path.endswith(".am"):
            continue
        for words in _TESTS.findall(re.sub(r"\\\n", " ", text)):
            for word in words.split():
                below = f"{path[: path.rfind('/') + 1]}{word}"
                found.append(below if below in files else word)
    tests = read_files(directory, found) if found and all(name in files for name in found) else {}
    refused = [name for name, text in tests.items() if _REFUSED.search(text) and not _SKIPS.search(text)]
    return refused if len(refused) == len(set(found)) else []


def script_needs(scripts: Mapping[str, str]) -> Iterator[BuildRequirement]:
    """Yield the needs of shell scripts and of tests for bats: commands of Essential packages, which not each build has,
    libraries of bats, and what they start in a shell of its own.
    """
    for path, text in sorted(scripts.items()):
        if not _SHELL.match(text):
            continue
        names = sorted((called_names(text.encode()) & PACKAGES.keys()) | set(_INNER.findall(text)))
        for need in [BuildNeed(PROGRAM, name) for name in names]:
            yield BuildRequirement((need,), True, path, quiet=True)
        for name in sorted(set(_LIBRARY.findall(text))):
            yield BuildRequirement((BuildNeed(PACKAGE, name),), True, path, quiet=True)
