"""Debian's packages, packed, work: each runs a real command, or is started by the printed line and answers a request.

Five are tried always. All of the lists are tried, in Debian too, with `pytest -m long tests/packages`: hours.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages import table
from packages.cases import SERVER, Case, read
from packages.run import Harness
from support.processes.podman import missing
from support.stores.shared import shared_store

pytestmark = [pytest.mark.podman, pytest.mark.network]

HERE = Path(__file__).parent
SHORT = ["apache2", "git", "nano", "openssh-server", "zsh"]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    store = shared_store(tmp_path_factory)
    harness = Harness(tmp_path_factory.mktemp("packages"), debian=False, linked=False, store=store)
    yield harness
    harness.close()


@pytest.mark.parametrize(
    "case", [case for case in read(HERE / "named.toml")[0] if case.name in SHORT], ids=lambda case: case.name
)
def test_it_works(case: Case, harness: Harness) -> None:
    result = harness.attempt(case)
    assert result["fpack"] == "works", table.line(result)


@pytest.mark.long
@pytest.mark.parametrize(("name", "share"), [("packages", 0.97), ("named", 1.0)])
def test_the_list_works(name: str, share: float, tmp_path: Path) -> None:
    if reason := missing() or ("" if shutil.which("mmdebstrap") else "not installed: mmdebstrap"):
        pytest.skip(reason)
    cases, _skipped = read(HERE / f"{name}.toml")
    harness = Harness(tmp_path)
    try:
        results = {(case.release, case.name): harness.attempt(case) for case in cases}
    finally:
        harness.close()
    text = table.render(cases, results)
    print(text)
    works = [case for case in cases if results[case.release, case.name]["fpack"] == "works"]
    servers = [case for case in cases if case.kind == SERVER]
    assert len(works) >= share * len(cases), text
    assert sum(case.kind == SERVER for case in works) >= 0.9 * len(servers), text
