"""Test how the texts of a project are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.init.native.makefiles.make_files import read_make
from fpack.cli.init.native.texts import list_files, read_texts
from fpack.cli.init.project import MAX_BLANKS, read_project
from support.growth import check_linear


def test_long_runs_of_blanks_are_shortened(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"all:{' ' * 5_000}a\n\tcc{chr(9) * 100}-o a a.c   # plain\n")
    (tmp_path / "run").write_text(f"#!/bin/sh\necho{' ' * 5_000}a\n")
    project = read_project(tmp_path)
    assert project.text("Makefile") == f"all:{' ' * MAX_BLANKS}a\n\tcc{chr(9) * MAX_BLANKS}-o a a.c   # plain\n"
    assert project.scripts["run"] == f"#!/bin/sh\necho{' ' * MAX_BLANKS}a\n"


@pytest.mark.parametrize("begin", ["ifeq (", "x = $(", "install(FILES", "all: b"])
def test_blanks_in_a_makefile_do_not_stop_the_reader(begin: str, tmp_path: Path) -> None:
    """Without the limit of blanks, the first takes minutes for 8,000."""

    def read(size: int) -> None:
        (tmp_path / "Makefile").write_text(f"{begin}{chr(9) * size}\nendif\nall:\n\tcc -o x x.c\n")
        read_make(read_texts(tmp_path), "Makefile", list_files(tmp_path))

    check_linear(read, 8_000)
