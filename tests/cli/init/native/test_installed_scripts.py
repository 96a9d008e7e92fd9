"""The scripts that a project installs, and what runs them in its image."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.native.installed_scripts import installed_scripts, interpreter, with_interpreters

FILES: Mapping[str, bytes] = {
    "src/gitwave": b"#!/usr/bin/python3\n", "src/tide.in": b"#!@PERL@ -w\n",
    "src/crest.py": b"#!/usr/bin/env python3\n", "tests/swell": b"#!/usr/bin/ruby\n",
    "src/main.c": b"int", "tools/surf": b"#! /usr/bin/env -S ruby -w\n",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("Makefile.am", "dist_bin_SCRIPTS = src/gitwave \\\n  src/tide # scripts\n", ["src/gitwave", "src/tide.in"]),
        ("src/Makefile.am", "bin_SCRIPTS += crest\nnoinst_SCRIPTS = gitwave\n", ["src/crest.py"]),
        ("CMakeLists.txt", "install(PROGRAMS src/gitwave\n DESTINATION ${CMAKE_INSTALL_BINDIR})", ["src/gitwave"]),
        ("CMakeLists.txt", "install(FILES src/gitwave DESTINATION share)", []),
        ("meson.build", "install_data('tools/surf', install_dir: get_option('bindir'))", ["tools/surf"]),
        ("meson.build", "install_data('tools/surf', install_dir: 'share')", []),
        ("Makefile", "install:\n\tinstall -m 755 src/gitwave $(DESTDIR)$(bindir)\n", ["src/gitwave"]),
        ("Makefile", "all:\n\techo src/gitwave\n", []),
    ],
)
def test_scripts_that_build_files_install(path: str, text: str, found: list[str]) -> None:
    assert list(installed_scripts({path: text}, FILES)) == found


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"#!/usr/bin/python3.11 -u\n", "python3"), (b"#! /usr/bin/env python\n", "python3"),
        (b"#!@PYTHON3@\n", "python3"), (b"#!@BASH_PATH@\n", "bash"),
        (b"#!/bin/sh\n", "sh"), (b"\x7fELF", ""), (b"", ""), (b"#!\n", ""),
    ],
)  # fmt: skip
def test_the_interpreter_of_a_script(head: bytes, name: str) -> None:
    assert interpreter(head) == name


def test_an_image_has_the_interpreters_that_not_every_system_has() -> None:
    texts = {"Makefile.am": "bin_SCRIPTS = src/gitwave src/tide tools/surf\n"}
    made = Guess("autotools", "wave", None, [], [], ["@/bin/wave"])
    found = with_interpreters(made, texts, FILES, lambda path: FILES[path])
    assert found.image_packages == ["python3", "ruby"]
    assert found.reasons[0] == "src/gitwave, which is installed, is run by python3"
    assert with_interpreters(made._replace(library=True), texts, FILES, lambda path: FILES[path]).image_packages == ()
