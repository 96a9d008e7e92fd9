"""Test which commands of Essential packages are found in scripts and programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.payload import commands, elf
from support.stores.elves import elf as make_elf


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


@pytest.mark.parametrize(
    ("language", "program", "expected"),
    [
        ("perl", "chomp($myhostname = `hostname --fqdn`);\n", ("hostname",)),
        ("perl", "my $x = qx{uname -s | tr a b};\n", ("tr", "uname")),
        ("perl", "$x = qx/cat x/ . qx(ls);\n", ("cat", "ls")),
        ("perl", "system('rm', '-f', $file) == 0 or die;\n", ("rm",)),
        ("perl", 'exec "sort", @files;\n', ("sort",)),
        ("perl", "open(my $f, '-|', 'id', '-u');\n", ("id",)),
        ("perl", 'open(PIPE, "date +%s |");\n', ("date",)),
        ("perl", "# `cat x`\n=pod\n\n$x = `cat x`\n\n=cut\n$x->system('ls');\n__END__\n$x = `ls`;\n", ()),
        ("perl", 'print "use `cat x`";\n$system = "ls"; %exec = ("ls", 1);\n', ()),
        ("perl", "system $ls; `$cat`; file_system('ls')\n", ()),
        ("python", 'subprocess.run(["stty", "-echo"])\n', ("stty",)),
        ("python", "subprocess.check_output(\n    ['tar', x],\n)\n", ("tar",)),
        ("python", "p = Popen('gzip -d', shell=True)\nos.system(\"clear\")\n", ("clear", "gzip")),
        ("python", '"""Like (`ls -l`)."""\nrun("ls")\nx.system("ls")\n', ()),
        ("ruby", "x = `id -u`\nsystem('mv', a, b)\n", ("id", "mv")),
    ],
)
def test_the_commands_of_a_program_of_an_interpreter(language: str, program: str, expected: tuple[str, ...]) -> None:
    assert commands.interpreted_commands(program.encode(), language) == expected


@pytest.mark.parametrize("language", ["perl", "python", "ruby"])
@pytest.mark.parametrize("text", [b"system ", b"system(", b"qx{", b"`", b"`a", b"open x,", b"=a\n", b"-|',", b" "])
def test_a_program_of_the_largest_size_is_read_in_linear_time(language: str, text: bytes) -> None:
    for filling in (text, text + b" " * 50, text + b"a" * 401):
        assert commands.interpreted_commands(filling * (commands.MAX_SCRIPT // len(filling)), language) == ()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a", "#!/usr/bin/perl -w\n$x = `id`;\n", ("id",)),
        ("a", "#!/usr/bin/env python3\nos.system('id')\n", ("id",)),
        ("a", "#!/usr/bin/ruby3.3\nx = `id`\n", ("id",)),
        ("a.pm", "package A;\n$x = `id`;\n", ("id",)),
        ("a.py", "os.system('id')\n", ("id",)),
        ("05-node_id", "# A comment.\n\nuse strict;\n$x = `id`;\n", ("id",)),
    ],
)
def test_files_of_interpreters_have_commands(
    tmp_path: Path, name: str, content: str, expected: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    found = elf.facts(content.encode()[: elf.HEAD], str(path))
    assert found is not None and found.commands == expected


@pytest.mark.parametrize(("name", "content"), [("a.py", "x = 1\n"), ("a.txt", "os.system('id')\n"), ("a", "# use x\n")])
def test_other_files_have_no_facts(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert elf.facts(content.encode(), str(tmp_path / name)) is None
