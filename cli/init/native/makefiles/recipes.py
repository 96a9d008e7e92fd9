"""Find the programs that a Makefile's recipes call, for the targets that a build makes. All functions are pure.

A line that tests for a program, goes on without it, or whose failure is ignored, asks for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from fpack.builders.payload.commands import PACKAGES

_RULE = re.compile(r"([^\s:#=][^:#=]*?)[ \t]*::?(?![:=])[ \t]*([^;#|=]*)(?:\|[^;#=]*)?(?:;(.*))?$")
_VARIABLE = re.compile(r"\$[({]([\w.-]+)[)}]")
_PROGRAM = re.compile(r"[a-z][a-z0-9]*(?:[-_.+][a-z0-9]+)*\Z")
_ASSIGNMENT = re.compile(r"\w+=")
_SEPARATOR = re.compile(r"&&|[;|()]")
_QUOTED = re.compile(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`")
# Lines that ask whether there is a program, or choose between ways.
_GUARDED = re.compile(r"\|\||\b(?:if|case|for|while|which|type|command|test|exit)\b|\[ ")
_PREFIXES = frozenset({"env", "exec", "nice", "time"})
# The programs that each build has.
_EVERYWHERE = frozenset(
    {"bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "libc-bin", "mawk", "sed", "tar"}
)
_PRESENT = {name for name, package in PACKAGES.items() if package in _EVERYWHERE} | {
    "ar", "as", "cc", "cpp", "gawk", "gcc", "ld", "make", "nm", "objcopy", "patch", "ranlib", "strip", "test", "xz",
}  # fmt: skip
# The commands of the shell itself, and programs that a build in a sandbox cannot use.
_IGNORED = frozenset({
    "cd", "echo", "eval", "export", "exit", "false", "printf", "pwd", "read", "set", "shift", "trap", "true", "ulimit",
    "umask", "unset", "wait", "apt", "apt-get", "brew", "docker", "dnf", "git", "gem", "hg", "npm", "npx", "pip",
    "pip3", "podman", "rsync", "scp", "ssh", "su", "sudo", "svn", "systemctl", "wget", "curl", "yarn", "yum",
})  # fmt: skip
# Characters of a value that is put in the place of a variable, variables of a text, and characters of all texts then.
_MAX_VALUE, _MAX_VARIABLES, _MAX_TEXT = 4096, 64, 2 << 20
_MAX_PATTERNS, _MAX_TARGETS = 20, 20_000


class _MakeRule(NamedTuple):
    needs: list[str]
    lines: list[tuple[int, str]]


class Rules:
    """The rules of a Makefile that hold in each case."""

    def __init__(self) -> None:
        self._rules: dict[str, list[_MakeRule]] = {}  # by target; also of patterns such as %.1
        self._patterns: list[str] = []
        self._current = _MakeRule([], [])
        self._first: str | None = None
        self._left = _MAX_TEXT

    def add(self, number: int, line: str, values: Mapping[str, str]) -> None:
        """Read a line, with its number and the variables that are known at its place."""
        if line.startswith("\t"):
            self._current.lines.append((number, line))
            return
        rule = _RULE.match(line)
        if rule is None:
            self._current = _MakeRule([], []) if line.strip() else self._current
            return
        self._current = _MakeRule(self._words(rule[2], values), [(number, rule[3])] if rule[3] is not None else [])
        for target in self._words(rule[1], values):
            if "%" in target and len(self._patterns) < _MAX_PATTERNS:
                self._patterns.append(target)
            self._rules.setdefault(target, []).append(self._current)
            if self._first is None and not target.startswith((".", "%")) and "$" not in target:
                self._first = target

    def _words(self, text: str, values: Mapping[str, str]) -> list[str]:
        if self._left <= 0:
            return []
        made = expanded(text, values)
        self._left -= len(made)
        return list(dict.fromkeys(made.split()))

    def lines(self, *goals: str) -> Iterator[tuple[int, str]]:
        """Yield the lines of the recipes that make the goals and what these need, with their numbers."""
        todo, seen = list(goals), set(goals)
        done: set[int] = set()
        while todo and len(seen) < _MAX_TARGETS:
            target = todo.pop()
            rules = self._rules.get(target, [])
            if not any(rule.lines for rule in rules):
                pattern = next((pattern for pattern in self._patterns if _matches(pattern, target)), "")
                rules = [*rules, *self._rules.get(pattern, ())]
            for rule in rules:
                if id(rule) in done:
                    continue
                done.add(id(rule))
                yield from rule.lines
                more = [need for need in rule.needs if "%" not in need and need not in seen]
                seen.update(more)
                todo += more

    def builds(self) -> Iterator[tuple[int, str]]:
        """Yield the lines that the default target and `install` run."""
        return self.lines(*filter(None, [self._first]), "install")

    def tests(self) -> Iterator[tuple[int, str]]:
        """Yield the lines that the tests run: the target `check`, or else `test`."""
        return self.lines("check" if "check" in self._rules else "test")

    def test_words(self, values: Mapping[str, str]) -> Iterator[str]:
        """Yield the words of the lines that the tests run: some are files."""
        for _, line in self.tests():
            yield from self._words(line, values)

    def programs(self, values: Mapping[str, str]) -> Iterator[tuple[int, str]]:
        """Yield the programs that the build and its tests call, each with the number of the first such line."""
        seen = set(self._rules)
        for number, line in [*self.builds(), *self.tests()]:
            if self._left <= 0:
                break
            made = expanded(line, values)
            self._left -= len(made)
            for name in _called(made):
                if name not in seen:
                    seen.add(name)
                    yield number, name


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the variables that are known, as far as the result is not long. Others become `$`."""

    def value(found: re.Match[str]) -> str:
        own = values.get(found[1], "$")
        return own if len(own) <= _MAX_VALUE else "$"

    for _ in range(5):
        if len(text) > _MAX_VALUE or not _VARIABLE.search(text):
            break
        text = _VARIABLE.sub(value, text, count=_MAX_VARIABLES)
    return text


def _matches(pattern: str, target: str) -> bool:
    return fnmatchcase(target, re.sub(r"([\[?*])", r"[\1]", pattern).replace("%", "*"))


def _called(line: str) -> Iterator[str]:
    """Yield the programs that a line of a recipe calls by their plain names."""
    line = line.lstrip("\t @+")
    if line.startswith("-") or _GUARDED.search(line):
        return
    for part in _SEPARATOR.split(_QUOTED.sub("''", line)):
        for word in part.split():
            if word in _PREFIXES or _ASSIGNMENT.match(word):
                continue
            if _PROGRAM.match(word) and word not in _IGNORED and word not in _PRESENT:
                yield word
            break
