"""The compiled library of an installation: the first command on a new machine does not compile it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fpack.cli.version import VERSION
from fpack.cli.workspace.curated import package_directory
from fpack.lang.evaluator import Evaluator
from fpack.lang.module_loader import Modules
from fpack.lang.syntax import lalr_tables
from fpack.lang.syntax.source import Source
from fpack.store.files import disk_cache


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("installation") / "compiled"
    # In another process: this one may have the tables of the parser already.
    subprocess.run([sys.executable, "-m", "fpack.cli.compile_library", made], check=True, cwd=made.parent)
    return made


def evaluated() -> tuple[object, list[str]]:
    """Evaluate with the library, with an empty cache. Return the value and the library's files that were compiled."""
    names: list[str] = []
    compile_ = Modules._compile

    def noted(self: Modules, source: Source, *rest: bool) -> object:
        names.append(source.name)
        return compile_(self, source, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Modules, "_compile", noted)
        patch.setattr(lalr_tables, "_known", None)
        evaluator = Evaluator(library=[package_directory()], settings={"version": VERSION})
        value = evaluator.force(evaluator.expression('import("fpack/lists").sum([1, 2, 3])'))
    return value, [name for name in names if name.startswith("fpack/")]


def test_nothing_of_the_library_is_compiled(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "INSTALLED", str(compiled))
    monkeypatch.setattr(lalr_tables, "generate", lambda grammar: pytest.fail("the tables were generated"))
    assert evaluated() == (6, [])


@pytest.mark.parametrize("damage", ["missing", "changed", "another directory's"])
def test_without_usable_entries_the_library_is_compiled(
    compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    other = tmp_path / ("compiled" if damage != "another directory's" else "other")
    other.mkdir()
    for entry in compiled.iterdir() if damage != "missing" else ():
        data = entry.read_bytes()
        (other / entry.name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage == "changed" else data)
    monkeypatch.setattr(disk_cache, "INSTALLED", str(other))
    value, names = evaluated()
    assert value == 6 and "fpack/lists.fp" in names


def test_this_installation_has_the_library_compiled(compiled: Path) -> None:
    installed = Path(disk_cache.INSTALLED)
    if "site-packages" not in installed.parts:
        pytest.skip("fpack runs from its sources")
    assert {entry.name for entry in compiled.iterdir()} <= {entry.name for entry in installed.iterdir()}
