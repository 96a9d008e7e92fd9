"""The program as a user calls it: help, exit codes, errors without tracebacks, start-up without ballast."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fpack.cli.groups import KNOWN_ELSEWHERE
from fpack.cli.ui.layout import Page
from fpack.cli.ui.render import error_text, megabytes, show_refusal
from fpack.cli.verbs import VERBS, command_of
from fpack.store.errors import FpackError
from support.processes.program import Fpack


def fpack(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return Fpack(cwd)(*args, env={"FPACK_ROOT": str(cwd / "root"), **env}, status=None)


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself_with_an_example(verb: str, tmp_path: Path) -> None:
    done = fpack(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example" in done.stdout and f"fpack {verb}" in done.stdout


def test_the_help_lists_every_verb_and_the_exit_codes(tmp_path: Path) -> None:
    done = fpack("--help", cwd=tmp_path)
    assert all(verb in done.stdout for verb in VERBS)
    assert "Exit codes" in done.stdout and "130" in done.stdout


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["pakc"], "did you mean `pack`?"),
        (["pack", "--no-such-option"], "No such option"),
        (["pack"], "no fpack.fp here"),
        (["pack", "nofile.fp"], "no such file"),
        (["pack", "postgres", "--platform", "linux/vax"], "linux/arm64"),
        (["pack", "postgres", "--platform", "linux/arm64", "--arch", "arm64"], "--platform"),
        (["pack", "postgres", "--compress", "rar"], "rar"),
        (["trace", "localhost:5000/app", "postgres"], "name the file first"),
        (["trace", "localhost:5000/app", "/usr/bin/psql"], "fpack trace /usr/bin/psql localhost:5000/app"),
        (["trace", "oci://registry.example/app"], "fpack trace /usr/bin/env oci://registry.example/app"),
    ],
)
def test_a_wrong_call_is_explained_and_ends_with_2(args: list[str], text: str, tmp_path: Path) -> None:
    done = fpack(*args, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["size", "a", "b"], "fpack size does not take 'b'"),
        (["gc", "a", "b"], "fpack gc does not take 'a b'"),
        (["search"], "fpack search needs WORDS"),
        (["root", "ad"], "did you mean `add`?"),
        (["pack", "-o"], "-o"),
    ],
)
def test_too_many_and_too_few_words(args: list[str], text: str, tmp_path: Path) -> None:
    done = fpack(*args, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and text in done.stderr


@pytest.mark.parametrize(
    ("word", "hint"),
    [("install", "fpack run NAME"), ("ls", "fpack store list"), ("rmi", "gc"), ("exec", "fpack debug")],
)
def test_a_command_of_another_tool_leads_to_that_of_fpack(word: str, hint: str, tmp_path: Path) -> None:
    told = Fpack(tmp_path)(word, "x", status=2).stderr
    assert f"There is no command '{word}'" in told and hint in told


def test_hints_for_commands_of_other_tools_name_commands_of_fpack() -> None:
    named = {verb for hint in KNOWN_ELSEWHERE.values() for verb in re.findall(r"fpack ([a-z]+) ", hint)}
    assert named - {"packs", "uses"} <= VERBS.keys() and not KNOWN_ELSEWHERE.keys() & VERBS.keys()


def test_fpack_alone_shows_its_help(tmp_path: Path) -> None:
    done = fpack(cwd=tmp_path)
    assert done.returncode == 2 and "Commands:" in done.stderr and "error:" not in done.stderr


# Those that print a script, or hand the terminal to something else.
TALKERS = {"completion", "debug", "hook", "lsp", "repl", "run", "shell"}


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - TALKERS))
def test_every_verb_that_tells_something_tells_programs_too(verb: str, tmp_path: Path) -> None:
    command = command_of(verb)
    words = [[verb, name] for name in command.commands] if isinstance(command, click.Group) else [[verb]]
    for each in words:
        assert "--json" in fpack(*each, "--help", cwd=tmp_path).stdout, each


def test_a_project_that_uses_no_packages_has_nothing_to_lock(tmp_path: Path) -> None:
    (tmp_path / "fpack.fp").write_text("x = 1")
    done = fpack("lock", cwd=tmp_path)
    assert (
        done.stdout == "No package is used, so there is nothing to lock.\n" and not (tmp_path / "fpack.lock").exists()
    )


def test_gc_of_an_empty_store(tmp_path: Path) -> None:
    done = fpack("gc", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("0 paths deleted")


def test_the_version_is_told_without_importing_anything_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from fpack.cli.main import main; main(['--version']); print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith("fpack ")
    heavy = {"click", "lark", "rich", "urllib3", "sqlite3", "zstandard", "msgpack", "fpack.store"}
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("args", ["--version", "--help", "eval -e 1"])
def test_an_output_that_is_closed_or_full_is_no_fault(args: str, tmp_path: Path) -> None:
    code = "from fpack.cli.main import run; run()"
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for end, status, words in ((">&-", 0, ""), ("> /dev/full", 1, "error: The disk is full")):
        line = f"""{sys.executable} -c '{code}' {args} {end}"""
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, env=home)
        assert done.returncode == status and done.stderr.startswith(words) and "Traceback" not in done.stderr
        assert "report" not in done.stderr


def test_a_refusal_of_the_system_says_what_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_refusal(NotADirectoryError(errno.ENOTDIR, "Not a directory", "/dev/null/fpack")) == 1
    assert "/dev/null/fpack cannot be used" in capsys.readouterr().err
    assert show_refusal(PermissionError(errno.EACCES, "Permission denied", "/nowhere/x")) == 1
    text = capsys.readouterr().err
    assert "/nowhere/x cannot be used" in text and "Permission denied" in text and "XDG_CACHE_HOME" in text


def test_an_error_says_what_where_why_and_what_to_do() -> None:
    error = FpackError("It broke", where="here", why="because", hint="mend it")
    assert error_text(error).splitlines() == [
        "error: It broke",
        "  where: here",
        "  why:   because",
        "  try:   mend it",
    ]
    assert "\x1b[" in error_text(error, color=True)


def test_sizes_and_tables() -> None:
    assert [megabytes(n) for n in (0, 999, 1000, 31_240_000, 12_000_000_000)] == [
        "0 B", "999 B", "1 kB", "31.2 MB", "12.0 GB",
    ]  # fmt: skip
    assert Page(width=0).table([["a", "1"], ["bbb", "22"]], right=(1,)) == ["a     1", "bbb  22"]


@pytest.mark.parametrize("value", ["foo", "", " ", "ftp://host/debian", "debian=foo", "http://[", "file:///m foo"])
@pytest.mark.parametrize("verb", [["build"], ["pack"], ["run", "x"], ["search", "x"], ["update"]])
def test_a_wrong_mirror_is_named_before_anything_is_evaluated(fpack: Fpack, verb: list[str], value: str) -> None:
    (fpack.home / "fpack.fp").write_text('image = error("evaluated", "")')
    done = fpack(*verb[:1], "--mirror", value, *verb[1:], status=2)
    assert "error: --mirror" in done.stderr and "evaluated" not in done.stderr


@pytest.mark.parametrize("words", [["build"], ["pack"], ["store", "export", "x"], ["store", "add", "x"]])
def test_an_empty_path_of_an_output_is_refused(fpack: Fpack, words: list[str]) -> None:
    done = fpack(*words, "-o", "", status=2)
    assert "-o" in done.stderr and "the path is empty" in done.stderr


@pytest.mark.parametrize("words", [["jq", "jq", "--version"], ["jq", "jq"], ["jq", "--env", "A=b", "jq", "-n"]])
def test_a_command_to_try_without_its_dashes_is_explained(fpack: Fpack, words: list[str]) -> None:
    assert "fpack try jq -- jq --version" in fpack("try", *words, status=2).stderr


def test_try_without_a_project_names_itself(fpack: Fpack, tmp_path: Path) -> None:
    assert "fpack try nginx" in fpack("try", cwd=tmp_path, status=2).stderr
