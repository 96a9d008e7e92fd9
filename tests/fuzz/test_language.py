"""Any text of the language is parsed, formatted, checked and evaluated, or an error: nothing crashes and nothing hangs.

The short form runs with the other tests; the long one is guided by coverage, and needs atheris: `pytest -m long
tests/fuzz`, for FPACK_FUZZ_SECONDS seconds.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.language.programs import files, loose_expressions
from support.properties import examples

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SEEDS = sorted(p for folder in ("lang/std", "pkgs", "tests/lang/cases") for p in (REPOSITORY / folder).rglob("*.fp"))

_spec = importlib.util.spec_from_file_location("fuzz_target", HERE / "target.py")
assert _spec is not None and _spec.loader is not None
target = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(target)

PIECES = ["{", "}", '"', "${", "\n", ",", "(", "=", "#", '"""', " in "]
# What the names in expressions made by chance stand for.
NAMES = """let
  a = 1
  b = [1, "x"]
  c-d = "s"
  x = 2.5
  r = { a = 5, b = null }
  f(p, q = 1, k = 2) = p
  g(y) = y
in
"""
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(SLOW, max_examples=examples(60))
@given(files())
def test_files_made_by_chance(text: str) -> None:
    target.one_text(text, "file")


@settings(SLOW, max_examples=examples(60))
@given(loose_expressions())
def test_expressions_made_by_chance(text: str) -> None:
    target.one_text(f"{NAMES}{text}", "expression")


@settings(SLOW, max_examples=examples(80))
@given(st.data())
def test_texts_of_the_repository_with_mistakes(data: st.DataObject) -> None:
    """Pieces are cut out, doubled, swapped and put in, as careless hands do."""
    text = data.draw(st.sampled_from(SEEDS)).read_text("utf-8", "replace")[:3000]
    for _ in range(data.draw(st.integers(1, 4))):
        a, b = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        b = min(b, a + 40)
        piece = data.draw(
            st.sampled_from(["", text[a:b] * 2, "{", "}", '"', "${", "\n", ",", "(", "=", "#", '"""', " in "])
        )
        text = text[:a] + piece + text[b:]
    target.one_text(text, "file")


@settings(SLOW, max_examples=examples(150))
@given(st.text(max_size=80), st.sampled_from(["file", "expression"]))
def test_any_characters(text: str, start: str) -> None:
    target.one_text(text, start)


def test_the_target_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "format_source", lambda source, cache: source.text + "# more\n")
    with pytest.raises(AssertionError, match="twice"):
        target.one_text("a = 1\n", "file")
    monkeypatch.setattr(target, "format_source", lambda source, cache: "a = 2\n")
    with pytest.raises(AssertionError, match="something else"):
        target.one_text("a = 1\n", "file")


def test_what_does_not_end_is_given_up() -> None:
    endless = "all(range(1000000), a => all(range(1000000), b => a + b >= 0))"
    assert target.result(endless, "expression") is None
    assert target.result("1 + 1", "expression") == [2]


@pytest.mark.long
def test_guided_by_coverage(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    seconds = int(os.environ.get("FPACK_FUZZ_SECONDS", "300"))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i, seed in enumerate(SEEDS):
        (corpus / f"seed-{i}").write_bytes(b"\xff" + seed.read_bytes())
    done = subprocess.run(
        [
            sys.executable, str(HERE / "language.py"), str(corpus), f"-max_total_time={seconds}", "-timeout=30",
            "-rss_limit_mb=4096", "-max_len=4000", f"-dict={HERE / 'language.dict'}", f"-artifact_prefix={tmp_path}/",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=seconds + 300,
    )  # fmt: skip
    found = [p for p in tmp_path.iterdir() if p.name.startswith(("crash-", "timeout-", "oom-"))]
    shown = "\n".join(p.read_bytes()[:1].hex() + " " + repr(p.read_bytes()[1:]) for p in found)
    assert done.returncode == 0, f"{shown}\n{done.stderr[-6000:]}"
