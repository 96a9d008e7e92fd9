"""Find the names of failed tests in a build's log."""

from __future__ import annotations

import re

from .messages import MAX_TEXT

MAX_NAMES = 5

_TESTS = (
    re.compile(r"^FAIL(?:ED)?:? ([\w./:+\[\]-]+)", re.MULTILINE),  # automake, pytest's short summary
    re.compile(
        r"^[ \t]*\d+(?:/\d+)? - ([\w./:+-]+) \((?:Failed|Timeout|SEGFAULT|Not Run|Subprocess aborted)[^)]*\)",
        re.MULTILINE,
    ),  # ctest
    re.compile(
        r"^[ \t]*\d+/\d+ (?:[\w.+-]+:[\w.+-]+ / )?([^\n]{1,200}?)[ \t]++"
        r"(?:FAIL|TIMEOUT|ERROR|UNEXPECTEDPASS)[ \t]++[\d.]+ ?s",
        re.MULTILINE,
    ),  # Meson
    re.compile(r"^--- FAIL: (\w[\w/.-]*)", re.MULTILINE),  # Go
    re.compile(r"^test (\S+) \.\.\. FAILED", re.MULTILINE),  # Rust
    re.compile(r"^(?:FAIL|ERROR): (\w+) \(", re.MULTILINE),  # unittest
    re.compile(r"^[ \t]*[✕✖×] ([^\n]{1,200}?) \(?[\d.]+ ?m?s\b", re.MULTILINE),  # Node's, Jest's and Vitest's reports
    re.compile(r"^not ok \d+ -? ?([^\n#]{1,80})", re.MULTILINE),  # TAP
    re.compile(r"^(\S{1,200})\s{0,20}\.{1,200}\s{0,20}(?:Failed|FAILED|Dubious)", re.MULTILINE),  # Perl's prove
)


def failed_tests(text: str) -> list[str]:
    """Return the names of the tests that a log says have failed, at most MAX_NAMES."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text[-MAX_TEXT:])
    names = [found.strip() for pattern in _TESTS for found in pattern.findall(text)]
    return list(dict.fromkeys(name for name in names if name))[:MAX_NAMES]
