"""The needs of scripts that tests run, and tests that cannot run in a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.debian.contents.needs import PACKAGE, PROGRAM, BuildNeed
from fpack.cli.init.guess import Guess
from fpack.cli.init.native.complete import complete
from fpack.cli.init.native.project_tests import script_needs
from fpack.cli.options import SharedOptions
from support.archives.archive import Archive
from support.processes.program import Fpack


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ('#!/bin/sh\no=$(getopt -o a -- "$@")\nsed x | wave\n', [(PROGRAM, "getopt"), (PROGRAM, "sed")]),
        (
            '#!/usr/bin/env bats\nbats_load_library "bats-support"\n@test "x" {\n  run sh -c "script -c x"\n}\n',
            [(PROGRAM, "script"), (PACKAGE, "bats-support")],
        ),
        ("#!/usr/bin/perl\ngetopt\n", []),
        ("getopt a\n", []),
    ],
)
def test_what_scripts_need(text: str, needs: list[tuple[str, str]]) -> None:
    found = list(script_needs({"x.sh": text}))
    assert [item.needs for item in found] == [(BuildNeed(*need),) for need in needs]
    assert all(item.where == "x.sh" and item.quiet for item in found)


@pytest.mark.parametrize(
    ("tests", "left_out"),
    [
        ({"t/a.test": "$ setfattr -n user.a -v b f\n", "t/root/b.test": "$ require_root\n"}, True),
        ({"t/a.test": "$ setfattr -n user.a -v b f\n", "t/b.test": "$ ls\n"}, False),
        ({"t/a.test": "setfattr -n user.a -v b f || exit 77\n"}, False),
        ({}, False),
    ],
)
def test_tests_are_left_out_if_all_need_what_a_build_lacks(
    tests: dict[str, str], left_out: bool, tmp_path: Path
) -> None:
    listed = " \\\n\t".join([name.removeprefix("t/") if name == "t/a.test" else name for name in tests])
    files = {"configure.ac": "AC_INIT([a], [1])\n", "t/Makefile.am": f"TESTS = \\\n\t{listed}\n", **tests}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    made = complete(
        Guess("autotools", "a", "1", [], [], None, reasons=["configure"]), tmp_path, SharedOptions(), "trixie"
    )
    assert (("check", "null") in made.fields) == left_out
    assert any("t/root/b.test" in line for line in made.reasons) == left_out


def test_init_writes_what_the_tests_of_a_makefile_need(fpack: Fpack, archive: Archive, tmp_path: Path) -> None:
    for name, path in (("bats", "usr/bin/bats"), ("util-linux", "usr/bin/getopt"), ("gperf", "usr/bin/gperf")):
        archive.add(name, files={path: ""})
    for name in (
        "make", "gcc", "libc6-dev", "diffutils", "findutils", "gawk", "grep", "gzip", "libc-bin", "patch", "sed", "tar",
        "xz-utils", "bats-support",
    ):  # fmt: skip
        archive.add(name)
    archive.publish(contents=True)
    project = tmp_path / "wave"
    project.mkdir()
    (project / "Makefile").write_text(
        "wave: x\n\tcc -o wave x.c\ncheck:\n\tbats wave.bats\ninstall: wave\n\tinstall -D run $(PREFIX)/bin/run\n"
    )
    (project / "wave.bats").write_text("#!/usr/bin/env bats\nbats_load_library bats-support\n")
    (project / "run").write_text("#!/bin/sh\nx=$(getopt -o a)\n")
    done = fpack("init", cwd=project)
    text = (project / "fpack.fp").read_text()
    assert "tools = [debian.bats, debian.bats-support, debian.util-linux]" in text
    assert "Makefile:4 asks for bats" in done.stderr and "run: getopt is in util-linux" in done.stderr
