"""Files: where a project ends, what may be imported, and what a file sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Files


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        place = root / name.replace("__", "/").replace("_fp", ".fp")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def x_of(file: Path, cache: Path, root: Path | None = None, library: list[Path] | None = None) -> object:
    evaluator = Evaluator(root=root, cache=cache, library=library, sources=Files())
    return evaluator.force(evaluator.select(evaluator.load(file), ["x"]), deep=True)


def test_the_project_root_is_the_directory_of_the_project_file(tmp_path: Path, cache: Path) -> None:
    write(tmp_path, fpack_fp="y = 1", sub__deep__a_fp='x = import("../../lib/b.fp").x', lib__b_fp="x = 5")
    assert x_of(tmp_path / "sub/deep/a.fp", cache) == 5
    (tmp_path / "fpack.fp").unlink()
    with pytest.raises(EvalError, match="outside the project"):
        x_of(tmp_path / "sub/deep/a.fp", cache)
    assert x_of(tmp_path / "sub/deep/a.fp", cache, root=tmp_path) == 5


@pytest.mark.parametrize("text", ["read-text(./link)", '"${./link}"', 'import("./link").x', "read-text(./dir/note)"])
def test_a_symlink_out_of_the_project_is_refused(tmp_path: Path, cache: Path, text: str) -> None:
    write(tmp_path, secret="x = 1", note="x", project__a_fp=f"x = {text}")
    (tmp_path / "project/link").symlink_to(tmp_path / "secret")
    (tmp_path / "project/dir").symlink_to(tmp_path)
    with pytest.raises(EvalError, match="outside the project"):
        x_of(tmp_path / "project/a.fp", cache)


def test_a_symlink_within_the_project_is_followed(tmp_path: Path, cache: Path) -> None:
    write(
        tmp_path,
        a_fp='x = [read-text(./link), import("./b.fp").x]',
        note="n",
        lib__c_fp='x = import("./d.fp").x',
        lib__d_fp="x = 7",
    )
    (tmp_path / "link").symlink_to("note")
    (tmp_path / "b.fp").symlink_to("lib/c.fp")
    assert x_of(tmp_path / "a.fp", cache) == ["n", 7]


def test_a_joined_path_out_of_the_project_is_refused(tmp_path: Path, cache: Path) -> None:
    write(tmp_path, secret="s", project__a_fp='x = read-text(./sub + "/../../secret")')
    with pytest.raises(EvalError, match="outside the project"):
        x_of(tmp_path / "project/a.fp", cache)


def test_the_library_is_searched_in_order(tmp_path: Path, cache: Path) -> None:
    write(
        tmp_path,
        pkgs__thing_fp='x = import("./helper.fp").x',
        pkgs__helper_fp="x = [settings.arch]",
        a_fp='x = import("fpack/thing").x',
    )
    write(tmp_path, pkgs__debian_fp="x = 1")
    evaluator = Evaluator(cache=cache, library=[tmp_path / "pkgs"], settings={"arch": "arm64"})
    assert evaluator.force(evaluator.select(evaluator.load(tmp_path / "a.fp"), ["x"]), deep=True) == ["arm64"]
    # The standard library comes first.
    assert evaluator.expression('has(import("fpack/container"), "container")') is True
    with pytest.raises(EvalError, match="no packages here"):
        evaluator.expression('import("fpack/debian")')


@pytest.mark.parametrize("name", ["fpack/", "fpack/../a", "fpack/a/b", "fpack/.x", "/etc/passwd", "a.fp", ""])
def test_invalid_library_names_are_errors(tmp_path: Path, cache: Path, name: str) -> None:
    write(tmp_path, a_fp=f'x = import("{name}")')
    with pytest.raises(EvalError):
        x_of(tmp_path / "a.fp", cache)


def test_the_library_cannot_reach_the_project(tmp_path: Path, cache: Path) -> None:
    write(tmp_path, pkgs__thing_fp='x = import("../a.fp").y', a_fp='x = import("fpack/thing").x\ny = 1')
    with pytest.raises(EvalError, match="outside the library"):
        x_of(tmp_path / "a.fp", cache, library=[tmp_path / "pkgs"])


def test_a_file_is_run_once(tmp_path: Path, cache: Path) -> None:
    write(tmp_path, a_fp='x = import("./b.fp").d == import("./sub/../b.fp").d', b_fp='d = on-demand("x", y => y)')
    write(tmp_path, sub__c_fp="x = 1")
    assert x_of(tmp_path / "a.fp", cache) is True


def test_importing_a_directory_or_a_missing_file_is_an_error(tmp_path: Path, cache: Path) -> None:
    write(tmp_path, a_fp='x = import("./sub")', sub__b_fp="x = 1")
    with pytest.raises(EvalError, match="is a directory"):
        x_of(tmp_path / "a.fp", cache)
    with pytest.raises(Exception, match="There is no file"):
        Evaluator(cache=cache).load(tmp_path / "none.fp")


def test_relative_paths_of_an_expression_start_at_the_root(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, note="n", sub__note="m")
    assert Evaluator(root=tmp_path / "sub", cache=cache).expression("read-text(./note)") == "m"
    monkeypatch.chdir(tmp_path)
    assert Evaluator(cache=cache).expression("read-text(./note)") == "n"


def test_own_names_hide_the_preludes(tmp_path: Path, cache: Path) -> None:
    write(tmp_path, a_fp="container = 1\nmap = 2\nx = [container, map, { fetch = 3, y = fetch }.y, (text => text)(4)]")
    assert x_of(tmp_path / "a.fp", cache) == [1, 2, 3, 4]


def test_a_too_large_file_is_an_error(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.lang.syntax.source.MAX_FILE", 100)
    write(tmp_path, a_fp="x = 1 #" + "x" * 100)
    with pytest.raises(Exception, match="too large"):
        x_of(tmp_path / "a.fp", cache)
