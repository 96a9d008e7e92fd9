"""Test that workers share what one of them has made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.sharing import made_once


@pytest.fixture
def factories(tmp_path: Path) -> list[Any]:
    """Return the factories of temporary folders of two workers of one run."""
    return [SimpleNamespace(getbasetemp=lambda name=name: tmp_path / name) for name in ("popen-gw0", "popen-gw1")]


def never() -> Any:
    raise AssertionError("it is made again")


def test_the_second_worker_gets_the_value_of_the_first(factories: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    value = {"a": [1, "ü", None]}
    assert made_once(factories[0], "value", lambda: value) == value
    assert made_once(factories[1], "value", never) == value
    assert made_once(factories[1], "other", lambda: 5) == 5


def test_what_failed_is_tried_again(factories: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    with pytest.raises(AssertionError, match="again"):
        made_once(factories[0], "value", never)
    assert made_once(factories[1], "value", lambda: 5) == 5


def test_a_run_without_workers_shares_nothing(factories: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    values = iter((1, 2))
    assert [made_once(factories[0], "value", lambda: next(values)) for _ in range(2)] == [1, 2]
