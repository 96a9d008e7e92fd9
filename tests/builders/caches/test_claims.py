"""Claims of builds: they save work, and never keep anybody waiting for what nobody builds."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fpack.builders.caches import claims
from fpack.builders.caches.claims import LONGEST, RENEWAL, SILENCE, BuildClaims
from fpack.builders.caches.gc import collect
from fpack.builders.caches.push import BackgroundPush
from fpack.builders.caches.substitution import CacheSubstituter
from fpack.builders.distribution.layout import DirectoryRepository
from support.servers.registry import Registry, open_registry
from support.stores.caches import GENERATION, machine
from support.stores.caches import KEY as PUSHER

KEY = bytes(20)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Check that the claims of a test are closed: until then, a thread renews them."""
    before = set(threading.enumerate())
    yield
    assert [thread.name for thread in threading.enumerate() if thread not in before and thread.name == "claims"] == []


def test_another_machine_waits_until_a_claim_is_released(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path)
    with closing(BuildClaims(repository)) as first, closing(BuildClaims(repository)) as second:
        assert first.take(KEY) and not second.take(KEY)
        first.release(KEY)
        assert second.take(KEY)


def test_the_claim_of_a_machine_that_crashed_does_not_count_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(tmp_path / "machine") as one:
        repository = one.cache.repository
        with closing(BuildClaims(repository)) as crashed, closing(BuildClaims(repository)) as living:
            assert crashed.take(KEY)
            later = time.time() + LONGEST + 1
            monkeypatch.setattr(time, "time", lambda: later)
            assert living.take(KEY)
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


def test_the_claim_of_a_silent_machine_is_free_after_some_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waiting machine measures the silence: clocks of machines differ."""
    now = [1000.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(claims.time, "time", lambda: 1e9 + now[0])
    repository = DirectoryRepository(tmp_path)
    living, waiting = BuildClaims(repository), BuildClaims(repository)
    assert living.take(KEY) and not waiting.take(KEY)
    for _ in range(20):
        now[0] += RENEWAL
        living.renew()
        assert not waiting.take(KEY)
    assert len(repository.tags("b-alive-")) == 1
    now[0] += SILENCE - 1
    assert not waiting.take(KEY)
    now[0] += 2
    assert waiting.take(KEY)
    living.close()
    waiting.close()
    assert repository.tags("b-") == []


def test_a_machine_renews_its_sign_of_life_twice_in_a_millisecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims.time, "time", lambda: 1e9)
    repository = DirectoryRepository(tmp_path)
    living = BuildClaims(repository)
    assert living.take(KEY)
    for _ in range(2):
        living.renew()
        assert len(repository.tags("b-alive-")) == 1
    living.close()


def test_a_machine_shows_that_it_lives_while_it_has_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEWAL", 0.01)
    repository = DirectoryRepository(tmp_path)
    one = BuildClaims(repository)
    assert one.take(KEY)
    for _ in range(1000):
        if repository.tags("b-alive-"):
            break
        time.sleep(0.01)
    assert repository.tags("b-alive-")
    one.close()
    assert repository.tags("b-") == []


def test_the_claim_of_a_killed_process_of_the_same_store_does_not_count(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "cache")
    (tmp_path / "locks").mkdir()
    child = os.fork()
    if not child:
        killed = BuildClaims(DirectoryRepository(tmp_path / "cache"), tmp_path / "locks")
        killed.take(KEY)
        killed.take(bytes(19) + b"x")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(repository.tags("b-0")) == 2
    assert not BuildClaims(repository).take(KEY), "another machine cannot know"
    assert not BuildClaims(repository, tmp_path).take(KEY), "nor another store"
    living = BuildClaims(repository, tmp_path / "locks")
    assert living.take(KEY)
    (tag,) = repository.tags("b-0")
    assert os.listdir(tmp_path / "locks") == [f"claim-{tag[-16:]}"]
    assert not BuildClaims(repository, tmp_path / "locks").take(KEY), "the owner lives"
    living.close()
    assert repository.tags("b-0") == os.listdir(tmp_path / "locks") == []


def test_no_claim_is_left_if_the_end_of_a_command_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: BackgroundPush) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BackgroundPush, "close", interrupted)
    with machine(tmp_path / "machine") as one:
        caches = CacheSubstituter(one.store, [one.cache], GENERATION, push_to=one.cache, key=PUSHER)
        assert caches.claim(KEY) and one.cache.repository.tags("b-0")
        with pytest.raises(KeyboardInterrupt):
            caches.close()
        assert one.cache.repository.tags("b-") == []
