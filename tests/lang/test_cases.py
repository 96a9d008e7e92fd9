"""Golden cases: files of the language with the value, or the error, that they give.

A case is a directory with `main.fp`. In `ok`, `expected.json` holds the value of its field `result`; in `fail`,
`expected.txt` is what the user sees. Set FPACK_WRITE_EXPECTED=1 to write what is missing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from support.packages import Files, Packages

CASES = Path(__file__).parent / "cases"
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}}


def names(kind: str) -> list[str]:
    return sorted(p.parent.name for p in (CASES / kind).glob("*/main.fp"))


def evaluate(case: Path, cache: Path) -> object:
    evaluator = Evaluator(
        root=case, cache=cache, packages=Packages(), sources=Files(), library=[], settings=SETTINGS
    )  # fmt: skip
    return evaluator.to_json(evaluator.select(evaluator.load(Path("main.fp")), ["result"]))


def expected(path: Path, text: str) -> str:
    if os.environ.get("FPACK_WRITE_EXPECTED") and not path.exists():
        path.write_text(text)
    return path.read_text()


@pytest.mark.parametrize("name", names("ok"))
def test_value(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES / "ok" / name
    monkeypatch.chdir(case)
    found = evaluate(case, cache)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    assert found == json.loads(expected(case / "expected.json", text))
    # Once more, from the cache of compiled modules.
    assert evaluate(case, cache) == found


@pytest.mark.parametrize("name", names("fail"))
def test_error(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES / "fail" / name
    monkeypatch.chdir(case)
    with pytest.raises(EvalError) as caught:
        evaluate(case, cache)
    shown = render(caught.value).replace(str(case), "/project") + "\n"
    assert shown == expected(case / "expected.txt", shown)
    assert caught.value.exit_code in (3, 4)
    assert caught.value.line >= 1 and caught.value.column >= 1


def test_there_are_enough_cases() -> None:
    assert len(names("ok")) >= 40 and len(names("fail")) >= 40
