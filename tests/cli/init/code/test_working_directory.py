"""Programs of Node that use their working directory: servers may write there, own files are found there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.cli.init.code.complete import complete_code
from fpack.cli.init.code.working_directory import reads_here, writes_here
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import read_project
from fpack.cli.init.template import render
from fpack.cli.options import SharedOptions


@pytest.mark.parametrize(
    "texts",
    [
        {"a.js": "const where = flags.location || process.cwd();", "b.js": "new lokijs_1.default(path)"},
        {"a.js": "fs.mkdirSync('./data', { recursive: true })"},
        {"a.js": 'const db = new Database("app.db")'},
        {"a.js": "new Datastore({ filename: 'users.db' })"},
        {"a.js": "fs.createWriteStream(`log.txt`)"},
    ],
)
def test_code_that_writes_to_its_working_directory(texts: dict[str, str]) -> None:
    assert writes_here(texts) == "a.js:1"


@pytest.mark.parametrize(
    "texts",
    [
        {"a.js": "const where = process.cwd();"},
        {"a.js": "app.use(express.static(path.join(process.cwd(), 'public')))", "b.js": "fs.writeFile(name, x)"},
        {"a.js": "fs.writeFileSync(path.join(os.tmpdir(), 'x'), y)"},
        {"a.js": "fs.writeFileSync('/tmp/x', y)"},
    ],
)
def test_code_that_does_not(texts: dict[str, str]) -> None:
    assert writes_here(texts) == ""


def _completed(directory: Path, dependencies: dict[str, str]) -> Guess:
    (directory / "package.json").write_text(
        json.dumps({"name": "store", "version": "1.0.0", "bin": "main.js", "dependencies": dependencies})
    )
    (directory / "main.js").write_text("#!/usr/bin/env node\nfs.mkdirSync('data')\n")
    found = guess(read_project(directory))
    assert found is not None
    return complete_code(found, directory, SharedOptions(), "trixie")


def test_a_server_gets_a_directory_and_a_reason(tmp_path: Path) -> None:
    found = _completed(tmp_path, {"express": "1"})
    assert (found.workdir, found.directories) == ("/var/lib/store", ["/var/lib/store"])
    assert found.reasons[-1].startswith("main.js:2: it writes to its working directory")


def test_a_command_works_in_the_users_directory(tmp_path: Path) -> None:
    found = _completed(tmp_path, {"commander": "1"})
    assert not found.workdir and not found.directories


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fs.readFileSync('./package.json')", True),
        ('app.use(express.static("public"))', True),
        ("let file = './package.json'; fs.readFileSync(file)", True),
        ("let file = './package.json'; require(file)", False),
        ("if (file === './package.json') fs.readFileSync(file)", False),
        ("fs.readFileSync('user.json')", False),
        ("  // fs.readFileSync('./package.json')", False),
        ("fs.readFileSync(path.join(__dirname, 'package.json'))", False),
    ],
)
def test_code_that_reads_files_of_its_project(text: str, found: bool) -> None:
    assert reads_here({"a.js": text}, ["package.json", "public/css/a.css"]) == ("a.js:1" if found else "")


def test_a_program_that_reads_its_own_files_finds_them(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"name": "tide", "version": "1.0.0", "bin": "main.js"}))
    (tmp_path / "main.js").write_text("#!/usr/bin/env node\nfs.readFileSync('./package.json')\n")
    found = guess(read_project(tmp_path))
    assert found is not None
    found = complete_code(found, tmp_path, SharedOptions(), "trixie")
    assert '  workdir = "${tide}/app"\n' in render(found, "trixie") and not found.directories
