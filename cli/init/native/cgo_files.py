"""Read the C code of Go files: the libraries that the text before `import "C"` names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from fpack.builders.debian.contents.needs import HEADER, LIBRARY, PC, PROGRAM, BuildNeed

from .wanted import BuildFacts, BuildRequirement, line_of

_IMPORT = re.compile(r'^(?:import[ \t]+|[ \t]+)"C"[ \t]*;?[ \t]*(?://[^\n]*)?$', re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#cgo[ \t]([^:\n]*?)(pkg-config|LDFLAGS)[ \t]*:([^\n]*)", re.MULTILINE)
_INCLUDE = re.compile(r"#[ \t]*include[ \t]*<([\w./+-]{1,200})>")
_SYSTEMS = "windows|darwin|freebsd|openbsd|netbsd|dragonfly|solaris|illumos|aix|android|ios|plan9|js|wasip1"
_OTHER_FILE = re.compile(rf"_(?:{_SYSTEMS})(?:_\w+)?\.go\Z|_test\.go\Z")
_CONSTRAINT = re.compile(r"^//(?:go:build| \+build) ([^\n]+)", re.MULTILINE)
_OTHER_SYSTEM = re.compile(rf"\b(?:{_SYSTEMS})\b")
_IMPORTS = 9  # number of `import "C"` that are read in a file
_FOLDERS = re.compile(r"(?:.*/)?(?:vendor|testdata|examples?|tools|hack|docs|tests?|_\w*)/")
# Libraries that are a part of the C library or of the compiler.
_OWN = frozenset({"c", "m", "dl", "rt", "pthread", "util", "resolv", "stdc++", "gcc_s"})


def read_cgo(texts: Mapping[str, str]) -> BuildFacts | None:
    """Return what the Go files of a project need for their C code, or None if none has any. texts: by path."""
    wanted: dict[BuildNeed, BuildRequirement] = {}
    is_used = False
    for path, text in texts.items():
        for line, needs in _preambles(path, text.replace("\r\n", "\n")):
            is_used = True
            where = f"{path}:{line}"
            for need in needs:
                # A header may be the project's own, which the compiler finds by a flag.
                quiet = need.kind == HEADER
                wanted.setdefault(need, BuildRequirement((need,), not quiet, where, quiet))
    if any(need.kind == PC for need in wanted):
        first = next(item.where for need, item in wanted.items() if need.kind == PC)
        need = BuildNeed(PROGRAM, "pkg-config")
        wanted[need] = BuildRequirement((need,), True, first)
    return BuildFacts(list(wanted.values())) if is_used else None


def is_go_source(path: str) -> bool:
    """Return whether a file may be compiled for Linux as a part of the project."""
    return path.endswith(".go") and not _OTHER_FILE.search(path) and not _FOLDERS.match(path)


def _preambles(path: str, text: str) -> Iterator[tuple[int, list[BuildNeed]]]:
    """Yield the line of each import of C in a file, with what the comment before it needs."""
    constraint = _CONSTRAINT.search(text)
    # A file with the constraint cgo has another in its place, which needs no C.
    if constraint and (_excludes(constraint[1]) or re.search(r"(?<![!\w])ignore\b|\bcgo\b", constraint[1])):
        return
    for match in islice(_IMPORT.finditer(text), _IMPORTS):
        yield line_of(text, match.start()), list(_needs(_comment(text[: match.start()])))


def _comment(before: str) -> str:
    """Return the comment that ends a text."""
    before = re.sub(r"import[ \t]*\([ \t\n]*\Z", "", before[-(1 << 18) :].rstrip())
    before = before.rstrip()
    if before.endswith("*/"):
        return before[max(before.rfind("/*"), 0) :].removeprefix("/*")
    lines = before.split("\n")
    start = len(lines)
    while start and lines[start - 1].lstrip().startswith("//"):
        start -= 1
    return "\n".join(line.lstrip()[2:].lstrip() for line in lines[start:])


def _needs(comment: str) -> Iterator[BuildNeed]:
    for condition, kind, words in _DIRECTIVE.findall(comment):
        if _excludes(condition):
            continue
        if kind == "pkg-config":
            yield from (BuildNeed(PC, word) for word in words.split() if re.fullmatch(r"[A-Za-z][\w.+-]*", word))
        else:
            names = re.findall(r"(?<!\S)-l([A-Za-z][\w.+-]*)", words)
            yield from (BuildNeed(LIBRARY, name) for name in names if name not in _OWN)
    yield from (BuildNeed(HEADER, name) for name in _INCLUDE.findall(comment))


def _excludes(condition: str) -> bool:
    """Return whether a condition excludes Linux: it names other systems, but not Linux."""
    if re.search(r"!\s*linux\b", condition):
        return True
    named = [match for match in _OTHER_SYSTEM.finditer(condition) if not condition.endswith("!", 0, match.start())]
    return bool(named) and not re.search(r"\blinux\b", condition)
