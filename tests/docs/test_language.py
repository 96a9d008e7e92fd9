"""The pages on the language: all that they show is so. Their examples are run, and their values and errors compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Everything, Files, Packages
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs/language.md"
SETS = REPOSITORY / "docs/package-sets.md"
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}
SHOWN = re.compile(r"^(.*?)\s+# => (.*)$")
FIELD = re.compile(r"^([A-Za-z_][\w-]*)\s*(=|\()")


class Example(NamedTuple):
    """text: a file of the language. files: others beside it. error: what it ends with, or "". line: where it stands."""

    page: str
    text: str
    files: dict[str, str]
    error: str
    line: int


def examples(path: Path) -> list[Example]:
    page = path.read_text()
    found: list[Example] = []
    files: dict[str, str] = {}
    for block in re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.S | re.M):
        language, text = block[1], block[2]
        title = re.match(r"# ([\w./-]+\.\w+)\n", text)
        if language == "error":
            found[-1] = found[-1]._replace(error=text)
        elif title:
            files[title[1]] = text
        else:
            assert language == "fpack", language
            found.append(Example(path.stem, text, files, "", page.count("\n", 0, block.start()) + 2))
            files = {}
    return found


EXAMPLES = [*examples(PAGE), *examples(SETS)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.page}, line {e.line}" for e in EXAMPLES])
def test_an_example(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {**example.files, "fpack.fp": example.text}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    packages = Packages() if example.page == PAGE.stem else Everything()
    evaluator = Evaluator(packages=packages, sources=Files(), settings=SETTINGS)
    if example.error:
        with pytest.raises(EvalError) as caught:
            evaluator.force(evaluator.load(Path("fpack.fp")), deep=True)
        assert render(caught.value) + "\n" == example.error
        return
    value = evaluator.load(Path("fpack.fp"))
    name = ""
    shown = 0
    for line in example.text.split("\n"):
        name = (FIELD.match(line) or [name, name])[1]
        found = SHOWN.match(line)
        if found:
            shown += 1
            is_so = evaluator.expression(f"found => found == ({found[2]})")
            assert evaluator.call(is_so, evaluator.select(value, [name])) is True, f"{name} is not {found[2]}"
    assert shown, "an example shows something"


def test_the_page_shows_enough() -> None:
    assert len(EXAMPLES) > 20 and sum(bool(e.error) for e in EXAMPLES) >= 3


def test_every_type_and_operator_is_on_the_page() -> None:
    from fpack.lang.syntax.lexer import KEYWORDS
    from fpack.lang.syntax.tree import LEVELS, TYPES

    page = PAGE.read_text()
    for word in [*TYPES, *KEYWORDS, *LEVELS]:
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", page), word
