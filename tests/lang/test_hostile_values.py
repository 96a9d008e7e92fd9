"""Values that a hostile text makes: each is a value or an error in words, and nothing is obeyed by a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError

HUGE = "fold(range(20000), 1, (a, x) => a + a)"


@pytest.fixture
def evaluator(cache: Path, tmp_path: Path) -> Evaluator:
    return Evaluator(cache=cache, root=tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        HUGE,
        f"[{HUGE}]",
        f'"${{{HUGE}}}"',
        f"to-string({HUGE})",
        f"to-json({HUGE})",
        f"range({HUGE})",
        f"get([1], {HUGE})",
        f'substring("abc", {HUGE}, {HUGE})',
        f'to-int("1", {HUGE})',
        f'derivation {{ kind = "text", name = "x", size = {HUGE} }}',
        f'from-json("{"9" * 5000}")',
    ],
)
def test_too_large_numbers_are_errors(evaluator: Evaluator, text: str) -> None:
    """As text they would take hours, or not be had at all."""
    with pytest.raises(FpackError, match=r"too large|not a supported number"):
        evaluator.to_json(evaluator.expression(text))


def test_numbers_of_64_bits_convert_to_text(evaluator: Evaluator) -> None:
    assert evaluator.expression('"${-9223372036854775807 - 1}"') == str(-(2**63))
    assert evaluator.to_json(evaluator.expression('from-json("[-9223372036854775808]")')) == [-(2**63)]


@pytest.mark.parametrize("escape", ["d800", "dfff", "0000"])
@pytest.mark.parametrize("json", ['"x\\uXXXX"', '[{"a": ["\\uXXXX"]}]', '{"\\uXXXX": 1}'])
def test_json_with_lone_surrogates_is_refused(evaluator: Evaluator, json: str, escape: str) -> None:
    quoted = json.replace("XXXX", escape).replace("\\", "\\\\").replace('"', '\\"')
    with pytest.raises(EvalError, match="not valid JSON"):
        evaluator.expression(f'from-json("{quoted}")')


def test_json_with_any_other_character_is_read(evaluator: Evaluator) -> None:
    assert evaluator.expression(r'from-json("\"\\ud83d\\ude00\\u0001\"")') == "\U0001f600\x01"


def test_a_path_with_a_nul_is_an_error(evaluator: Evaluator, tmp_path: Path) -> None:
    (tmp_path / "nul").write_bytes(b"a\0b")
    for text in ('read-text(./a + read-text("./nul"))', 'import("./${read-text(./nul)}")'):
        with pytest.raises(EvalError):
            evaluator.expression(text)
    for text in ("./a + read-text(./nul)", "read-text(./nul)"):
        with pytest.raises(EvalError, match="NUL"):
            evaluator.expression(text)


@pytest.mark.parametrize("color", [False, True])
def test_messages_contain_no_control_characters(tmp_path: Path, cache: Path, color: bool) -> None:
    bad = "".join(rf"\u{{{code:x}}}" for code in (0x1B, 0x07, 0x9B, 0x202E, 0x2066, 0x7F, 0x0D))
    file = tmp_path / "\x1b]0;title\x07.fp"
    file.write_text(f'f(x) = error("what {bad}")\ng = {{}}."{bad}"\nh = f(1)\ni = {{ a = 1 }}."b{bad}"\n')
    evaluator = Evaluator(cache=cache)
    for name in ("h", "g", "i"):
        with pytest.raises(EvalError) as caught:
            evaluator.select(evaluator.load(file), [name])
        caught.value.why += "\x1b[2J"
        caught.value.hint += "\x9b2J"
        shown = render(caught.value, color)
        for code in ("1;31", "1;36", "34", "1", "2", "0"):
            shown = shown.replace(f"\x1b[{code}m", "") if color else shown
        assert shown.replace("\n", "").isprintable(), shown


@pytest.mark.parametrize(
    "text", [f'match("{"a" * 60}", "((a+)+)+\\\\2b")', f'replace-all("{"a" * 60}", "(a|a)*\\\\1b", "")']
)
def test_an_expression_that_takes_too_long(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("fpack.lang.builtins.patterns.SECONDS", 0.3)
    with pytest.raises(EvalError, match="too long"):
        evaluator.expression(text)
    assert evaluator.expression('match("aab", "(a*)(b?)")') == ["aa", "b"]


@pytest.mark.parametrize(
    "text", ['"x", (s, _) => "${s}${s}"', "[1], (s, _) => concat(s, s)", "[1], (s, _) => [...s, ...s]"]
)
def test_endless_values_in_little_memory_are_errors(text: str) -> None:
    probe = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from fpack.lang.evaluator import Evaluator\n"
        "try: Evaluator().expression(sys.argv[1])\n"
        "except Exception as error: print(error.exit_code, error.what)\n"
    )
    command = [sys.executable, "-c", probe, f"fold(range(60), {text})"]
    out = subprocess.run(command, capture_output=True, text=True, cwd="/").stdout
    assert out == "3 There is not enough memory for this value\n"


def test_fields_that_mention_each_other_are_bounded(evaluator: Evaluator) -> None:
    def chain(count: int) -> str:
        return "{" + "\n".join(f"a{i} = a{i + 1}" for i in range(count)) + f"\na{count} = 1 }}.a0"

    assert evaluator.expression(chain(1000)) == 1
    with pytest.raises(EvalError, match="mention each other"):
        evaluator.expression(chain(20_000))
