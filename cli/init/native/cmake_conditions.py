"""Evaluate conditions and variables of CMake as far as they are known on Linux."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .wanted import Truth, both, either, negated

Values = Mapping[str, str | None]  # None: unknown

_FALSE = frozenset({
    "WIN32", "APPLE", "MSVC", "MINGW", "CYGWIN", "MSYS", "ANDROID", "IOS", "EMSCRIPTEN", "HAIKU", "BSD", "FREEBSD",
    "OPENBSD", "NETBSD", "SOLARIS", "XCODE", "BORLAND", "WINCE", "WINDOWS_STORE", "AIX", "MACOSX", "OSX", "WASM",
    "VCPKG_TOOLCHAIN", "CMAKE_CROSSCOMPILING", "QNX", "QNXNTO", "OS2", "WATCOM", "BEOS", "MSVC_IDE",
    "CMAKE_OSX_ARCHITECTURES",
})  # fmt: skip
_TRUE = frozenset({
    "UNIX", "LINUX", "CMAKE_COMPILER_IS_GNUCC", "CMAKE_COMPILER_IS_GNUCXX", "CMAKE_COMPILER_IS_GNUC", "BUILD_TESTING",
})  # fmt: skip
OFF = re.compile(r"(?:0|off|no|false|n|ignore|(?:.*-)?notfound|)\Z", re.IGNORECASE)
_ON = re.compile(r"(?:[1-9]\d*|on|yes|true|y)\Z", re.IGNORECASE)
# The variables that CMake itself sets.
SYSTEM = {
    "CMAKE_SYSTEM_NAME": "Linux", "CMAKE_HOST_SYSTEM_NAME": "Linux", "CMAKE_CXX_COMPILER_ID": "GNU",
    "CMAKE_C_COMPILER_ID": "GNU", "CMAKE_BUILD_TYPE": "Release", "CMAKE_SYSTEM": "Linux", "CMAKE_PROJECT_NAME": "",
    "CMAKE_SIZEOF_VOID_P": "8",
}  # fmt: skip


def expanded(values: Values, word: str) -> str | None:
    """Return a word with the variables whose values are known, or None if it is empty then."""
    for _ in range(4):
        if "${" not in word or len(word) > 10_000:
            break
        word = re.sub(r"\$\{(\w+)\}", lambda v: found if (found := values.get(v[1])) is not None else v[0], word)
    return word or None


def truth(values: Values, words: list[str]) -> Truth:
    """Return whether a condition holds on Linux with the project's defaults; None if that is not known."""
    tokens = words[:200]
    found, rest = _or(values, tokens, 0)
    return found if rest >= len(tokens) else None


def _or(values: Values, words: list[str], depth: int, at: int = 0) -> tuple[Truth, int]:
    found, at = _and(values, words, depth, at)
    while at < len(words) and words[at].upper() == "OR":
        more, at = _and(values, words, depth, at + 1)
        found = either(found, more)
    return found, at


def _and(values: Values, words: list[str], depth: int, at: int) -> tuple[Truth, int]:
    found, at = _one(values, words, depth, at)
    while at < len(words) and words[at].upper() == "AND":
        more, at = _one(values, words, depth, at + 1)
        found = both(found, more)
    return found, at


_RELATIONS = frozenset({
    "STREQUAL", "EQUAL", "MATCHES", "LESS", "GREATER", "LESS_EQUAL", "GREATER_EQUAL", "VERSION_LESS",
    "VERSION_GREATER", "VERSION_EQUAL", "IN_LIST", "VERSION_GREATER_EQUAL", "VERSION_LESS_EQUAL", "STRLESS",
    "STRGREATER", "IS_NEWER_THAN",
})  # fmt: skip


def _one(values: Values, words: list[str], depth: int, at: int) -> tuple[Truth, int]:
    if at >= len(words) or depth > 40:
        return None, len(words)
    word = words[at]
    if word.upper() == "NOT":
        found, at = _one(values, words, depth + 1, at + 1)
        return negated(found), at
    if word == "(":
        found, at = _or(values, words, depth + 1, at + 1)
        return found, at + 1
    if word.upper() in ("DEFINED", "EXISTS", "TARGET", "COMMAND", "POLICY", "IS_DIRECTORY", "TEST"):
        if word.upper() == "DEFINED" and at + 1 < len(words) and words[at + 1] in _FALSE:
            return False, at + 2
        return (True if word.upper() in ("POLICY", "COMMAND") else None), at + 2
    if at + 2 < len(words) + 1 and at + 1 < len(words) and words[at + 1].upper() in _RELATIONS:
        right = words[at + 2] if at + 2 < len(words) else ""
        return _relation(values, word, words[at + 1].upper(), right), at + 3
    return _value(values, word), at + 1


def _relation(values: Values, left: str, relation: str, right: str) -> Truth:
    sides = [_text(values, side) for side in (left, right)]
    if None in sides:
        return None
    a, b = sides[0] or "", sides[1] or ""
    if relation == "STREQUAL":
        return a == b
    if relation == "MATCHES" and re.fullmatch(r"[\w^$|().-]+", b) and len(b) < 200:
        return any(part.strip("^$().*") in a for part in b.split("|"))
    if relation == "EQUAL" and a.isdigit() and b.isdigit():
        return int(a[:18]) == int(b[:18])
    return None


def _text(values: Values, word: str) -> str | None:
    """Return a side of a relation as text; None if it is not known."""
    if word in values:
        return values[word]
    found = expanded(values, word) or ""
    return None if "$" in found else found


def _value(values: Values, word: str) -> Truth:
    if word in _FALSE:
        return False
    if word in _TRUE:
        return True
    if word in values:
        value = values[word]
        return None if value is None or "$" in value else not OFF.match(value)
    found = expanded(values, word) or ""
    if "$" not in found and (_ON.match(found) or OFF.match(found)):
        return bool(_ON.match(found))
    return None
