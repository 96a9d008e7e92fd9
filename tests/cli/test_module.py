"""`python -m fpack`: the same program, which imports nothing from the working directory."""

from __future__ import annotations

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
