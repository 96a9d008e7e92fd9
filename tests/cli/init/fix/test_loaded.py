"""Libraries that ready-made files of a built package load from the system: what the build tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.builders.debian.contents.finder import NeedFinder
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.cli.init.fix import loaded
from fpack.cli.init.introspection import loaded_libraries
from fpack.cli.workspace import needs, package_lookup

INDEX = "usr/lib/x86_64-linux-gnu/libGL.so.1 libs/libgl1\nusr/lib/x86_64-linux-gnu/libEGL.so.1 libs/libegl1\n"
FINDER = NeedFinder(
    ContentsIndex("trixie", "amd64", 0, [FileTable(memoryview(pack_rows(parse_rows([INDEX.encode()]))))])
)
LACKING = {"libGL.so.1": "lib/cv2/cv2.abi3.so", "libEGL.so.1": "lib/q.so", "libhidden.so.1": "lib/q.so"}
FILE = 'app = python {\n  name = "app"\n}\nother = make { name = "other" }\n'


class _Workspace:
    """A workspace whose package has some packages of Debian."""

    arch = "amd64"

    def __init__(self, present: tuple[str, ...]) -> None:
        self.present = present
        self.evaluator = SimpleNamespace(force=lambda value: value)

    def field(self, value: Any, name: str) -> Any:
        return {"release": "trixie", "debian-packages": [{"name": n} for n in self.present]}.get(name, value.get(name))


def _told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], attribute: str = "app",
    lacking: Mapping[str, str] = LACKING, present: tuple[str, ...] = (), finder: NeedFinder | None = FINDER,
) -> str:  # fmt: skip
    monkeypatch.setattr(loaded_libraries, "lacking_sonames", lambda built, machine: lacking)
    monkeypatch.setattr(package_lookup, "Packages", lambda workspace, release: SimpleNamespace(release=release))
    monkeypatch.setattr(loaded, "closure", lambda packages, names: frozenset(names))
    monkeypatch.setattr(needs, "cached_finder", lambda packages: finder)
    workspace: Any = _Workspace(present)
    loaded.tell_lacking(workspace, attribute, FILE, {}, Path("/built"))
    return capsys.readouterr().err


def test_a_build_names_the_packages_that_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _told(monkeypatch, capsys)
    assert "add debian.libgl1, debian.libegl1 to `libs`" in told
    assert "the build has no libGL.so.1, which cv2.abi3.so loads" in told and "hidden" not in told


def test_nothing_is_told_of_what_the_build_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "libgl1" not in _told(monkeypatch, capsys, present=("libgl1",))
    assert _told(monkeypatch, capsys, present=("libgl1", "libegl1")) == ""
    assert _told(monkeypatch, capsys, lacking={}) == ""


def test_nothing_is_told_of_other_packages_or_without_an_index(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _told(monkeypatch, capsys, attribute="other") == "" and _told(monkeypatch, capsys, finder=None) == ""
