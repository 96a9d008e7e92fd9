"""Libraries of the system that Python code loads by name, or that packages of PyPI do: how they become packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.debian.contents.finder import NeedFinder
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.cli.init.code.complete import with_libraries
from fpack.cli.init.code.known_packages import known_libraries
from fpack.cli.init.code.libraries import loaded_libraries
from fpack.cli.init.code.texts import read_code
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import Guess, LoadedLibrary
from fpack.cli.init.project import read_project

LIB = "usr/lib/x86_64-linux-gnu"
INDEX = f"""\
{LIB}/libGL.so.1 libs/libgl1
{LIB}/libtide.so libdevel/libtide-dev
{LIB}/libtide.so.9 libs/libtide9
{LIB}/libtide.so.10 libs/libtide10
{LIB}/libtide.so.10.2.1 libs/libtide10
{LIB}/libtide.so.77/x libs/nothing
{LIB}/libtide-extra.so.99 libs/libtide-extra99
{LIB}/wave/libwave.so.3 libs/wave-private
{LIB}/libwave.so.2 libs/libwave2
"""
FINDER = NeedFinder(
    ContentsIndex("trixie", "amd64", 0, [FileTable(memoryview(pack_rows(parse_rows([INDEX.encode()]))))])
)
GUESS = Guess("python", "app", "1", [("project", "./pyproject.toml")], [], None, reasons=["pyproject.toml"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import ctypes.util\nctypes.util.find_library('tide')\n", ["tide"]),
        ("from ctypes import CDLL\nx = CDLL(\n    'libwave.so.2')\n", ["libwave.so.2"]),
        ('ffi = cffi.FFI()\nx = ffi.dlopen("libwave.so")\n', ["libwave.so"]),
        ('import ctypes\nname = "libtide.so" if linux else "tide.dll"\nfind_library("tide")\n', ["tide"]),
        ("import ctypes\nfind_library('c'); find_library('pthread'); CDLL('libc.so.6')\n", []),
        ("import ctypes\n# find_library('tide')\n", []),
        ("import ctypes\nfind_library(name)\n", []),
        ("name = 'libtide.so.9'\n", []),
        ("import ctypes\nCDLL('libown.so.1')\n", []),
    ],
)
def test_names_in_code(text: str, names: list[str]) -> None:
    assert [found.name for found in loaded_libraries({"a.py": text}, ["app/libown.so.1"])] == names


def test_a_name_tells_its_line() -> None:
    (found,) = loaded_libraries({"app/raw.py": "import ctypes\n\nx = find_library('tide')\n"})
    assert found.where == "app/raw.py:3" and not found.linked


def test_code_of_tests_examples_and_the_build_is_left_out(tmp_path: Path) -> None:
    for name in ("app/a.py", "tests/t.py", "docs/d.py", "setup.py", "setup-build.py", "app/test_x.py", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link.py").symlink_to("app/a.py")
    assert list(read_code(tmp_path, (".py",))) == ["app/a.py"]


def test_the_newest_soname_of_a_library_counts() -> None:
    assert FINDER.soname("tide") == "libtide.so.10" and FINDER.soname("wave") == "libwave.so.2"
    assert FINDER.soname("tid") is None and FINDER.soname("no") is None


def test_loaded_libraries_are_run_time_packages_and_linked_ones_are_libs() -> None:
    loads = [
        LoadedLibrary("tide", "a.py:1"), LoadedLibrary("libwave.so.2", "a.py:2"), LoadedLibrary("msvcrt", "a.py:3"),
        LoadedLibrary("libGL.so.1", "the wheel of opencv-python", linked=True), LoadedLibrary("libtide.so", "a.py:4"),
    ]  # fmt: skip
    made = with_libraries(GUESS, loads, FINDER)
    assert made.fields[1:] == [
        ("libs", "[debian.libgl1]"), ("runtime", "[debian.libtide-dev, debian.libtide10, debian.libwave2]"),
    ]  # fmt: skip
    assert "a.py:1: tide is in libtide10" in made.reasons and not made.todo


def test_packages_of_pypi_are_known_by_what_they_load() -> None:
    found = {library.name: library for library in known_libraries({"opencv-python", "python-magic", "flask"})}
    assert found["libGL.so.1"].linked and not found["libmagic.so.1"].linked
    assert "libpq.so.5" in [x.name for x in known_libraries({"psycopg"})]
    assert not list(known_libraries({"psycopg", "psycopg-binary"}))


def test_requirements_of_a_project_name_the_packages(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("OpenCV_Python==4.9\n")
    (tmp_path / "app.py").write_text("import cv2\n")
    found = guess(read_project(tmp_path))
    assert found is not None and "libGL.so.1" in [library.name for library in found.loads]
