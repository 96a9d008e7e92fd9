"""Every verb that evaluates ends a project that never would, and says where it was and how to raise the limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.fixtures import archive as archive
from support.processes.program import Fpack
from support.time_limits import WAIT

TIME, MEMORY = "The evaluation takes too long", "The evaluation takes too much memory"
HOSTILE = """\
slow(n) = if n == 0 then 0 else
  slow(n - 1) + slow(n - 1)

large = fold(range(60), "x", (text, _) =>
  text + text)
image = container { packages = if slow(90) == 0 then [] else [], name = "a", tag = "1", entrypoint = ["/bin/true"] }
place = shell { packages = if slow(90) == 0 then [] else [] }
"""
VERBS = {
    "eval": ["eval", "fpack.fp#place"],
    "build": ["build", "image"],
    "pack": ["pack"],
    "shell": ["shell", "place", "--", "true"],
    "print-env": ["shell", "--print-env=bash", "place"],
    "run": ["run", "fpack.fp#image", "--", "true"],
    "lock": ["lock"],
    "show": ["show", "image"],
    "why": ["why", "image"],
    "size": ["size", "image"],
    "closure": ["closure", "image"],
}


@pytest.fixture(autouse=True, scope="module")
def _compiled(fpack: Fpack) -> None:
    """Compile the standard library once, before the limits of a test apply."""
    fpack("eval", "-e", "[container, shell, text, package]")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "fpack.fp").write_text(HOSTILE)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_project_that_never_ends(fpack: Fpack, project: Path, verb: str) -> None:
    done = fpack(*VERBS[verb], cwd=project, env={"FPACK_EVAL_TIME": "0.2"}, status=3)
    assert f"error: {TIME}" in done.stderr and "the limit is 0.2 seconds of processor time" in done.stderr
    assert "--> fpack.fp:2:" in done.stderr or "--> fpack.fp:1:" in done.stderr, done.stderr
    assert "^" in done.stderr and "--eval-time or FPACK_EVAL_TIME sets another limit" in done.stderr


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "print-env"])
def test_the_option_comes_before_the_variable(fpack: Fpack, project: Path, verb: str) -> None:
    first, *rest = VERBS[verb]
    done = fpack(first, "--eval-time", "0.1", *rest, cwd=project, env={"FPACK_EVAL_TIME": "none"}, status=3)
    assert "the limit is 0.1 seconds" in done.stderr


def test_memory(fpack: Fpack, project: Path) -> None:
    for arguments, env in ((["--eval-memory", "100M"], {}), ([], {"FPACK_EVAL_MEMORY": "100M"})):
        done = fpack("eval", *arguments, "fpack.fp#large", cwd=project, env=env, status=3)
        assert f"error: {MEMORY}\n  --> fpack.fp:5:" in done.stderr and "the limit is 100M" in done.stderr
        assert "as in --eval-memory 200M" in done.stderr


def test_settings_that_make_no_sense(fpack: Fpack, project: Path) -> None:
    for verb in ("eval", "check", "fmt", "lsp", "repl"):
        done = fpack(verb, "--eval-memory", "much", cwd=project, status=2)
        assert "--eval-memory is a size, as in 512M or 8G, or none" in done.stderr and "'much'" in done.stderr
    done = fpack("eval", "-e", "1", cwd=project, env={"FPACK_EVAL_TIME": "soon"}, status=2)
    assert "FPACK_EVAL_TIME is a number of seconds, or none" in done.stderr


def test_without_limits(fpack: Fpack, project: Path) -> None:
    env = {"FPACK_EVAL_MEMORY": "none", "FPACK_EVAL_TIME": "none"}
    assert fpack("eval", "-e", "1 + 1", cwd=project, env=env).stdout == "2\n"


def test_texts_that_are_only_looked_at(fpack: Fpack, tmp_path: Path) -> None:
    text = "".join(f"a{n} = [{n}, {n} + 1, a{n % 7}]\n" for n in range(100_000))
    (tmp_path / "large.fp").write_text(text)
    for verb in ("check", "fmt"):
        done = fpack(verb, "--eval-time", "0.2", "large.fp", cwd=tmp_path, status=None)
        assert done.returncode in (1, 3) and f"error: {TIME}\n  --> large.fp:1:1" in done.stderr, done.stderr
    assert (tmp_path / "large.fp").read_text() == text
    found = json.loads(fpack("check", "--json", "--eval-time", "0.2", cwd=tmp_path, status=1).stdout)
    assert [each["message"] for each in found] == [TIME]


def test_a_session_goes_on_after_a_line_that_does_not_end(fpack: Fpack, project: Path) -> None:
    lines = (
        "f(n) = f(n + 1) + f(n)\nx = 20\nf(0)\nlet g(n) = if n < 2 then n else g(n - 1) + g(n - 2) in g(60)\nx + 1\n"
    )
    done = subprocess.run(
        fpack.command("repl", "--eval-time", "0.3"), input=lines, capture_output=True, text=True, cwd=project,
        env=fpack.env, timeout=WAIT,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.endswith("21\n")
    assert done.stderr.count("error: ") == 2 and TIME in done.stderr and "--> <input>:1:" in done.stderr


def test_an_editor_is_told(fpack: Fpack, project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fpack.cli.interactive.evaluate_worker", str(project / "fpack.fp")],
        capture_output=True, text=True, cwd=project, timeout=WAIT, check=True,
        env={**fpack.env, "FPACK_EVAL_TIME": "0.5", "FPACK_EVAL_MEMORY": "1G"},
    )  # fmt: skip
    errors = json.loads(done.stdout)["errors"]
    assert errors and {each["message"] for each in errors} <= {TIME, MEMORY}
    assert all(each["span"][0] in range(1, 8) and "--eval-" in each["hint"] for each in errors)


def test_completion_of_a_file_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fpack.cli.completion import candidates
    from fpack.cli.completion.completer import complete
    from fpack.cli.verbs import VERBS, command_of

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "small.fp").write_text("abc = 1\n")
    (tmp_path / "large.fp").write_text("".join(f"a{n} = [{n}, {n} + 1, a{n % 7}]\n" for n in range(100_000)))
    assert complete(["build", f"{tmp_path}/small.fp#a"], VERBS, command_of).candidates == [
        (f"{tmp_path}/small.fp#abc", "")
    ]
    monkeypatch.setattr(candidates, "_SECONDS", 0.3)
    assert complete(["build", f"{tmp_path}/large.fp#a"], VERBS, command_of).candidates == []
