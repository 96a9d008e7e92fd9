"""Know by its path which interpreter loads a shared library as a module, and which modules come with interpreters."""

from __future__ import annotations

import re

# A pattern of paths, and the interpreter's program.
EXTENSIONS = (
    (re.compile(r"\.cpython-[\w-]+\.so$|\.abi3\.so$|/python3[^/]*/.*\.so$"), "python3"),
    (re.compile(r"\.node$"), "node"),
    (re.compile(r"/perl5?/.*\.so$"), "perl"),
    (re.compile(r"/ruby/.*\.so$"), "ruby"),
    (re.compile(r"/php/.*\.so$"), "php"),
)
# Modules of the standard library, by interpreter.
STANDARD = {"python3": re.compile(r"usr/lib/python3[^/]*/lib-dynload/[^/]+\.so")}


def interpreter_of(path: str) -> str | None:
    """Return the program that loads the file at an absolute path as a module, or None."""
    return next((program for pattern, program in EXTENSIONS if pattern.search(path)), None)
