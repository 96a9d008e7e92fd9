"""Test which files of a Contents index are kept, how they are packed and found, and the limits of hostile indexes."""

from __future__ import annotations

import re

import pytest
from fpack.builders.debian.contents import table, text
from fpack.builders.debian.contents.index import ContentsIndex, FileEntry
from fpack.builders.debian.contents.kept_paths import KeptPaths
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.builders.debian.indexes.table import IndexUnusable
from fpack.builders.payload.globs import Globs
from hypothesis import given
from hypothesis import strategies as st
from support.traced_memory import peak_memory

LIB = "usr/lib/x86_64-linux-gnu"


def opened(*texts: str) -> ContentsIndex:
    """Return an index of texts with lines `PATH PACKAGES`."""
    tables = [FileTable(memoryview(pack_rows(parse_rows([part.encode()])))) for part in texts]
    return ContentsIndex("trixie", "amd64", 0, tables)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("usr/include/zlib.h", "usr/include/zlib.h"),
        ("usr/include/c++/14/vector", "usr/include/c++/14/vector"),
        (f"{LIB}/glib-2.0/include/glibconfig.h", f"{LIB}/glib-2.0/include/glibconfig.h"),
        (f"{LIB}/pkgconfig/zlib.pc", f"{LIB}/pkgconfig/zlib.pc"),
        ("usr/share/pkgconfig/xproto.pc", "usr/share/pkgconfig/xproto.pc"),
        (f"{LIB}/cmake/Qt6/Qt6Config.cmake", f"{LIB}/cmake/Qt6/Qt6Config.cmake"),
        ("usr/share/eigen3/cmake/eigen3-config.cmake", "usr/share/eigen3/cmake/eigen3-config.cmake"),
        ("usr/share/cmake-3.31/Modules/FindZLIB.cmake", "usr/share/cmake-3.31/Modules/FindZLIB.cmake"),
        (f"{LIB}/libz.so.1", f"{LIB}/libz.so.1"),
        (f"{LIB}/libz.a", f"{LIB}/libz.a"),
        ("lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        (f"{LIB}/blas/libblas.so.3", f"{LIB}/blas/libblas.so.3"),
        ("bin/bash", "usr/bin/bash"),
        ("usr/sbin/nginx", "usr/sbin/nginx"),
        ("usr/games/nethack", "usr/games/nethack"),
        ("usr/lib/git-core/git-svn", "usr/lib/git-core/git-svn"),
        ("usr/lib/python3/dist-packages/six.py", "usr/lib/python3/dist-packages/six.py"),
        ("usr/lib/python3/dist-packages/numpy/__init__.py", "usr/lib/python3/dist-packages/numpy"),
        (
            "usr/lib/python3/dist-packages/_cffi_backend.cpython-313-x86_64-linux-gnu.so",
            "usr/lib/python3/dist-packages/_cffi_backend.cpython-313-x86_64-linux-gnu.so",
        ),
        ("usr/lib/python3.13/json/__init__.py", "usr/lib/python3.13/json"),
        ("usr/lib/python3/dist-packages/numpy/core/__init__.py", None),
        ("usr/lib/python3/dist-packages/numpy/version.py", None),
        ("usr/share/doc/zlib1g/copyright", None),
        ("usr/share/zsh/functions/Completion/_git", None),
        ("etc/hosts", None),
        ("usr/bin/sub/x", None),
        ("usr/bin/a\tb", None),
        ("usr/bin/\x1b[31m", None),
        ("usr/bin/" + "x" * 256, None),
        ("usr/include/" + "d/" * 2500 + "a.h", None),
        ("bin", None),
        ("", None),
    ],
)
def test_kept_files(path: str, kept: str | None) -> None:
    found = KeptPaths().key(path.encode())
    assert (found and f"{found[1].decode()}/{found[0].decode()}") == kept


def test_lines_of_all_forms() -> None:
    index = opened(
        "FILE                                                    LOCATION\n"
        "usr/bin/a                   utils/one\n"
        "usr/bin/a\t\tcontrib/utils/two,one\n"
        "usr/bin/with space          utils/one\n"
        "usr/bin/none\n"
        "usr/bin/bad                 utils/UPPER\n"
        "usr/bin/worse               utils/a b;c\n"
        "usr/bin/last                utils/one",
        "usr/bin/a                   utils/all\n",
    )
    assert [(entry.path, entry.packages) for entry in index.matching(lambda path: True)] == [
        ("/usr/bin/a", ("all", "one", "two")), ("/usr/bin/last", ("one",)), ("/usr/bin/with space", ("one",)),
    ]  # fmt: skip


@given(st.data())
def test_pieces_make_no_difference(data: st.DataObject) -> None:
    whole = b"".join(b"usr/bin/p%d x/a%d\n" % (i, i % 3) for i in range(20))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert parse_rows(pieces) == parse_rows([whole])


INDEX = (
    "usr/include/zlib.h libdevel/zlib1g-dev\n"
    "usr/include/Poco/zlib.h libdevel/libpoco-dev\n"
    "usr/include/GL/gl.h libdevel/libgl-dev\n"
    "usr/lib/python3/dist-packages/numpy/__init__.py python/python3-numpy\n"
    f"{LIB}/libpq.so.5 libs/libpq5\n"
    f"{LIB}/libpq.so.5.17 libs/libpq5\n"
    "bin/sh shells/dash\n"
)


def test_look_ups() -> None:
    index = opened(INDEX)
    assert index.at("/usr/include/zlib.h") == ("zlib1g-dev",)
    assert index.at("/bin/sh") == index.at("/usr/bin/sh") == ("dash",)
    numpy = "/usr/lib/python3/dist-packages/numpy"
    assert index.at(numpy) == index.at(f"{numpy}/__init__.py") == ("python3-numpy",)
    assert index.named("zlib.h") == [
        FileEntry("/usr/include/zlib.h", ("zlib1g-dev",)), FileEntry("/usr/include/Poco/zlib.h", ("libpoco-dev",)),
    ]  # fmt: skip
    assert [entry.packages for entry in index.named("GL/gl.h")] == [("libgl-dev",)]
    assert index.named("L/gl.h") == index.named("zlib") == index.named("") == index.named("/") == []
    covers = Globs(["/**/libpq.so.*"]).covers
    assert len(index.matching(covers)) == len(index.matching(covers, "libpq.so.")) == 2
    assert index.matching(covers, "libx") == [] and len(index.matching(covers, limit=1)) == 1


@pytest.mark.parametrize(
    "path",
    ["", "/", "//", "sh", "usr/bin/sh", "/usr/bin/sh/", "/usr/bin", "/usr/bin/s", "/usr/bin/sh\tx", "/usr/bin/\n",
     "/usr/bin/sh\tusr/bin", "/\udcff", "/usr/bin/\udcff", "/../bin/sh", "/usr/bin/" + "x" * 100_000],
)  # fmt: skip
def test_nonsense_is_nowhere(path: str) -> None:
    index = opened(INDEX)
    assert index.at(path) == ()
    assert [entry.path for entry in index.named(path)] in ([], ["/usr/bin/sh"])


@given(
    st.sets(st.from_regex(re.compile(r"[a-c]{1,3}/[a-c./]{0,3}[a-c]"), fullmatch=True), max_size=60),
    st.integers(1, 200),
)
def test_blocks_of_all_sizes_hold_every_row(names: set[str], block: int) -> None:
    lines = "".join(f"usr/include/{name} x/p{number}\n" for number, name in enumerate(sorted(names)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "BLOCK", block)
        index = opened(lines)
    for number, name in enumerate(sorted(names)):
        if "//" not in name:
            assert index.at(f"/usr/include/{name}") == (f"p{number}",)
            assert f"/usr/include/{name}" in [entry.path for entry in index.named(name.rpartition("/")[2])]
    assert len(index.matching(lambda path: True)) == len(names)


def test_an_empty_index_has_nothing() -> None:
    index = opened("")
    assert index.at("/usr/bin/sh") == () and index.named("sh") == [] and index.matching(lambda path: True) == []


@pytest.mark.parametrize(
    ("limit", "value", "lines"),
    [
        ("MAX_ROWS", 3, b"".join(b"usr/bin/%d x/a\n" % number for number in range(5))),
        ("MAX_KEPT", 100, b"".join(b"usr/bin/%d x/a\n" % number for number in range(50))),
        ("MAX_LINES", 100, b"\n" * 200),
        ("MAX_LINE", 1000, b"x" * 2000),
    ],
)
def test_limits(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, lines: bytes) -> None:
    monkeypatch.setattr(text, limit, value)
    with pytest.raises(IndexUnusable):
        parse_rows([lines[: len(lines) // 2], lines[len(lines) // 2 :], b"\n"])


def test_a_file_of_too_many_packages_names_some() -> None:
    owners = ",".join(f"x/p{number}" for number in range(5000))
    (entry,) = opened(f"usr/bin/a {owners}\n").named("a")
    assert len(entry.packages) == text.MAX_OWNERS


def test_lines_that_are_hard_to_match_take_little() -> None:
    """Lines made to be slow or large: with a pattern that backtracks this would take hours. None is kept."""
    hard = [
        b"usr/lib/" + b"lib.so/lib" * 10_000 + b" x/a",
        b"usr/lib/" + b"a.so." * 20_000 + b" x/a",
        b"usr/share/" + b"-config.cmake" * 10_000 + b" x/a",
        b"usr/bin/a " + b"x/" * 100_000 + b"A",
        b"usr/bin/a " + b"x/a," * 50_000,
        b"usr/include/" + b" " * 200_000,
    ]

    def parse() -> None:
        assert parse_rows(b"\n".join(hard) + b"\n" for _ in range(20)) == []

    assert peak_memory(parse) < 32 << 20
