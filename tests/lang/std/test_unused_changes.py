"""`.with` of Debian packages and of derivations: a change that changes nothing is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Everything, Files

SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}
DASH = 'import("fpack/debian").trixie.dash'
TEXT = 'derivation { kind = "text", name = "a", text = "x" }'
PARTS = 'derivation { kind = "thing", name = "a", text = "x", outputs = ["out", "dev"] }'


@pytest.fixture
def ask(tmp_path: Path, cache: Path) -> Any:
    evaluator = Evaluator(root=tmp_path, cache=cache, packages=Everything(), sources=Files(), settings=SETTINGS)
    return lambda text: evaluator.to_json(evaluator.expression(text))


@pytest.mark.parametrize(
    "change",
    [
        "{ patches = [] }",
        "{ build = null }",
        '{ env.X = "1" }',
        "{ name = null }",
        "(old => { patches = [old.version] })",
        '{ version = "2" }.with { strip = false }',
        '{ version = "2" }.with(_ => { tools = [] })',
        "(old => { version = old.version }).with { tools = [] }",
    ],
)
def test_a_debian_package_has_no_field_for_how_it_was_built(ask: Any, change: str) -> None:
    with pytest.raises(EvalError, match="cannot change dash, which Debian has built"):
        ask(f"({DASH}).with{' ' if change[0] == '{' else ''}{change}.payload")


@pytest.mark.parametrize(
    "spread",
    [
        f"{{ ...{DASH}, patches = [] }}",
        f"{{ patches = [], ...{DASH} }}",
        f'{{ ...{DASH}, patches = [version], version = "2" }}',
        f"{{ ...{DASH}, ...{{ strip = false }} }}",
        f'{{ ...{{ ...{DASH}, version = "2" }}, patches = [] }}',
    ],
)
def test_a_record_that_spreads_a_debian_package_adds_nothing_to_it(ask: Any, spread: str) -> None:
    with pytest.raises(EvalError, match="cannot change dash, which Debian has built"):
        ask(f"({spread}).payload")


def test_a_record_that_spreads_a_debian_package_changes_its_parts(ask: Any) -> None:
    assert ask(f'{{ ...{DASH}, version = "2" }}.version') == "2"
    assert ask(f"{{ ...{DASH}, extra = 5 }}.extra") == 5


def test_a_change_is_refused_through_sets_and_slices(ask: Any) -> None:
    extended = 'import("fpack/debian").trixie.extend((old, _) => { dash = old.dash.with { patches = [] } })'
    with pytest.raises(EvalError, match="cannot change dash"):
        ask(f"({extended}).dash.payload")
    with pytest.raises(EvalError, match="no field `patches`"):
        ask(f"({DASH}).slice {{ drop = [] }}.with {{ patches = [] }}.payload")


@pytest.mark.parametrize("change", ['{ meta = { licence = "MIT" } }', "{ extra = 5 }", "(old => { extra = old.name })"])
def test_what_is_said_of_a_debian_package_is_no_part_of_it(ask: Any, change: str) -> None:
    gap = " " if change[0] == "{" else ""
    assert ask(f"({DASH}).with{gap}{change}.payload") == ask(f"({DASH}).payload")
    assert ask(f"({DASH}).with{gap}{change}.slice {{ drop = [] }}.payload") == ask(f"({DASH}).payload")


def test_a_changed_part_is_kept_by_a_slice_and_may_change_again(ask: Any) -> None:
    slice_ = ".slice { drop = [] }"
    other = f"({DASH}).with {{ payload = {TEXT} }}"
    assert ask(f"({other}){slice_}.payload") == ask(TEXT)
    version = '.with { version = "9" }'
    assert ask(f"({DASH}){slice_}{version}.payload") == ask(f"({DASH}){version}.payload") != ask(f"({DASH}).payload")


@pytest.mark.parametrize(
    "text",
    [
        f"({TEXT}).with {{ texx = 1 }}",
        f"({TEXT}).with(old => {{ texx = old.text }})",
        f"({PARTS}).dev.with {{ texx = 1 }}",
        f'({TEXT}).with {{ text = "y" }}.with {{ texx = 1 }}',
    ],
)
def test_a_derivation_has_the_fields_that_it_was_given(ask: Any, text: str) -> None:
    with pytest.raises(EvalError, match="`derivation` has no field `texx`") as caught:
        ask(text)
    assert caught.value.hint == "did you mean `text`?"
    assert ask(text.replace("texx = 1", 'text = "z"').replace("texx", "text")) is not None


def test_an_argument_is_added_by_name(ask: Any) -> None:
    with pytest.raises(EvalError, match="no field `executable`") as caught:
        ask(f"({TEXT}).with {{ executable = true }}")
    assert "args.executable = " in caught.value.hint
    whole = TEXT.replace("}", ", executable = true }")
    assert ask(f"({TEXT}).with {{ args.executable = true }}") == ask(whole)


def test_an_added_field_is_no_argument(ask: Any) -> None:
    assert ask(f"({TEXT}).extend {{ note = 5 }}") == ask(TEXT)
    assert ask(f"({TEXT}).extend {{ note = 5 }}.note") == 5
    assert ask(f'({TEXT}).extend {{ note = 5, text = "y" }}') == ask(f'({TEXT}).with {{ text = "y" }}')
