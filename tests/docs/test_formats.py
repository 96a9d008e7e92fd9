"""The page of formats: the number of each format is that of the module that its row names."""

from __future__ import annotations

import re
from importlib import import_module

from support.paths import REPOSITORY

_ROW = re.compile(r"\| ([^|]+) \| (\d+) \| [^|]+ \| [^|]*`([a-z_/]+)\.py` \|")


def test_numbers_are_those_of_the_code() -> None:
    rows = _ROW.findall((REPOSITORY / "docs/formats.md").read_text())
    told = {name: int(number) for name, number, _ in rows}
    assert told == {name: import_module(f"fpack.{path.replace('/', '.')}").FORMAT for name, _, path in rows}
    assert len(rows) >= 17
