"""The page of settings: it has each setting, by its name, its variable and its option."""

from __future__ import annotations

import re

from fpack.store.settings import SETTINGS
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs/settings.md"


def test_each_setting_has_a_row() -> None:
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    named = {tuple(row[:3]) for row in rows if len(row) == 5 and re.fullmatch(r"caches|[a-z]+\.[a-z-]+", row[0])}
    assert {(each.key, each.variable, each.option) for each in SETTINGS} <= named
    assert len(named) == len(SETTINGS) + 2
