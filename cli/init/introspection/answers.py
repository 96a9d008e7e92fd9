"""Read the answers of build systems: CMake's file API, Meson's introspection, `go list` and `cargo metadata`.

All functions are pure but for reading an answer's directory.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .make_answer import read_make_answer
from .targets import MAX_FILES, MAX_TARGETS, BuildTargets, documents, items, read_json, read_text, record, strings

_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]{0,99}")


def read_answer(function: str, directory: Path) -> BuildTargets | None:
    """Return the targets in the answer of a build system, or None if it said nothing that is understood."""
    reader = _READERS.get(function)
    found = reader(directory) if reader else None
    if found is None:
        return None
    programs = [p for p in dict.fromkeys(found.programs) if _NAME.fullmatch(p.rpartition("/")[2])]
    tests = dict.fromkeys(name for name in found.tests if name.isprintable() and len(name) < 200)
    return found._replace(programs=tuple(programs[:MAX_TARGETS]), tests=tuple(list(tests)[:MAX_TARGETS]))


def _cmake(directory: Path) -> BuildTargets | None:
    """Read the reply of CMake's file API to the query codemodel-v2, and the list of ctest."""
    names = sorted(path.name for path in directory.glob("target-*.json"))[:MAX_FILES]
    if not names and next(directory.glob("codemodel-v2-*.json"), None) is None:
        return None
    programs: list[str] = []
    libraries = False
    for name in names:
        target = record(read_json(directory / name))
        install = record(target.get("install"))
        prefix = record(install.get("prefix")).get("path")
        kind = target.get("type")
        for destination in items(install.get("destinations")):
            path = record(destination).get("path")
            if kind == "EXECUTABLE" and isinstance(path, str):
                file = str(target.get("nameOnDisk") or target.get("name") or "")
                programs += _program(posixpath.join(path, file), prefix)
            libraries |= kind in ("SHARED_LIBRARY", "STATIC_LIBRARY", "INTERFACE_LIBRARY")
    tests = [str(record(t).get("name", "")) for t in items(record(read_json(directory / "tests.json")).get("tests"))]
    programs += _installed_files(directory)
    return BuildTargets(tuple(programs), libraries, tuple(filter(None, tests)))


def _installed_files(directory: Path) -> list[str]:
    """Return the scripts that `install(PROGRAMS)` installs to bin or sbin, by the replies of directories."""
    found = []
    for path in sorted(directory.glob("directory-*.json"))[:MAX_FILES]:
        for installer in items(record(read_json(path)).get("installers")):
            made = record(installer)
            if (
                made.get("type") != "file"
                or made.get("isExcludeFromAll")
                or not isinstance(made.get("destination"), str)
            ):
                continue
            names = [
                str(record(p).get("to", "")) if isinstance(p, dict) else posixpath.basename(str(p))
                for p in items(made.get("paths"))
            ]
            for name in names:
                found += _program(posixpath.join(made["destination"], name), None)
    return found


def _program(path: str, prefix: Any) -> list[str]:
    """Return the path of a program below the output, in a list, if it lies in bin or sbin."""
    if isinstance(prefix, str) and prefix and path.startswith(f"{prefix}/"):
        path = path[len(prefix) + 1 :]
    found = re.fullmatch(r"(?:/fpack/store/[^/]+/|/usr/(?:local/)?|\{prefix\}/)?(s?bin)/([^/]+)", path)
    if found is None and (placed := re.fullmatch(r"\{(s?bin)dir\}/([^/]+)", path)):
        found = placed
    return [f"{found[1]}/{found[2]}"] if found else []


def _meson(directory: Path) -> BuildTargets | None:
    data = record(read_json(directory / "meson.json"))
    if "targets" not in data:
        return None
    programs: list[str] = []
    libraries = False
    for target in map(record, items(data["targets"])):
        if target.get("installed") is not True:
            continue
        kind = target.get("type")
        for path in strings(target.get("install_filename")):
            if kind in ("executable", "custom"):
                programs += _program(path, None)
        libraries |= kind in ("shared library", "static library")
    # Scripts of install_data() and configure_file() are in the plan of the installation alone.
    for section in ("data", "configure", "python"):
        for entry in map(record, record(record(data.get("install_plan")).get(section)).values()):
            programs += _program(str(entry.get("destination", "")), None)
    tests = [str(record(test).get("name", "")) for test in items(data.get("tests"))]
    return BuildTargets(tuple(programs), libraries, tuple(filter(None, tests)))


def _go(directory: Path) -> BuildTargets | None:
    text = read_text(directory / "go.json")
    members: list[tuple[str, str]] = []
    tests: list[str] = []
    libraries = found = False
    for package in documents(text):
        path = package.get("ImportPath")
        folder = record(package.get("Module")).get("Dir")
        if not isinstance(path, str):
            continue
        found = True
        if strings(package.get("TestGoFiles")) or strings(package.get("XTestGoFiles")):
            tests.append(path)
        if package.get("Name") != "main":
            libraries |= bool(package.get("Name"))
            continue
        base = folder if isinstance(folder, str) else "/build/source"
        where = posixpath.relpath(str(package.get("Dir", base)), base) if package.get("Dir") else "."
        parts = [part for part in path.split("/") if not re.fullmatch(r"v\d+", part)]
        if not where.startswith("..") and re.fullmatch(r"[\w./+-]+", where):
            members.append((where, re.sub(r"\.v\d+$", "", parts[-1]) if parts else path))
    if not found:
        return None
    programs = tuple(f"bin/{program}" for _, program in members)
    return BuildTargets(programs, libraries and not members, tuple(tests), tuple(members))


def _rust(directory: Path) -> BuildTargets | None:
    data = record(read_json(directory / "cargo.json"))
    if not items(data.get("packages")):
        return None
    root = str(data.get("workspace_root", ""))
    members: list[tuple[str, str]] = []
    tests: list[str] = []
    libraries = False
    for package in map(record, items(data["packages"])):
        where = posixpath.relpath(posixpath.dirname(str(package.get("manifest_path", ""))) or ".", root or ".")
        for target in map(record, items(package.get("targets"))):
            kinds, name = strings(target.get("kind")), target.get("name")
            if not isinstance(name, str):
                continue
            if "bin" in kinds and not strings(target.get("required-features")) and not where.startswith(".."):
                members.append((where, name))
            libraries |= bool({"lib", "rlib", "cdylib", "staticlib", "dylib", "proc-macro"}.intersection(kinds))
            tests += [name] if "test" in kinds else []
    programs = tuple(f"bin/{program}" for _, program in members)
    return BuildTargets(programs, libraries, tuple(tests), tuple(members))


def _make(directory: Path) -> BuildTargets | None:
    installed, rules = read_text(directory / "install.txt"), read_text(directory / "rules.txt")
    prefix = read_text(directory / "prefix.txt").strip()
    return read_make_answer(installed, rules, prefix) if rules or installed else None


_READERS: Mapping[str, Callable[[Path], BuildTargets | None]] = {
    "cmake": _cmake, "meson": _meson, "go": _go, "rust": _rust, "make": _make, "autotools": _make,
}  # fmt: skip
FUNCTIONS: Iterable[str] = frozenset(_READERS)
