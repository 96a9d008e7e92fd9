"""Recognise in a build's log what it lacks: messages of compilers, linkers, build systems, shells and interpreters.

Each message is a pattern with the name of what is missing. The first one in the log counts most: what follows is often
its consequence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fpack.builders.debian.contents.needs import PROGRAM, BuildNeed

from .message_patterns import MESSAGES, OLD_C, OLD_CXX, OLD_CYTHON, OUTSIDE, VAGUE_MESSAGES, Messages

_LATE = 40  # lines
_NEAR = 2000  # characters between a message and make's about its failure
_ERROR, _COMMAND, _STATUS = 2, 1, 0  # weights of messages
MAX_TEXT = 1 << 18  # characters of a log that are looked at, from its end
# A prompt has no end of line: the message of make about its command, or the end of Python's trace, follows it.
_QUESTION = re.compile(
    r"[?\])>:][ \t]*make(?:\[\d{1,6}\])?: \*\*\* \[|^EOFError: EOF when reading a line", re.MULTILINE
)
_NOT_YET = re.compile(
    r"No rule to make target [^\n]{0,500}needed by|: No such file or directory|cannot (?:find|open)|: file truncated|"
    r"Text file busy|: File exists"
)
_FATAL_WARNING = re.compile(
    r"^([^\s:][^\n:]{0,300}):\d+(?::\d+)?: error: [^\n]{0,1000}\[-Werror=([a-z0-9+-]{1,60})=?(?:\d+)?\]", re.MULTILINE
)
_NO_VERSION = re.compile(
    r"[Vv]ersion unknown|(?:[Cc]ould not|[Cc]annot|[Cc]an't|[Uu]nable to|[Ff]ailed to) (?:determine|find|get|detect) "
    r"(?:the )?[Vv]ersion\b|fatal: not a git repository|[Cc]ommand [`'\"‘][^\n]{0,200}version[^\n/]{0,40} failed"
)
_NO_DIRECTORY = re.compile(
    r"(?:cannot (?:create|stat)(?: regular file| directory)?|failed to create symbolic link|target|can't create)"
    r" ['\"`‘]?/fpack/store/[^\n'\"’]{1,300}['\"’]?: (?:No such file or directory|Not a directory)"
)


class MissingThing(NamedTuple):
    """A missing thing that a message names.

    needs: alternatives, of which one is enough; none if there is only advice. at: the offset of the message in the
    text. weight: of the message, since a build often goes on after some.
    """

    name: str
    needs: tuple[BuildNeed, ...]
    advice: str = ""
    at: int = 0
    weight: int = 2


def find_missing(text: str) -> list[MissingThing]:
    """Return what the messages of a log say is missing, in their order, each thing once.

    Messages of a lower weight count only if there is no other: a program that a shell did not find in the last lines,
    and of the status lines of CMake the last one, as others are about optional packages.
    """
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text[-MAX_TEXT:])
    found = _matches(text, MESSAGES)
    errors = [item for item in found if item.weight == _ERROR]
    late = _last_lines(text)
    commands = [item for item in found if item.weight == _COMMAND and item.at >= late]
    status = sorted((item for item in found if item.weight == _STATUS), key=lambda item: (not item.needs, item.at))
    found = errors or commands or _matches(text, VAGUE_MESSAGES) or status[-1:]
    ordered: dict[object, MissingThing] = {}
    for item in sorted(found, key=lambda item: item.at):
        ordered.setdefault(item.needs[:1] or item.advice, item)
    return list(ordered.values())


def _matches(text: str, messages: Messages) -> list[MissingThing]:
    """Return what messages of a list say in a text, in the order of the list."""
    found: list[MissingThing] = []
    for pattern, reader in messages:
        for match in pattern.finditer(text):
            name = match[1] if match.re.groups else ""
            if isinstance(reader, str):
                weight = _STATUS if reader in (OLD_C, OLD_CXX, OUTSIDE) else _ERROR
                found.append(MissingThing(name, (), reader.format(*match.groups("")), match.start(), weight))
                break
            needs = tuple(need for need in reader(match) if need.name)
            if needs:
                shown = name if isinstance(name, str) and name else needs[0].name
                found.append(MissingThing(shown, needs, "", match.start(), _weight(text, match.start(), needs)))
    return found


def old_sources(text: str) -> str | None:
    """Return the variable of OLD_SOURCES whose flag lets the compiler accept the sources.

    None if a log does not show that they are old, or names something that is missing.
    """
    found = find_missing(text)
    if len(found) != 1 or found[0].needs:
        return None
    return {OLD_C: "CFLAGS", OLD_CXX: "CXXFLAGS"}.get(found[0].advice)


def fatal_warnings(text: str) -> dict[str, list[str]]:
    """Return the names of the warnings that a compiler took for errors, by the variable of its flags."""
    found: dict[str, dict[str, None]] = {}
    for file, name in _FATAL_WARNING.findall(text, max(0, len(text) - MAX_TEXT)):
        variable = "CXXFLAGS" if re.search(r"\.(?:cc|cpp|cxx|C|hh|hpp|hxx)$", file) else "CFLAGS"
        found.setdefault(variable, {}).setdefault(name)
    return {variable: [*names] for variable, names in sorted(found.items())}


def is_old_cython(text: str) -> bool:
    """Return whether a log shows C sources that were generated by a Cython that is older than the Python."""
    found = find_missing(text)
    return bool(found) and found[0].advice == OLD_CYTHON


def installs_outside(text: str) -> bool:
    """Return whether a log shows that a build installs to the directories of the system."""
    return any(not found.needs and found.advice == OUTSIDE.format(found.name) for found in find_missing(text))


def asks_questions(text: str) -> bool:
    """Return whether a log ends with a question that was not answered, as builds have an empty standard input."""
    return _QUESTION.search(text, max(0, len(text) - MAX_TEXT)) is not None


def is_out_of_order(text: str) -> bool:
    """Return whether a log shows a parallel make in which a file was used that another job may not yet have made."""
    at = text.find("Waiting for unfinished jobs", max(0, len(text) - MAX_TEXT))
    # Checks of configure say the same of what they may do without, further up.
    return at >= 0 and _NOT_YET.search(text, max(0, at - _NEAR), at) is not None


def lacks_directories(text: str) -> bool:
    """Return whether a log shows files that were to be installed to directories of the output that are not there."""
    return _NO_DIRECTORY.search(text, max(0, len(text) - MAX_TEXT)) is not None


def lacks_version(text: str) -> bool:
    """Return whether a log shows that a project did not find its own version, as it is no checkout of git."""
    return _NO_VERSION.search(text, max(0, len(text) - MAX_TEXT)) is not None


def _last_lines(text: str) -> int:
    """Return the offset of the last lines of a text, before which a missing program did not end the build."""
    at = len(text)
    for _ in range(_LATE):
        at = text.rfind("\n", 0, at)
        if at < 0:
            return 0
    return at


def _weight(text: str, at: int, needs: Sequence[BuildNeed]) -> int:
    """Return the weight of a message. A status line of CMake, or a shell's about a program, is no error by itself."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    if re.match(r"\s*(?:--|[\d:]+ --)\s", line):
        return _STATUS
    return _COMMAND if needs[0].kind == PROGRAM else _ERROR
