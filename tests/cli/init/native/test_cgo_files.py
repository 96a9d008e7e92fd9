"""The C code of Go files names libraries, as far as it is compiled for Linux."""

from __future__ import annotations

import pytest
from fpack.cli.init.native.cgo_files import is_go_source, read_cgo

LINES = 'package a\n\n// #cgo LDFLAGS: -lsqlite3 -lm\n// #include <sqlite3.h>\nimport "C"\n'
BLOCK = 'package a\n\n/*\n#cgo pkg-config: libusb-1.0\n#cgo windows LDFLAGS: -lws2_32\n#include <x.h>\n*/\nimport "C"\n'


def _needs(text: str) -> list[tuple[str, str]] | None:
    facts = read_cgo({"a.go": text})
    return None if facts is None else [(need.kind, need.name) for item in facts.wanted for need in item.needs]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (LINES, ["sqlite3", "sqlite3.h"]),
        (BLOCK, ["libusb-1.0", "x.h", "pkg-config"]),
        (f"//go:build linux || darwin\n\n{LINES}", ["sqlite3", "sqlite3.h"]),
        (f"//go:build !windows\n\n{LINES}", ["sqlite3", "sqlite3.h"]),
        ('package a\n\nimport "C"\n', []),
        ('package a\n\nimport (\n\t// #cgo LDFLAGS: -lpcap\n\t"C"\n)\n', ["pcap"]),
        (f"//go:build windows\n\n{LINES}", None),
        (f"//go:build !linux\n\n{LINES}", None),
        (f"//go:build ignore\n\n{LINES}", None),
        (f"//go:build cgo && linux\n\n{LINES}", None),
        ('package a\n\nimport "fmt"\n', None),
        (LINES.replace('"C"', '"C" // the library'), ["sqlite3", "sqlite3.h"]),
        (LINES.replace("\n", "\r\n"), ["sqlite3", "sqlite3.h"]),
        (BLOCK.replace("\n", "\r\n"), ["libusb-1.0", "x.h", "pkg-config"]),
        ('package a\n\n/* #cgo LDFLAGS: -lpcap\n*/\nimport "C"\n', ["pcap"]),
        ('package a\n\n// see #cgo LDFLAGS: -lpcap\nimport "C"\n', []),
    ],
)
def test_what_c_code_needs(text: str, names: list[str] | None) -> None:
    needs = _needs(text)
    assert (needs and [name for _, name in needs]) == names or (needs == [] and names == [])


def test_files_that_are_no_part_of_it() -> None:
    assert is_go_source("main.go") and is_go_source("store/db_linux.go")
    for path in (
        "a_test.go",
        "a_windows.go",
        "a_darwin_arm64.go",
        "vendor/x/a.go",
        "a/testdata/b.go",
        "examples/x/a.go",
        "a.c",
    ):
        assert not is_go_source(path)


def test_a_long_file_is_read_in_time_in_proportion_to_its_length() -> None:
    assert _needs("// x\n" * 200_000 + "import (\n" * 50_000 + LINES) is not None


@pytest.mark.parametrize(
    "comment",
    ["// " + "#cgo" * 60_000, "// " + "#cgo " * 50_000, "// #cgo " + "LDFLAGS " * 30_000, "// #" + "windows " * 30_000],
)
def test_a_long_comment_is_read_in_time_in_proportion_to_its_length(comment: str) -> None:
    """A step that is worse than linear takes minutes."""
    assert _needs(f'package a\n\n{comment}\nimport "C"\n') == []
