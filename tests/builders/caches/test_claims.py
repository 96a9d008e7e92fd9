"""Claims of builds: they save work, and never keep anybody waiting for what nobody builds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fpack.builders.caches.claims import LONGEST, BuildClaims
from fpack.builders.caches.gc import collect
from fpack.builders.distribution.layout import DirectoryRepository
from support.caches import machine
from support.registry import Registry, open_registry

KEY = bytes(20)


def test_another_machine_waits_until_a_claim_is_released(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path)
    first, second = BuildClaims(repository), BuildClaims(repository)
    assert first.take(KEY) and not second.take(KEY)
    first.release(KEY)
    assert second.take(KEY)


def test_the_claim_of_a_machine_that_crashed_does_not_count_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(tmp_path / "machine") as one:
        repository = one.cache.repository
        assert BuildClaims(repository).take(KEY)
        later = time.time() + LONGEST + 1
        monkeypatch.setattr(time, "time", lambda: later)
        assert BuildClaims(repository).take(KEY)
        assert len(repository.tags("b-")) == 2
        collect(one.cache, 30)
        assert len(repository.tags("b-")) == 1


@pytest.mark.parametrize("status", [400, 404, 405])
def test_without_deletion_of_tags_there_are_no_claims(status: int) -> None:
    """Nobody could take back the claim of a build that failed."""
    with Registry() as registry:
        registry.fail("DELETE", status, times=None)
        repository = open_registry(registry)
        assert BuildClaims(repository).take(KEY)
        assert BuildClaims(repository).take(KEY)
        assert repository.tags("b-") == ["b-probe"]
