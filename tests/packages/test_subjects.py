"""fpack, as the lists of packages run it."""

from __future__ import annotations

from pathlib import Path

from packages.subjects import Fpack


def test_it_collects_nothing_in_a_store_that_others_fill(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home", store=tmp_path / "shared")
    assert fpack("config", "store.root") == f"{tmp_path}/shared\n"
    assert fpack("config", "gc.automatic") == "false\n"
