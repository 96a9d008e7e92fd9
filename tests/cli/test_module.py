"""`python -m fpack`: the same program, which imports nothing from the working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*args: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_module_is_the_program(tmp_path: Path) -> None:
    assert run("-m", "fpack", "--version", cwd=tmp_path).startswith("fpack ")
    assert "Exit codes" in run("-m", "fpack", "--help", cwd=tmp_path)


@pytest.mark.parametrize("module", ["click.py", "gc.py", "fpack/cli/main.py"])
def test_a_strangers_module_in_the_working_directory_is_not_imported(tmp_path: Path, module: str) -> None:
    file = tmp_path / module
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("print('a stranger was here')\nraise SystemExit(1)\n")
    assert "stranger" not in run("-m", "fpack", "--help", cwd=tmp_path)


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish", "direnv"])
def test_a_hook_of_the_module_calls_the_module(tmp_path: Path, kind: str) -> None:
    assert f"'{sys.executable}' '-P' '-m' 'fpack' " in run("-m", "fpack", "hook", kind, cwd=tmp_path)


# As the program's script does, in an environment that lacks a package.
WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from fpack.cli.main import run
run()
"""


@pytest.mark.parametrize("module", ["blake3", "click", "msgpack", "sqlite3"])
@pytest.mark.parametrize("words", [["gc"], ["build", "note"]], ids=" ".join)
def test_a_module_that_is_not_installed_is_named_once(tmp_path: Path, module: str, words: list[str]) -> None:
    (tmp_path / "fpack.fp").write_text('note = text("note", "a")\n')
    env = {"HOME": str(tmp_path), "FPACK_ROOT": str(tmp_path / "store"), "PATH": os.environ["PATH"], "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, module, *words], capture_output=True, text=True, cwd=tmp_path, env=env
    )
    first, *others = done.stderr.splitlines()
    assert done.returncode == 1 and first == f"error: The Python module {module} is not installed", done.stderr
    assert "Traceback" not in done.stderr and "bug" not in done.stderr and len(others) == 3
    assert ("pip install" in others[-1]) is (module != "sqlite3")
