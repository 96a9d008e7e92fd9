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
        ("CMakeLists.txt", "install(FILES src/gitwave DESTINATION bin RENAME wave)", ["src/gitwave"]),
        ("CMakeLists.txt", "install(TARGETS gitwave DESTINATION bin)\nINSTALL (programs tools/surf DESTINATION bin)",
         ["tools/surf"]),
        ("meson.build", "install_data(files('tools/surf'), install_dir: get_option('bindir'))", ["tools/surf"]),
        ("Makefile", "\t$(INSTALL_PROGRAM) src/gitwave $(BINDIR)\n\tcp -p tools/surf /usr/bin\n\tcp src/tide lib\n",
         ["src/gitwave", "tools/surf"]),
        ("to/Makefile.am", "bin_SCRIPTS = surf\n", []),  # tools/surf is not below it
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    "text",
    [
        "install(FILES" + " " * 500_000,
        "install(FILES a " * 60_000,
        "install_data(" + "(x)" * 300_000,
        "install_data((" * 60_000,
        "\t" + "cp " * 300_000,
        "\t" + "install " * 100_000 + "\n",
        "\t" + "INSTALL" * 100_000,
        " \t" * 400_000,
        "bin_SCRIPTS" * 80_000,
        "bin_SCRIPTS =" + " " * 800_000,
    ],
)
def test_a_long_build_file_is_read_in_time_in_proportion_to_its_length(text: str) -> None:
    """A step that is worse than linear takes minutes."""
    for path in ("CMakeLists.txt", "meson.build", "Makefile"):
        assert list(installed_scripts({path: text}, FILES)) == []
