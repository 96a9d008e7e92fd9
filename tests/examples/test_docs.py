"""Test that files of the language in the documentation evaluate, and that its commands and links exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import fpack.pkgs
import pytest
from fpack.cli.verbs import VERBS
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Everything, Files
from support.paths import REPOSITORY

ROOT = REPOSITORY
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*/*.md"))]
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}


# Packages that come in by themselves: those that an example or a curated image has a rule for.
RULED = re.compile(r'"?([a-z0-9][\w.+-]*)"? *= *\{\s*(?:keep|drop|setuid)\b')


class EveryPackage(Everything):
    """Has every package that is asked for. All bring in the same ones."""

    def __init__(self, text: str) -> None:
        super().__init__()
        curated = Path(fpack.pkgs.__path__[0]).glob("*.fp")
        self.ruled = set(RULED.findall("".join([text, *(place.read_text() for place in curated)])))

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, Any]]:
        return super().closure(release, [*names, *self.ruled], arch)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[str]:
    """Return the texts of the language in a page: fenced, without another language's name."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.S | re.M)
    return [text for language, text in found if not language and " = " in text]


EXAMPLES = [(name(page), i) for page in PAGES for i in range(len(blocks(page)))]


@pytest.mark.parametrize(("page", "number"), EXAMPLES)
def test_an_example_evaluates_as_it_stands(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = blocks(ROOT / page)[number]
    (tmp_path / "fpack.fp").write_text(text)
    for path in re.findall(r"= (\./[\w./-]+)", text):
        (tmp_path / path).write_text("a file of the reader's")
    monkeypatch.chdir(tmp_path)
    evaluator = Evaluator(
        root=tmp_path,
        cache=tmp_path / "modules",
        library=[Path(fpack.pkgs.__path__[0])],
        packages=EveryPackage(text),
        sources=Files(),
        settings=SETTINGS,
    )
    record = evaluator.load(tmp_path / "fpack.fp")
    shown = {"image": ["image", "image"], "shell": ["shell", "image", "image"], "worker": ["worker", "root"]}
    shown["source"] = ["source"]
    assert evaluator.is_derivation(evaluator.select(record, next(path for key, path in shown.items() if key in record)))


def test_the_pages_have_examples() -> None:
    assert {"README.md", "docs/tutorial.md", "docs/images.md"} <= {page for page, _ in EXAMPLES}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_links_are_there(page: Path) -> None:
    text = page.read_text()
    verbs = re.findall(r"^ {4}(?:\$ )?(?:cli/)?fpack ([a-z]+)", text, re.M) + re.findall(r"`fpack ([a-z]+)", text)
    assert set(verbs) <= set(VERBS)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
