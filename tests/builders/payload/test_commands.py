"""Test which commands of Essential packages are found in scripts and programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.payload import commands, elf
from support.elves import elf as make_elf


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo hello\n", ()),
        ("sed -e s/a/b/ file\n", ("sed",)),
        ("# sed is not called\n  # nor is awk\n", ()),
        ('name=$(basename "$0")\n', ("basename",)),
        ("name=`basename $0`\n", ("basename",)),
        ('if test -x /usr/bin/env; then exec /usr/bin/env "$@"; fi\n', ("env",)),
        ("LC_ALL=C uname -s | grep -q Linux && rm -f x || mkdir y\n", ("grep", "mkdir", "rm", "uname")),
        ('exec su rabbitmq -s /bin/sh -c "$1"\n', ("sh", "su")),
        ("do_it() { cat; }\n(cd x; ls)\n", ("cat", "ls")),
        ("for f in a; do touch $f; done; ! cmp a b\n", ("cmp", "touch")),
        ('eval "$(getopt -o a -- "$@")"\n', ("getopt",)),
        ("sed=1; concat x; sedx; x-sed\n", ()),
    ],
)
def test_the_commands_of_a_script(script: str, expected: tuple[str, ...]) -> None:
    assert commands.script_commands(script.encode()) == expected


def test_a_file_of_the_largest_size_is_read_in_linear_time() -> None:
    assert commands.script_commands(b"a=b " * (commands.MAX_SCRIPT // 4)) == ()
    assert commands.script_commands(b"(" * commands.MAX_SCRIPT) == ()
    assert commands.script_commands(b"do " * (commands.MAX_SCRIPT // 3)) == ()


def test_shell_scripts_have_commands_and_others_do_not(tmp_path: Path) -> None:
    for interp, expected in (("/bin/sh", ("sed",)), ("/usr/bin/env bash", ("sed",)), ("/usr/bin/perl", ())):
        content = f"#!{interp}\nsed x\n".encode()
        (tmp_path / "script").write_bytes(content)
        found = elf.facts(content[: elf.HEAD], str(tmp_path / "script"))
        assert found is not None and found.commands == expected


@pytest.mark.parametrize("name", ["system", "popen", "execvp", "posix_spawnp", "wordexp"])
def test_a_program_that_runs_the_shell(tmp_path: Path, name: str) -> None:
    assert commands.runs_shell(f"\0libc.so.6\0{name}\0".encode())
    assert not commands.runs_shell(f"\0libc.so.6\0{name}_x\0".encode())


def test_a_program_without_such_a_function_calls_nothing(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(make_elf("libc.so.6"))
    found = elf.facts(b"\x7fELF", str(tmp_path / "program"))
    assert found is not None and found.commands == ()
