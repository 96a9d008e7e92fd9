"""`meta` and `extra` of packages, containers and shells: they are kept by `.with`, and are no part of a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Everything, Files

SYSTEMS = ("package", "make", "autotools", "cmake", "meson", "go", "python", "node", "rust", "ruby")
MAKERS = (*SYSTEMS, "container", "shell")
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}
FIELDS = {
    "container": 'packages = [import("fpack/debian").trixie.dash], name = "a"',
    "shell": 'packages = [import("fpack/debian").trixie.dash], name = "a"',
    "node": 'name = "a", version = "1", source = ./a, lock = ./a/package-lock.json',
}
BUILT = {"container": ".image", "shell": ".root"}  # what is built of a value; of others, the value itself


@pytest.fixture
def ask(tmp_path: Path, cache: Path) -> Any:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/package-lock.json").write_text('{ "lockfileVersion": 3, "packages": {} }')

    def ask(text: str) -> Any:
        evaluator = Evaluator(root=tmp_path, cache=cache, packages=Everything(), sources=Files(), settings=SETTINGS)
        return evaluator.to_json(evaluator.expression(text))

    return ask


def made(maker: str, more: str) -> str:
    """Return a call of a function with its required fields and `more`."""
    fields = FIELDS.get(maker, 'name = "a", version = "1"')
    return f"{maker} {{ {fields}, {more} }}"


@pytest.mark.parametrize("maker", MAKERS)
def test_they_are_carried_through_with(ask: Any, maker: str) -> None:
    carried = made(maker, 'meta = { licence = "MIT" }, extra = { port = 80 }')
    assert ask(f"let a = {carried} in [a.meta, a.extra]") == [{"licence": "MIT"}, {"port": 80}]
    changed = f'({carried}).with {{ env = {{ B = "1" }} }}'
    assert ask(f"let a = {changed} in [a.meta, a.extra]") == [{"licence": "MIT"}, {"port": 80}]
    replaced = (
        f'({carried}).with(old => {{ meta = {{ ...old.meta, description = "x" }}, extra = [old.extra.port, 81] }})'
    )
    assert ask(f"let a = {replaced} in [a.meta, a.extra]") == [{"licence": "MIT", "description": "x"}, [80, 81]]
    assert ask(f"let a = {made(maker, '')} in [a.meta, a.extra]") == [{}, {}]


@pytest.mark.parametrize("maker", MAKERS)
def test_no_build_depends_on_them(ask: Any, maker: str) -> None:
    built = BUILT.get(maker, "")
    plain = ask(f"({made(maker, '')}){built}")
    extra = 'extra = { unused = error("never"), f = x => x, big = 1.5, self = ./a }'
    assert ask(f"""({made(maker, f'meta = {{ licence = "MIT" }}, {extra}')}){built}""") == plain
    assert ask(f"""({made(maker, "")}).with({{ {extra} }}){built}""") == plain


def test_extra_is_computed_again_from_what_changes(ask: Any) -> None:
    app = 'make { name = "a", version = "1", extra = { url = "https://example.org/${version}" } }'
    assert ask(f'({app}).with({{ version = "2" }}).extra.url') == "https://example.org/2"


@pytest.mark.parametrize("maker", MAKERS)
def test_an_unknown_field_of_meta_is_an_error_that_names_extra(ask: Any, maker: str) -> None:
    with pytest.raises(EvalError, match="`meta` has no field team.*Other data goes into `extra`") as caught:
        ask(f"({made(maker, 'meta = { team = 1 }')}){BUILT.get(maker, '.out')}")
    assert caught.value.file == "<command line>"
