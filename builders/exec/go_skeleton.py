"""Reduce the source of Go modules to what its dependencies need: module files, `vendor`, and the names it imports.

The result stays the same while no import changes, so what is compiled from it does too. It may list an import that no
build on this platform uses: `go list` leaves that out.
"""

from __future__ import annotations

import re

from .skeleton import Skeleton, SourceFiles

IMPORTS, TEST_IMPORTS = ".fpack/imports", ".fpack/test-imports"  # lists in the skeleton, one import path a line
_MODULE_FILES = ("go.mod", "go.sum", "go.work", "go.work.sum")
_MODULE = re.compile(r'^[ \t]*module\s++(?:\(\s*+)?["`]?([^\s"`()]+)', re.MULTILINE)
_PATH_AND_VERSION = re.compile(r"^[ \t]*(?:require\s++)?((?=[^\s()]+\.[^\s()])[^\s()]++)\s++v\d", re.MULTILINE)
# The text before, between and after the imports: white space, comments and semicolons.
_BLANK = re.compile(rb"(?:[\s;]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_PACKAGE = re.compile(rb"package\s+\w+")
_IMPORT = re.compile(rb"import\b")
_SPEC = re.compile(rb'(?:[\w.]+[ \t]+|[\w.]+(?=["`]))?(?:"([^"\n]*)"|`([^`]*)`)')


def go_skeleton(source: SourceFiles) -> Skeleton:
    """Keep the module files and vendored packages, and list what the other packages import from elsewhere."""
    keep = [path for path in source.paths if _is_module_file(path)]
    vendored = tuple(path.removesuffix("modules.txt") for path in source.paths if _is_vendor_list(path))
    keep += [path for path in source.paths if vendored and path.startswith(vendored)]
    texts = [source.read(path).decode("utf-8", "replace") for path in keep if _is_module_file(path, "go.mod")]
    own = tuple(f"{found[1]}" for text in texts if (found := _MODULE.search(text)))
    required = {path for text in texts for path in _PATH_AND_VERSION.findall(text)}
    imports: set[str] = set()
    of_tests: set[str] = set()
    for path in source.paths:
        if path.endswith(".go") and not _is_ignored(path):
            (of_tests if path.endswith("_test.go") else imports).update(imported(source.read(path)))
    elsewhere = sorted(name for name in imports if not _is_own(name, own, required))
    more = sorted(name for name in of_tests - imports if not _is_own(name, own, required))
    return Skeleton(keep, {IMPORTS: _lines(elsewhere), TEST_IMPORTS: _lines(more)})


def imported(content: bytes) -> list[str]:
    """Return the import paths of a Go file. Imports after text that is not Go are not found."""
    at = _skip(content, 0)
    package = _PACKAGE.match(content, at)
    if package is None:
        return []
    found: list[str] = []
    at = _skip(content, package.end())
    while word := _IMPORT.match(content, at):
        at = _skip(content, word.end())
        grouped = content[at : at + 1] == b"("
        at = _skip(content, at + 1) if grouped else at
        while spec := _SPEC.match(content, at):
            found.append((spec[1] or spec[2] or b"").decode("utf-8", "replace"))
            at = _skip(content, spec.end())
            if not grouped:
                break
        if grouped:
            if content[at : at + 1] != b")":
                break
            at = _skip(content, at + 1)
    # "C" and relative paths are no packages; a path with white space would be two lines of the list.
    return [
        name for name in found if name and name != "C" and name[0] != "." and name.isprintable() and " " not in name
    ]


def _skip(content: bytes, at: int) -> int:
    found = _BLANK.match(content, at)
    return found.end() if found else at


def _is_module_file(path: str, *names: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name in (names or _MODULE_FILES) and not _is_ignored(f"{folder}/x" if folder else "x")


def _is_vendor_list(path: str) -> bool:
    return path == "vendor/modules.txt" or path.endswith("/vendor/modules.txt")


def _is_ignored(path: str) -> bool:
    """Return whether the go command ignores a file for its folder, or takes it from `vendor`."""
    return any(part[0] in "._" or part in ("testdata", "vendor") for part in path.split("/"))


def _is_own(name: str, own: tuple[str, ...], required: set[str]) -> bool:
    """Return whether an import is of the source itself: of one of its modules, and of no required module in that."""
    modules = [module for module in own if name == module or name.startswith(f"{module}/")]
    longest = max(map(len, modules), default=0)
    return bool(modules) and not any(
        len(module) > longest and (name == module or name.startswith(f"{module}/")) for module in required - set(own)
    )


def _lines(names: list[str]) -> str:
    return "".join(f"{name}\n" for name in names)
