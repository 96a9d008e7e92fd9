"""Match paths against the patterns of a `.gitignore` file, byte by byte, as git does.

Sources: gitignore(5) and git's wildmatch.c. The file may be hostile, so the time of a match is bounded by the lengths
of the path and the pattern: a `*` matches up to the first occurrence of the text after it and is never retried (an
atomic group). With single characters, classes and `*` only, the first occurrence is as good as any later one. No
library is used, because the known ones deviate from git or backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fpack.light_typing import NamedTuple

MAX_BYTES = 1 << 20
MAX_PATTERN = 8192  # no path is half as long; longer patterns are skipped
_SPECIAL = frozenset(b"*?[\\")
_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": rb"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    b"space": rb" \t\n\r\f\v",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
_NOTHING = rb"(?!)"


class _Rule(NamedTuple):
    """A pattern.

    number: its position in the file. keep: the pattern re-includes what others ignore. directories: it matches
    directories only. whole: it matches the path, not its last component. match: matcher of a regular expression, or
    None if the pattern is a plain name.
    """

    number: int
    keep: bool
    directories: bool
    whole: bool
    match: Callable[[bytes], object] | None


class Ignores:
    """The patterns of one file; they apply below the file's directory. text: the content of the file."""

    def __init__(self, text: bytes) -> None:
        # Most patterns are plain names. A dictionary keeps files with many of them fast.
        self._names: dict[tuple[bytes, bool], _Rule] = {}
        self._wild: list[_Rule] = []
        for number, (keep, directories, whole, pattern) in enumerate(_patterns(text)):
            if whole or not _SPECIAL.isdisjoint(pattern):
                match = re.compile(_translate(pattern, whole), re.DOTALL).match
                self._wild.append(_Rule(number, keep, directories, whole, match))
            else:
                self._names[pattern, directories] = _Rule(number, keep, directories, whole, None)
        self._wild.reverse()

    def verdict(self, path: bytes, is_directory: bool) -> bool | None:
        """Return whether `path`, relative to the file's directory, is ignored, or None if no pattern matches."""
        name = path.rpartition(b"/")[2]
        named = [self._names.get((name, False)), self._names.get((name, True)) if is_directory else None]
        # The last matching pattern of the file decides.
        best = max((rule for rule in named if rule is not None), key=lambda rule: rule.number, default=None)
        for rule in self._wild:
            if best is not None and rule.number < best.number:
                break
            if rule.match and (is_directory or not rule.directories) and rule.match(path if rule.whole else name):
                best = rule
                break
        return None if best is None else not best.keep


def _patterns(text: bytes) -> Iterator[tuple[bool, bool, bool, bytes]]:
    """Yield (keep, directories, whole, pattern) of each line; the fields are those of `_Rule`."""
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        pattern = _stripped(line.removesuffix(b"\r"))
        if pattern.startswith(b"#"):
            continue
        keep = pattern.startswith(b"!")
        pattern = pattern[keep:]
        directories = pattern.endswith(b"/")
        pattern = pattern[: len(pattern) - directories]
        if 0 < len(pattern) <= MAX_PATTERN:
            yield keep, directories, b"/" in pattern, pattern


def _stripped(line: bytes) -> bytes:
    """Strip trailing spaces that no backslash protects."""
    end = len(line.rstrip(b" "))
    if end < len(line):
        slashes = end - len(line[:end].rstrip(b"\\"))
        end += slashes % 2
    return line[:end]


def _translate(pattern: bytes, whole: bool) -> bytes:
    """Return the regular expression of a pattern."""
    if not whole:
        return _component(pattern) + rb"\Z"
    runs: list[list[bytes]] = [[]]
    for part in _split(pattern.removeprefix(b"/")):
        if part != b"**":
            runs[-1].append(_component(part))
        elif runs[-1] or len(runs) == 1:
            runs.append([])
    out = b"/".join([*runs[0], b""] if len(runs) > 1 and runs[0] else runs[0])
    for run in runs[1:-1]:
        out += rb"(?>(?:[^/]+/)*?%b/)" % b"/".join(run)
    if len(runs) > 1:
        out += rb"(?:[^/]+/)*" + b"/".join(runs[-1]) if runs[-1] else rb".+"
    return out + rb"\Z"


def _split(pattern: bytes) -> Iterator[bytes]:
    """Yield the components of a pattern.

    A slash inside a class does not separate components; a slash after a backslash does.
    """
    begun = at = 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        at += 1
        if char == b"[":
            at = _class(pattern, at)[1]
        elif char == b"\\" and pattern[at : at + 1] != b"/":
            at += 1
        elif char in (b"/", b"\\"):
            yield pattern[begun : at - 1]
            at += char == b"\\"
            begun = at
    yield pattern[begun:]


def _component(part: bytes) -> bytes:
    """Return the regular expression of a pattern without slashes."""
    pieces: list[list[bytes]] = [[]]
    at = 0
    while at < len(part):
        char = part[at : at + 1]
        at += 1
        if char == b"*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append([])
        elif char == b"?":
            pieces[-1].append(rb"[^/]")
        elif char == b"[":
            found, at = _class(part, at)
            pieces[-1].append(found)
        elif char == b"\\":
            if at == len(part):
                return _NOTHING
            pieces[-1].append(re.escape(part[at : at + 1]))
            at += 1
        else:
            pieces[-1].append(re.escape(char))
    texts = [b"".join(piece) for piece in pieces]
    if len(texts) == 1:
        return texts[0]
    return texts[0] + b"".join(rb"(?>[^/]*?%b)" % text for text in texts[1:-1]) + rb"[^/]*" + texts[-1]


def _class(part: bytes, at: int) -> tuple[bytes, int]:
    """Return the regular expression of a class whose bracket ends before `at`, and the end of the class."""
    negated = part[at : at + 1] in (b"!", b"^")
    at += negated
    chosen: list[bytes] = []
    previous = -1
    first = True
    while first or part[at : at + 1] != b"]":
        first = False
        char, at = part[at : at + 1], at + 1
        if not char:
            return _NOTHING, len(part)  # the class is not closed
        if char == b"[" and part[at : at + 1] == b":":
            closed = part.find(b"]", at + 1)
            named = part[at + 1 : max(closed, at)]
            if closed < 0 or (named.endswith(b":") and named[:-1] not in _CLASSES):
                return _NOTHING, len(part)
            if named.endswith(b":"):
                chosen.append(_CLASSES[named[:-1]])
                at += len(named) + 2
                previous = -1
                continue
        if char == b"-" and previous >= 0 and part[at : at + 1] not in (b"", b"]"):
            end, at = part[at : at + 1], at + 1
            if end == b"\\":
                end, at = part[at : at + 1], at + 1
            if not end:
                return _NOTHING, len(part)
            if previous <= end[0]:
                chosen.append(rb"\x%02x-\x%02x" % (previous, end[0]))
            previous = -1
            continue
        if char == b"\\":
            char, at = part[at : at + 1], at + 1
            if not char:
                return _NOTHING, len(part)
        chosen.append(rb"\x%02x" % char[0])
        previous = char[0]
    if not chosen:
        return (rb"[^/]" if negated else _NOTHING), at + 1
    return rb"(?!/)[%b%b]" % (b"^" if negated else b"", b"".join(chosen)), at + 1
