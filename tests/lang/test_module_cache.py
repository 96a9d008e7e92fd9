"""Compiled modules: what a second run does not load, and what damage to the cache does not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fpack.lang.abi import FUNCTIONS
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime.records.update import eager
from fpack.lang.syntax import lalr_tables
from fpack.store.files import disk_cache

HEAVY = ("lark", "dataclasses", "inspect", "difflib", "ast", "json.tool")
COMPILING = (
    "fpack.lang.compiler",
    "fpack.lang.diagnostics",
    "fpack.lang.syntax.lalr_tables",
    "fpack.lang.syntax.lexer",
    "fpack.lang.syntax.parser",
    "fpack.lang.syntax.tree",
)

PROBE = """
import sys
from pathlib import Path
from fpack.lang.evaluator import Evaluator
from fpack.store.files import disk_cache
disk_cache.INSTALLED = "/nonexistent"  # an installation without the compiled library
evaluator = Evaluator(cache=Path(sys.argv[1]))
value = evaluator.select(evaluator.load(Path(sys.argv[2])), ["x"])
print(value, *sorted(sys.modules))
"""


def run(cache: Path, file: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(cache), str(file)],
        capture_output=True,
        text=True,
        check=True,
        cwd=file.parent,
    )
    return done.stdout.split()


def test_a_second_run_loads_neither_lark_nor_the_compiler(tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "a.fp"
    file.write_text('x = "${1 + 2}" + text("a", "b").kind')
    value, *modules = run(cache, file)
    assert value == "3text" and "lark" in modules
    value, *modules = run(cache, file)
    assert value == "3text"
    assert not set(HEAVY) & set(modules)
    assert not [module for module in modules if module.startswith(COMPILING)]


def test_a_new_text_needs_the_compiler_but_not_lark(tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "a.fp"
    file.write_text("x = 1")
    run(cache, file)
    file.write_text("x = 2")
    value, *modules = run(cache, file)
    assert value == "2" and "fpack.lang.compiler.compiler" in modules and "lark" not in modules


def evaluate(cache: Path | None, file: Path) -> object:
    evaluator = Evaluator(cache=cache)
    return evaluator.select(evaluator.load(file), ["x"])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "directory"])
def test_a_damaged_entry_is_compiled_again(tmp_path: Path, damage: str) -> None:
    lalr_tables.load(None)  # so that the grammar's tables, which a process reads once, are not in this cache
    cache, file = tmp_path / "cache", tmp_path / "a.fp"
    file.write_text("x = [1, 2] |> map(x => x + 1) |> fold(0, (a, b) => a + b)")
    assert evaluate(cache, file) == 5
    for entry in list(cache.iterdir()):
        data = entry.read_bytes()
        entry.unlink()
        if damage == "flip":
            entry.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
        elif damage == "cut":
            entry.write_bytes(data[: len(data) // 2])
        elif damage == "empty":
            entry.write_bytes(b"")
        else:
            entry.mkdir()
    assert evaluate(cache, file) == 5
    if damage != "directory":
        assert all(disk_cache.read(cache, entry.name) is not None for entry in cache.iterdir())


def test_an_unwritable_cache_is_not_an_error(tmp_path: Path) -> None:
    file, cache = tmp_path / "a.fp", tmp_path / "no-directory"
    file.write_text("x = 1")
    cache.write_text("")
    assert evaluate(cache, file) == 1


def test_equal_files_keep_their_own_paths(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.fp").write_text("x = read-text(./note.txt)\ny = 1 + null")
        (tmp_path / name / "note.txt").write_text(name)
        assert evaluate(cache, tmp_path / name / "a.fp") == name
    evaluator = Evaluator(cache=cache)
    for name in ("one", "two"):
        with pytest.raises(EvalError) as caught:
            evaluator.select(evaluator.load(tmp_path / name / "a.fp"), ["y"])
        assert f"{name}/a.fp:2:5" in render(caught.value)


def test_entries_are_checked(tmp_path: Path) -> None:
    key = disk_cache.key(b"a", b"b")
    assert key != disk_cache.key(b"ab", b"") and key == disk_cache.key(b"a", b"b")
    disk_cache.write(tmp_path, key, b"body")
    assert disk_cache.read(tmp_path, key) == b"body"
    assert disk_cache.read(tmp_path, "0" * 64) is None and disk_cache.read(None, key) is None
    assert [p.name for p in tmp_path.iterdir()] == [key]


def test_line_endings_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "a.fp"
    file.write_bytes(b'\xef\xbb\xbfy = """\r\n  a\r\n  b\r\n"""\r\nx = y\r\n')
    assert evaluate(None, file) == "a\nb\n"


def test_invalid_utf8_is_an_error_with_a_position(tmp_path: Path) -> None:
    file = tmp_path / "a.fp"
    file.write_bytes(b"x = 1\ny = \xff\n")
    with pytest.raises(EvalError, match="UTF-8") as caught:
        evaluate(None, file)
    assert (caught.value.line, caught.value.column) == (2, 5)


def test_a_cache_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    disk_cache.write(cache, "entry", b"body")
    assert cache.stat().st_mode & 0o077 == 0 and (cache / "entry").stat().st_mode & 0o077 == 0
    assert disk_cache.read(cache, "entry") == b"body"
    (cache / "link").symlink_to("entry")
    os.mkfifo(cache / "pipe")
    assert disk_cache.read(cache, "link") is None and disk_cache.read(cache, "pipe") is None
    (cache / "entry").chmod(0o620)
    assert disk_cache.read(cache, "entry") is None
    (cache / "entry").chmod(0o600)
    monkeypatch.setattr("fpack.store.files.disk_cache.os.geteuid", lambda: 54321)
    assert disk_cache.read(cache, "entry") is None


def test_facts_about_functions_come_from_the_cache_as_well(tmp_path: Path) -> None:
    """Two closures of one text share one record of facts, and no function has a docstring."""
    cache, file = tmp_path / "cache", tmp_path / "a.fp"
    file.write_text("make(n) = let f({ a, b = n }) = a + b in f\ng({ c }) = [c]\nx = [make(1), make(2), g]")
    for _ in range(2):
        evaluator = Evaluator(cache=cache)
        functions = evaluator.force(evaluator.select(evaluator.load(file), ["x"]), deep=True)
        infos = [function.__globals__[FUNCTIONS][id(function.__code__)] for function in functions]
        assert infos[0] is infos[1] and (infos[0].evaluates, infos[0].fresh) == ("a b", False)
        assert [function.__doc__ for function in functions] == [None, None, None]
        assert eager(functions[0], "a") and not eager(functions[0], "c") and not eager(functions[2], "a")
        assert not eager(evaluator.builtins()["map"], "a") and not eager(1, "a")


def test_an_error_in_a_part_of_a_record_from_the_cache_names_the_part(tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "a.fp"
    file.write_text("""\
f({ a, b }) = [a, b]
g(x) = error("no", "why ${x}")
x = f {
  a = text("a", "b").kind
  b = g(1)
}
""")
    shown = []
    for _ in range(2):
        evaluator = Evaluator(cache=cache)
        with pytest.raises(EvalError) as caught:
            evaluator.force(evaluator.select(evaluator.load(file), ["x"]), deep=True)
        shown.append(render(caught.value))
    assert shown[0] == shown[1] and "in `b`, " in shown[0] and "a.fp:5:7" in shown[0]
