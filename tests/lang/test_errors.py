"""Errors as the user sees them, and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.lang.errors import EvalError, did_you_mean, nearest, render
from fpack.lang.evaluator import Evaluator
from fpack.lang.protocols import NoPackage
from fpack.lang.spans import Call, Span, at_span
from fpack.store.errors import FpackError
from support.archives.packages import Packages


def test_a_span_of_a_text() -> None:
    text = "ab\ncde\nf"
    assert at_span("x", text, 4, 6) == Span("x", 2, 2, 2, 4, "cde")
    assert at_span("x", text, 1, 5) == Span("x", 1, 2, 2, 3, "ab")
    assert at_span("x", text, 8, 99) == Span("x", 3, 2, 3, 2, "f")
    assert str(at_span("a/b.fp", text, 0, 1)) == "a/b.fp:1:1"


def error(text: str, start: int, end: int) -> EvalError:
    return EvalError("What", span=at_span("f.fp", text, start, end), why="because", hint="do this")


def test_the_caret_is_below_the_span() -> None:
    lines = render(error("x = abc + 1", 4, 7)).splitlines()
    assert lines[2].index("abc") == lines[3].index("^^^") and "^^^^" not in lines[3]
    assert lines[4:] == ["  because", "  hint: do this"]


def test_tabs_and_wide_characters_do_not_shift_the_caret() -> None:
    lines = render(error("\tx = bad", 5, 8)).splitlines()
    assert lines[3].split("|")[1] == " \t    ^^^"
    wide = render(error('"世界" + bad', 7, 10)).splitlines()[3]
    assert wide.split("|")[1] == " " + " " * 9 + "^^^"


def test_a_long_line_is_cut_around_the_span() -> None:
    text = "x = [" + "1, " * 1000 + "bad" + ", 1" * 1000 + "]"
    lines = render(error(text, text.index("bad"), text.index("bad") + 3)).splitlines()
    assert len(lines[2]) < 200 and lines[2].index("bad") == lines[3].index("^^^")


def test_a_span_of_several_lines_marks_the_first() -> None:
    text = "x = {\n  a = 1\n}"
    assert render(error(text, 4, len(text))).splitlines()[3].endswith("|     ^")


def test_colours_add_nothing_but_colours() -> None:
    import re

    plain, colored = render(error("x = abc", 4, 7)), render(error("x = abc", 4, 7), color=True)
    assert "\x1b" not in plain and "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_a_long_list_of_calls_is_shortened() -> None:
    made = error("x", 0, 1)
    made.calls = tuple(Call(f"f{i}", at_span("f.fp", "x", 0, 1)) for i in range(50))
    shown = render(made)
    assert "`f0`" in shown and "`f49`" in shown and "... 42 more" in shown and "`f25`" not in shown


def test_other_errors_are_rendered() -> None:
    assert render(FpackError("What", where="there", why="because", hint="try")).splitlines() == [
        "error: What", "  in there", "  because", "  hint: try"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("verison", ["version", "name"], "version"),
        ("Version", ["version", "versions"], "version"),
        ("stop_signal", ["stop-signal"], "stop-signal"),
        ("mpa", ["max", "map"], "map"),
        ("zzz", ["version"], ""),
        ("x", [], ""),
    ],
)
def test_errors_suggest_the_nearest_name(name: str, known: list[str], found: str) -> None:
    assert nearest(name, known) == found
    assert did_you_mean(name, known) == (f"did you mean `{found}`?" if found else "")


class Broken(Packages):
    def package(self, release: str, name: str, arch: str = "") -> dict[str, object]:
        error = FpackError("The index cannot be had", where="mirror", why="no route", hint="try later")
        error.exit_code = 7
        raise error


def test_an_error_of_the_package_source_gets_a_position(cache: Path) -> None:
    evaluator = Evaluator(cache=cache, packages=Broken())
    text = 'import("fpack/debian").trixie.curl'
    with pytest.raises(EvalError) as caught:
        evaluator.expression(text)
    found = caught.value
    assert (found.what, found.why, found.hint, found.exit_code) == (
        "The index cannot be had",
        "(mirror) no route",
        "try later",
        7,
    )
    assert text[found.column - 1 : found.span.end_column - 1] == "curl"
    # It is no absent package: a default does not hide it.
    with pytest.raises(EvalError, match="index"):
        evaluator.expression(f"{text} or null")


def test_an_absent_package_is_an_absent_field(cache: Path) -> None:
    evaluator = Evaluator(cache=cache, packages=Packages())
    assert evaluator.expression('import("fpack/debian").trixie.nothing or 5') == 5
    with pytest.raises(EvalError) as caught:
        evaluator.expression('import("fpack/debian").trixie.nothing')
    assert caught.value.exit_code == NoPackage.exit_code


def test_selecting_from_outside(cache: Path) -> None:
    evaluator = Evaluator(cache=cache)
    value = evaluator.expression("{ alpha = { beta = 1 } }")
    assert evaluator.select(value, ["alpha", "beta"]) == 1
    with pytest.raises(FpackError, match="no field `betta`") as caught:
        evaluator.select(value, ["alpha", "betta"])
    assert caught.value.hint == "did you mean `beta`?" and "`alpha`" in caught.value.why
    with pytest.raises(FpackError, match="is an int"):
        evaluator.select(value, ["alpha", "beta", "x"])


def test_a_failed_value_fails_the_same_way_again(cache: Path) -> None:
    evaluator = Evaluator(cache=cache)
    value = evaluator.expression("{ a = b.c, b = { d = 1 } }")
    shown = set()
    for _ in range(3):
        with pytest.raises(EvalError) as caught:
            evaluator.select(value, ["a"])
        shown.add(render(caught.value))
    assert len(shown) == 1


def test_bugs_of_fpack_are_not_reported_as_the_users(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = Evaluator(cache=cache)

    def broken(*_: object) -> object:
        return len(5)  # type: ignore[arg-type]

    monkeypatch.setitem(evaluator._modules.base, "length", broken)
    with pytest.raises(TypeError, match="has no len"):
        evaluator.expression("length([])")


def test_errors_do_not_keep_the_evaluation_alive(cache: Path) -> None:
    with pytest.raises(EvalError) as caught:
        Evaluator(cache=cache).expression("let f(n) = 1 + f(n) in f(0)")
    tb, frames = caught.value.__traceback__, 0
    while tb is not None:
        frames, tb = frames + 1, tb.tb_next
    assert frames < 20 and caught.value.__context__ is None


def test_a_span_far_to_the_right(cache: Path) -> None:
    text = "[" + "1, " * 50_000 + "null.x]"
    with pytest.raises(EvalError) as caught:
        Evaluator(cache=cache).force(Evaluator(cache=cache).expression(text), deep=True)
    assert caught.value.column == text.index("x]") + 1


@pytest.mark.parametrize("bad", ["\udcff", "\x1b]0;title\x07", "\u202e"])
def test_excerpts_contain_no_control_characters(cache: Path, bad: str) -> None:
    with pytest.raises(EvalError, match="invisible") as caught:
        Evaluator(cache=cache).expression(f'"{bad}"')
    assert bad[0] not in render(caught.value)


def test_a_file_that_fails_fails_again(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.fp").write_text('assert false, "never"')
    evaluator = Evaluator(cache=cache)
    for _ in range(2):
        with pytest.raises(EvalError, match="never"):
            evaluator.load(tmp_path / "a.fp")
