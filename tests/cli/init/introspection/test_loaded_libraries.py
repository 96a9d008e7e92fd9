"""The libraries that ready-made ones in a package load, and that no file of the package is."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.init.introspection import loaded_libraries as module
from fpack.cli.init.introspection.loaded_libraries import lacking_sonames
from support.stores.elves import elf


def test_what_libraries_load_and_nothing_has(tmp_path: Path) -> None:
    files = {
        "lib/a/cv.abi3.so": elf("libGL.so.1", "libown-1.so.2", "libc.so.6"),
        "lib/a.libs/libown-1.so.2": elf("libX11.so.6"),
        "lib/qt/plugins/sqldrivers/libsql.so": elf("libpq.so.5"),
        "lib/qt/plugins/platforms/libxcb.so": elf("libxcb.so.1"),
        "lib/other.node": elf("libother.so.1", machine=183),
        "lib/text.so": b"/* GNU ld script */",
        "bin/program": elf("libprogram.so.1"),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "lib/link.so").symlink_to("/etc/passwd")
    assert lacking_sonames(tmp_path, 62) == {
        "libGL.so.1": "lib/a/cv.abi3.so", "libX11.so.6": "lib/a.libs/libown-1.so.2", "libc.so.6": "lib/a/cv.abi3.so",
        "libxcb.so.1": "lib/qt/plugins/platforms/libxcb.so",
    }  # fmt: skip
    assert lacking_sonames(tmp_path, 183) == {"libother.so.1": "lib/other.node"}


def test_not_all_files_of_an_endless_tree_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 0)
    (tmp_path / "a.so").write_bytes(elf("libGL.so.1"))
    assert lacking_sonames(tmp_path, 62) == {}
