"""`fpack init` in a stranger's directory: files without end, bombs, and texts that a terminal or the language obeys."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from fpack.cli.init import project as projects
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import text
from fpack.cli.init.project import Project, read_project
from fpack.cli.init.template import render
from fpack.cli.time_limit import paused, time_limit
from fpack.lang.evaluator import Evaluator
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.store.errors import FpackError
from support.processes.program import Fpack
from support.time_limits import WAIT

INVISIBLE = ["\x1b[31m", "\x9b31m", "\u202e", "\u2066", "\u2028", "\x85", "\u200b", "\x00"]


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_gitignore_without_end_is_not_read(tmp_path: Path, kind: str) -> None:
    project = tmp_path / "wave"
    project.mkdir()
    (project / "configure.ac").write_text("AC_INIT([wave], [1])\n")
    (project / "configure").write_text("#!/bin/sh\n")
    if kind == "pipe":
        os.mkfifo(project / ".gitignore")
    else:
        (project / ".gitignore").symlink_to("/dev/zero")
    assert "wrote fpack.fp" in Fpack(tmp_path / "home")("init", cwd=project, timeout=WAIT).stdout


@pytest.mark.parametrize("odd", [*INVISIBLE, "\\", '"', "${debian.x}", '"; evil = 1; x = "', "\ud800"])
def test_texts_of_a_project_stay_texts(odd: str) -> None:
    files = {
        "package.json": json.dumps({"name": f"n{odd}", "version": f"1{odd}", "main": f"m{odd}.js"}),
        "CMakeLists.txt": f'add_executable("p{odd}" a.c)\ninstall(TARGETS "p{odd}")\n',
        "Procfile": f"web: node index.js {odd}\n",
        "index.js": "",
    }
    for kind in ("node", "cmake"):
        found = guess(Project("wave", files), kind)
        assert found is not None
        content = render(found._replace(todo=[f"look at {odd}"]), "trixie")
        assert content.encode().decode() == content
        assert all(line.isprintable() for line in content.splitlines())
        parse(Source("fpack.fp", content), None)
        assert "evil" not in [line.partition(" =")[0].strip() for line in content.splitlines()]


def test_a_text_keeps_its_characters() -> None:
    for character in ("\u202e", "\x9b", "\u200b", "\u00e9"):
        assert Evaluator().expression(text(f"a{character}b")) == f"a{character}b"
    assert Evaluator().expression(text("a\ud800")) == "a\ufffd"


@pytest.mark.parametrize("name", ["true", "null", "None", "__debug__", "if"])
def test_a_variable_may_have_the_name_of_a_keyword(name: str) -> None:
    files = {
        "requirements.txt": "flask\ngunicorn\n",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
    }
    found = guess(Project(name, files))
    assert found is not None
    parse(Source("fpack.fp", render(found._replace(image_env=[(name, "1")]), "trixie")), None)


def test_a_requirement_with_a_backslash_is_none() -> None:
    files = {"pyproject.toml": '[project]\nname = "a"\n[build-system]\nrequires = ["maturin\\\\", "x ~", "maturin"]\n'}
    found = guess(Project("a", files))
    assert found is not None and any("maturin" in line for line in found.todo)


def test_a_gem_whose_header_claims_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = b"x", 6 << 30
    gem = tmp_path / "vendor/cache/x-1.gem"
    gem.parent.mkdir(parents=True)
    with gem.open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(7 << 30)
    (tmp_path / "Gemfile").touch()
    script = (
        f"from pathlib import Path; from fpack.cli.init.project import read_project as r; r(Path({str(tmp_path)!r}))"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (512 << 20, 512 << 20))

    subprocess.run([sys.executable, "-I", "-c", script], check=True, preexec_fn=limit, timeout=WAIT)


def test_a_gem_tells_its_metadata(tmp_path: Path) -> None:
    (tmp_path / "vendor/cache").mkdir(parents=True)
    with tarfile.open(tmp_path / "vendor/cache/x-1.gem", "w:") as gem:
        for name, data in (("data.tar.gz", b"x" * 5000), ("metadata.gz", gzip.compress(b"extensions: []\n"))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            gem.addfile(member, io.BytesIO(data))
    assert read_project(tmp_path).text("vendor/cache/x-1.gem") == "extensions: []\n"


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "MAX_TEXTS", 3000)
    for number in range(9):
        (tmp_path / f"m{number}").mkdir()
        (tmp_path / f"m{number}/pom.xml").write_text("x" * 1000)
    found = read_project(tmp_path)
    assert len(found.files) == 9 and [bool(t) for t in found.files.values()] == [True] * 3 + [False] * 6


def test_a_project_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    def endless() -> None:
        while True:
            try:
                json.dumps([])
            except Exception:  # as code that reads damaged files has it
                continue

    with pytest.raises(FpackError, match="take too long to read") as caught, time_limit(tmp_path, 0.1):
        endless()
    assert caught.value.where == str(tmp_path)


def test_a_signal_after_the_end_of_a_limit_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = signal.setitimer

    def late(which: int, seconds: float, again: float = 0.0) -> tuple[float, float]:
        if not seconds:
            signal.raise_signal(signal.SIGVTALRM)
        return stop(which, seconds, again)

    before = signal.getsignal(signal.SIGVTALRM)
    with monkeypatch.context() as patch, time_limit("x"):
        patch.setattr(signal, "setitimer", late)
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert signal.getsignal(signal.SIGVTALRM) is before


def test_no_time_counts_while_a_limit_is_paused() -> None:
    with pytest.raises(FpackError, match="take too long to read"), time_limit("x", 60):
        with paused():
            assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
        left, again = signal.getitimer(signal.ITIMER_VIRTUAL)
        assert 0 < left < 61 and again
        signal.raise_signal(signal.SIGVTALRM)
    with paused():
        pass
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
