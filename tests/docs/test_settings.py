"""The page of settings: it has each setting, by its option and its variable."""

from __future__ import annotations

import re

from fpack.store import settings
from fpack.store.settings import Setting
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs/settings.md"


def test_each_setting_has_a_row() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = {tuple(re.findall(r"`([^`]+)`", " ".join(row[:2]))) for row in rows}
    known = {(each.variable, each.option) for each in vars(settings).values() if isinstance(each, Setting)}
    assert known and known <= {pair for pair in named if len(pair) == 2}
