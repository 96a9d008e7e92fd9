"""Programs of Python and Node that start other programs by their names: the image has those that the code needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.cli.init.code.complete import complete_code
from fpack.cli.init.code.started_programs import started, started_by, with_programs
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import read_project
from fpack.cli.init.template import render
from fpack.cli.options import SharedOptions

PYTHON = "import subprocess\n"
NODE = 'const c = require("child_process")\n'


def _names(text: str, language: str) -> list[str]:
    return [program.name for program in started({"a": text}, language)]


@pytest.mark.parametrize(
    ("text", "language", "name"),
    [
        (PYTHON + "subprocess.run(['java', '-jar', jar])", "python", "java"),
        (PYTHON + "Popen([\n    'ffmpeg',\n    *options])", "python", "ffmpeg"),
        (PYTHON + "os.system(f'convert {a} {b}')", "python", "convert"),
        (PYTHON + "command = ['ffmpeg', '-i', name]", "python", "ffmpeg"),
        (PYTHON + "run(['git', 'rev-parse'])\ngit = ['git', 'clone', url]", "python", "git"),
        (PYTHON + "await create_subprocess_exec('pdftotext', name)", "python", "pdftotext"),
        (NODE + "c.spawn('ffmpeg', args)", "node", "ffmpeg"),
        (NODE + "c.execSync(`git log ${x}`)", "node", "git"),
        ('var a=n("child_process");(0,a.exec)("java -jar x")', "node", "java"),
        (NODE + '["java",process.env.OPTS,r,"-x"].filter(e=>null!=e).join(" ")', "node", "java"),
        ('import { execa } from "execa"\nawait execa("pandoc", [x])', "node", "pandoc"),
    ],
)
def test_code_that_starts_a_program(text: str, language: str, name: str) -> None:
    assert set(_names(text, language)) == {name}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("subprocess_free = run(['java', '-jar'])", "python"),  # nothing of the file starts programs
        (PYTHON + "languages = ['java', 'python']\nkinds = ['git', 'hg', 'svn']", "python"),
        (PYTHON + "# subprocess.run(['java', '-jar'])", "python"),
        (PYTHON + "subprocess.run(['javac', name])\nsubprocess.run(['gitk'])", "python"),
        (NODE + 'const languages = ["java", "javascript"]; c.spawn(name)', "node"),
        (NODE + "// c.spawn('ffmpeg')", "node"),
        ("words.join(' '); a.exec('git log')", "node"),
    ],
)
def test_words_that_are_no_start(text: str, language: str) -> None:
    assert _names(text, language) == []


def test_the_image_has_what_is_needed_and_the_rest_is_named() -> None:
    texts = {
        "a.py": PYTHON + "subprocess.run(['ffmpeg', '-i'])  # which does it\nsubprocess.run(['ffprobe'])",
        "b.py": PYTHON + "try:\n    subprocess.run(['git', 'log'])\nexcept FileNotFoundError:\n    pass",
    }
    made = with_programs(
        Guess("python", "x", None, [], [], ["@/bin/x"]),
        [*started(texts, "python"), *started_by(["pytesseract", "flask"], "python")],
    )
    assert made.image_packages == ["ffmpeg", "tesseract-ocr"]
    assert made.reasons == [
        "a.py:2: it starts ffmpeg, which is in ffmpeg",
        "the package pytesseract: it starts tesseract, which is in tesseract-ocr",
        "b.py:3: it starts git if that is installed: add git to `packages` of the image",
    ]


@pytest.mark.parametrize("has_program", [True, False])
def test_the_image_of_a_node_project(tmp_path: Path, has_program: bool) -> None:
    data = {"name": "generator", "version": "1.0.0", "dependencies": {"fluent-ffmpeg": "1"}}
    (tmp_path / "package.json").write_text(
        json.dumps(data | ({"bin": "main.js"} if has_program else {"main": "main.js"}))
    )
    (tmp_path / "main.js").write_text(NODE + "c.spawn('java', ['-jar', jar])")
    found = guess(read_project(tmp_path))
    assert found is not None
    text = render(complete_code(found, tmp_path, SharedOptions(), "trixie"), "trixie")
    assert ("default-jre-headless" in text and "ffmpeg" in text) == has_program


@pytest.mark.parametrize(
    "piece",
    [
        "['git',", "run(", "['java'" + " " * 60, '["java",', "spawn( ", "\\", "[",
        "run(['git', 'clone'])\n", "c.spawn('ffmpeg')\n", "['git', '-C']",
    ],
)  # fmt: skip
def test_of_hostile_texts_few_starts_are_read(piece: str) -> None:
    for language, start in (("python", PYTHON), ("node", NODE)):
        assert len(list(started({"a": start + piece * (400_000 // len(piece))}, language))) <= 3000


def test_a_start_that_two_expressions_match_is_one() -> None:
    text = PYTHON + "subprocess.run(['git', 'clone'])\n\nsubprocess.run(['git', '-C', 'x'])\n"
    assert [program.where for program in started({"a": text}, "python")] == ["a:2", "a:4"]


def test_the_programs_own_name_is_no_need() -> None:
    hg = Guess("python", "mercurial", None, [], [], ["@/bin/hg"])
    texts = {"hg.py": PYTHON + "subprocess.run(['hg', 'log'])\nsubprocess.run(['ssh', host])\n"}
    made = with_programs(hg, list(started(texts, "python")))
    assert made.image_packages == ["openssh-client"]
