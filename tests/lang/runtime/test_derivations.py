"""Derivations: inputs found in strings, candidates, sources, and one encoding for one description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output
from support.archives.packages import Files


@pytest.fixture
def evaluator(tmp_path: Path, cache: Path) -> Evaluator:
    return Evaluator(root=tmp_path, cache=cache, sources=Files())


def made(evaluator: Evaluator, text: str) -> Derivation:
    """Return the derivation that an expression gives."""
    value = evaluator.expression(text)
    assert evaluator.is_derivation(value)
    digest, output, placeholder = evaluator.derivation_of(value)
    assert output == "out" and placeholder == value["out"]
    body = evaluator.derivations[digest]
    assert derivation.digest(body) == digest
    found = derivation.decode(body)
    assert str(derivation.placeholder(digest, found.name)) == placeholder
    return found


def output_of(evaluator: Evaluator, text: str) -> Output:
    digest, output, _ = evaluator.derivation_of(evaluator.expression(text))
    return Output(digest, output)


def test_other_fields_become_arguments(evaluator: Evaluator) -> None:
    found = made(evaluator, 'derivation { kind = "k", name = "n", a = [1, null, true], b = { c = "x" } }')
    assert found == Derivation("k", "n", {"a": [1, None, True], "b": {"c": "x"}})


def test_inputs_are_found_in_strings_at_any_depth(evaluator: Evaluator) -> None:
    a, b = output_of(evaluator, 'text("a", "1")'), output_of(evaluator, 'text("b", "2")')
    found = made(
        evaluator,
        """let a = text("a", "1"), b = text("b", "2"), c = text("c", "3") in
        derivation { kind = "k", name = "n", x = { y = ["-I${a}/include", { ${"${b}"} = 1 }] }, z = a }""",
    )
    assert set(found.inputs) == {a, b}


def test_indirect_dependencies_are_not_inputs(evaluator: Evaluator) -> None:
    found = made(evaluator, 'derivation { kind = "k", name = "n", x = text("b", "${text("a", "1")}") }')
    assert found.inputs == (output_of(evaluator, 'text("b", "${text("a", "1")}")'),)


def test_candidates_are_not_inputs(evaluator: Evaluator) -> None:
    a, b = output_of(evaluator, 'text("a", "1")'), output_of(evaluator, 'text("b", "2")')
    found = made(
        evaluator,
        """let a = text("a", "1"), b = text("b", "2") in
        derivation { kind = "k", name = "n", candidates = [b], x = [a, b] }""",
    )
    assert (found.inputs, found.candidates) == ((a,), (b,))
    assert found.args["x"][1] == str(derivation.placeholder(b.derivation, "b"))


def test_further_outputs(evaluator: Evaluator) -> None:
    text = """let lib = derivation { kind = "k", name = "lib", outputs = ["out", "dev"] } in
    derivation { kind = "k", name = "n", x = lib.dev }"""
    (found,) = made(evaluator, text).inputs
    assert found.name == "dev"
    assert derivation.decode(evaluator.derivations[found.derivation]).outputs == ("out", "dev")


def test_equal_records_make_equal_derivations(evaluator: Evaluator) -> None:
    one = output_of(evaluator, 'derivation { kind = "k", name = "n", a = 1, b = [2] }')
    two = output_of(evaluator, 'let x = 1 in derivation { b = [x + 1], name = "${"n"}", a = x, kind = "k" }')
    other = output_of(evaluator, 'derivation { kind = "k", name = "n", a = 1, b = [3] }')
    assert one == two != other


def test_sources(evaluator: Evaluator, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.c").write_text("int main;")
    (tmp_path / "a file~").write_text("x")
    found = made(evaluator, 'derivation { kind = "k", name = "n", src = ./src, cmd = "cc ${./src}/main.c" }')
    (source,) = found.inputs
    body = derivation.decode(evaluator.derivations[source.derivation])
    digest = Files().hash(tmp_path / "src").hex()
    assert body == Derivation("source", "src", {"tree": digest})
    assert evaluator.source_paths == {digest: tmp_path / "src"}
    assert found.args["cmd"] == f"cc {found.args['src']}/main.c"


def test_sources_are_hashed_once(tmp_path: Path, cache: Path) -> None:
    class Counting(Files):
        count = 0

        def hash(self, path: Path) -> bytes:
            self.count += 1
            return super().hash(path)

    (tmp_path / "f").write_text("x")
    sources = Counting()
    evaluator = Evaluator(root=tmp_path, cache=cache, sources=sources)
    evaluator.expression('join(["${./f}", "${./f}", to-string(./f), "${./g/../f}"], " ")')
    assert sources.count == 1
    evaluator.expression("type(./f)")
    assert sources.count == 1


def test_source_names_are_cleaned_for_the_store(evaluator: Evaluator, tmp_path: Path) -> None:
    (tmp_path / ".hidden~1").write_text("x")
    assert str(evaluator.expression('"${./.hidden~1}"')).endswith("-hidden_1")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.5", "cannot hold a float"),
        ("x => x", "cannot hold a function"),
        ("[{ a = [map] }]", "cannot hold a function"),
        ('on-demand("x", y => y)', "cannot hold a record"),
        ("18446744073709551615 + 1", "too large"),
        ('"/fpack/store/0123456789abcdfghijklmnpqrsvwxyz-x/bin"', "No derivation of this evaluation makes the path"),
    ],
)
def test_invalid_arguments_are_errors(evaluator: Evaluator, value: str, reason: str) -> None:
    value = value.replace("18446744073709551615 + 1", "9223372036854775807 + 9223372036854775807 + 2")
    with pytest.raises(EvalError, match=reason) as caught:
        evaluator.expression(f'derivation {{ kind = "k", name = "n", bad = {value} }}')
    assert caught.value.line == 1


@pytest.mark.parametrize(
    "text",
    [
        'split("${d}/bin", "/")',
        'substring("x${d}", 0, 5)',
        'substring("${d}", 5, 100)',
        'replace("${d}", "store", "shop")',
        'replace-all("${d}", "[a-z]+", "x")',
        'match("${d}", "/fpack/store/(.*)")',
        'upper("${d}")',
        'lower("${text("Name", "")}")',
    ],
)
def test_cutting_a_store_path_is_an_error(evaluator: Evaluator, text: str) -> None:
    with pytest.raises(EvalError, match="cannot be cut"):
        evaluator.expression(f'let d = text("some-name", "") in {text}')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('split("a ${d} b", " ")', ["a", "D", "b"]),
        ('substring("ab${d}", 0, 2)', "ab"),
        ('replace("a ${d} a", "a ", "b ")', "b D a"),
        ('match("x=${d}", "x=(.*)")', ["D"]),
        ('lower("ABC ${d}")', "abc D"),
        ('trim(" ${d} ")', "D"),
        ('split("/fpack/store/x", "/")', ["", "fpack", "store", "x"]),
    ],
)
def test_splitting_around_a_store_path_works(evaluator: Evaluator, text: str, value: Any) -> None:
    d = str(evaluator.expression('"${text("some-name", "")}"'))
    found = evaluator.force(evaluator.expression(f'let d = text("some-name", "") in {text}'), deep=True)
    assert found == ([v.replace("D", d) for v in value] if isinstance(value, list) else value.replace("D", d))


def test_json_marks_unbuilt_outputs(evaluator: Evaluator) -> None:
    d = str(evaluator.expression('"${text("a", "")}"'))
    shown = evaluator.to_json(
        evaluator.expression('{ d = text("a", ""), s = "${text("a", "")}/x", p = ./f, f = (a, b) => a }')
    )
    assert shown["d"] == {"derivation": d} and shown["s"] == f"{d}/x"
    assert shown["p"]["path"].endswith("/f") and shown["f"] == {"function": ["a", "b"]}
    assert evaluator.expression('to-json([text("a", "")])') == f'["{d}"]'


def test_values_that_are_not_derivations(evaluator: Evaluator) -> None:
    for text in ("1", '"/fpack/store/x"', "{ out = 1 }", '{ type = "derivation", out = "x" }'):
        assert not evaluator.is_derivation(evaluator.expression(text))


def test_an_unreadable_source_is_an_error(tmp_path: Path, cache: Path) -> None:
    class Sources:
        def hash(self, path: Path) -> bytes:
            raise PermissionError(13, "Permission denied", str(path / "secret"))

    (tmp_path / "src").mkdir()
    with pytest.raises(EvalError, match="cannot be read") as caught:
        Evaluator(cache=cache, root=tmp_path, sources=Sources()).expression('"${./src}"')
    assert "secret: Permission denied" in caught.value.why
