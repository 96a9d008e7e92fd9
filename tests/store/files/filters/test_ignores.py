"""Patterns match what git matches, in bounded time."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from fpack.store.files.filters.ignores import Ignores


def ignored(text: str, path: str) -> bool | None:
    return Ignores(text.encode()).verdict(path.rstrip("/").encode(), path.endswith("/"))


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("a.o", "a.o b/a.o a.o/", "a.oo xa.o"),
        ("*.o", "a.o b/c.o .o", "a.c a.o.c"),
        ("a*b*c", "abc aXbYc abbcc a/abc", "ab acb"),
        ("/a", "a a/", "b/a"),
        ("a/b", "a/b", "b x/a/b a/b/c"),
        ("a/", "a/ x/a/", "a x/a"),
        ("**/a", "a x/a x/y/a", "b xa"),
        ("a/**", "a/b a/b/c", "a b"),
        ("a/**/b", "a/b a/x/b a/x/y/b", "ab a/xb"),
        ("a/**/b/**/c", "a/b/c a/x/b/y/z/c a/b/b/c", "a/c a/b a/x/c"),
        ("**/**/a/**/**", "a/b x/a/b", "a"),
        ("a/*", "a/b", "a/b/c"),
        ("a?c", "abc", "ac a/c abbc"),
        ("[a-c]x", "ax cx", "dx x"),
        ("[!a-c]x", "dx", "ax /x"),
        ("[^a]x", "bx", "ax"),
        ("[]a]x", "]x ax", "bx"),
        ("[a-]x", "ax -x", "bx"),
        ("[[:digit:][:upper:]_]x", "5x Qx _x", "ax"),
        (r"[\]]x", "]x", "ax"),
        (r"\*", "*", "a"),
        (r"a\/b", "a/b", "ab"),
        ("a[/x]b/c", "axb/c", "a/b/c"),
        (r"\#a", "#a", "a"),
        (r"\!a", "!a", "a"),
        ("a  \n", "a", "b"),
        ("a\r\nb\r\n", "a b", "c"),
        ("é?", "éx", "é"),
    ],
)
def test_patterns(text: str, yes: str, no: str) -> None:
    for path in yes.split():
        assert ignored(text, path) is True, path
    for path in no.split():
        assert ignored(text, path) is None, path


def test_blanks_at_the_end() -> None:
    assert ignored("a \\ ", "a  ") is True and ignored("a\\ ", "a ") is True
    assert ignored("a  ", "a") is True and ignored("a  ", "a  ") is None
    assert ignored("a\\\\ ", "a\\") is True


def test_the_last_pattern_decides() -> None:
    assert ignored("*.o\n!keep.o\n", "keep.o") is False
    assert ignored("!keep.o\n*.o\n", "keep.o") is True
    assert ignored("a\n!a/\n", "a/") is False and ignored("a\n!a/\n", "a") is True
    assert ignored("!a/\na\n", "a/") is True
    assert ignored("a\n!*\nb\n", "a") is False


@pytest.mark.parametrize("text", ["", "!", "/", "\\", "#", "[", "[a", "[[:no:]]", "[[:alpha:", "a\\", "//", "\n\n"])
def test_what_matches_nothing(text: str) -> None:
    for path in ("a", "z", "!", "[", "\\", "a/"):
        assert ignored(text, path) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 100 + "b",
        "[a-z]*" * 100 + "!",
        "?*" * 100 + "!",
        "**/a*" * 30 + "/b",
        "*/" * 1000 + "x",
        "**" * 500,
        "[" + "[:" * 4000 + "]",
    ],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    begun = time.process_time()
    for path in ("a" * 255, "/".join(["a" * 60] * 60), "/".join("a" * 64)):
        ignored(pattern, path)
    assert time.process_time() - begun < 2


def test_many_names_take_no_time() -> None:
    patterns = Ignores(b"".join(b"name%d\n" % i for i in range(100_000)))
    begun = time.monotonic()
    assert sum(bool(patterns.verdict(b"name%d" % i, False)) for i in range(0, 200_000, 10)) == 10_000
    assert time.process_time() - begun < 2


@pytest.mark.skipif(shutil.which("git") is None, reason="git tells what is right")
def test_git_says_the_same(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    rng = random.Random(5)
    names = ["a", "b", "ab", "ba", "a.b", "a-b", "A", "[", "*", "a b", "aab", "5"]
    paths = sorted({"/".join(rng.choice(names) for _ in range(rng.randint(1, 4))) for _ in range(60)})
    bits = [
        "a",
        "b",
        "*",
        "?",
        "/",
        "**",
        "[ab]",
        "[!a]",
        "[a-b]",
        ".",
        "-",
        "\\*",
        "[[:alpha:]]",
        "]",
        " ",
        "\\",
        "[]",
    ]
    for _ in range(60):
        lines = ["".join(rng.choice(bits) for _ in range(rng.randint(1, 6))) for _ in range(3)]
        lines = [("!" if rng.random() < 0.2 else "") + line + ("/" if rng.random() < 0.2 else "") for line in lines]
        text = "\n".join(lines).encode() + b"\n"
        (tmp_path / ".gitignore").write_bytes(text)
        given = b"".join(os.fsencode(path) + b"\0" for path in paths)
        command = ["git", "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"]
        fields = subprocess.run(command, cwd=tmp_path, input=given, capture_output=True).stdout.split(b"\0")
        ours = Ignores(text)
        for i in range(0, len(fields) - 1, 4):
            pattern, path = fields[i + 2], fields[i + 3]
            theirs = None if not fields[i + 1] else not pattern.startswith(b"!")
            # git looks at the directories above first, as a walk does: these have no verdict of ours to compare.
            above = [ours.verdict(path[:at], True) for at in range(len(path)) if path[at : at + 1] == b"/"]
            if not any(above):
                assert ours.verdict(path, False) == theirs, (text, path)
