"""Test that a failing clean-up, a dying device and a dying worker end a build instead of stopping it for ever."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds.text import TextBuilder
from fpack.builders.protocol import Built, Steps, Task
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler import scheduler as module
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.reporter import BuildOutcome
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store import threads
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.errors import DiskError
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.stores.recorder import Call, Recorder


class Workshop:
    """A store, and builds by a function."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.recorder = Recorder()

    def build(self, function: Callable[[Task], Built | Steps], *names: str, **options: Any) -> list[StorePath]:
        """Build one derivation for each name."""
        bodies = {}
        for name in names:
            body = Derivation("call", name, {"text": name}, ()).encode()
            bodies[digest(body)] = body
        kinds: Any = {"text": TextBuilder(), "call": Call(function)}
        self.recorder = Recorder()
        scheduler = Scheduler(self.store, kinds, self.recorder, assemble=assemble, bodies=bodies, **options)
        return scheduler.realise([Output(each) for each in bodies])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    shop = Workshop(tmp_path / "fpack")
    yield shop
    shop.store.close()


def with_scratch(task: Task) -> Built:
    """Build a file, and leave files for the clean-up in a scratch directory."""
    scratch = task.scratch()
    (scratch / "directory").mkdir()
    (scratch / "directory" / "file").write_text("x")
    (scratch / "file").write_text("x")
    writer = task.writer()
    writer.file("", [task.name.encode()])
    return Built(writer)


@pytest.mark.parametrize("call", ["rmdir", "unlink", "fchmod", "open", "close", "scandir"])
def test_an_error_of_the_clean_up_is_a_warning(shop: Workshop, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    real = getattr(os, call)
    scratch: list[str] = []

    def function(task: Task) -> Built:
        built = with_scratch(task)
        scratch.append(str(task._temporary[0]))  # type: ignore[attr-defined]
        return built

    def fail(*args: Any, **more: Any) -> Any:
        names = [str(args[0]), os.readlink(f"/proc/self/fd/{args[0]}") if isinstance(args[0], int) else ""]
        if isinstance(more.get("dir_fd"), int):
            names.append(os.readlink(f"/proc/self/fd/{more['dir_fd']}"))
        if scratch and any(name.startswith(scratch[0]) for name in names):
            raise OSError(errno.EIO, os.strerror(errno.EIO), args[0])
        return real(*args, **more)

    monkeypatch.setattr(os, call, fail)
    (path,) = shop.build(function, "good")
    assert shop.store.disk(path).read_text() == "good"
    assert shop.recorder.outcomes == [("good", BuildOutcome.BUILT)]
    assert len(shop.recorder.warnings) == 1 and "Input/output error" in shop.recorder.warnings[0]
    monkeypatch.undo()
    # The lock of the build is free, and the end of the session deletes what is left.
    assert [name for name in os.listdir(shop.store.root / "locks") if name.startswith("build-")] == []
    shop.store.close()
    shop.store = Store(shop.store.root)
    assert os.listdir(shop.store.root / "tmp") == []


def test_a_failing_log_and_a_failing_lock_are_warnings(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    shop.build(with_scratch, "before")
    monkeypatch.setattr("fpack.builders.scheduler.build_log.BuildLog.close", refuse)
    monkeypatch.setattr("fpack.store.locks.FileLock.release", refuse)
    monkeypatch.setattr("fpack.store.locks.FileLock.__exit__", lambda lock, *_: None)
    assert shop.build(with_scratch, "good")
    assert len(shop.recorder.warnings) == 2
    monkeypatch.undo()


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError(), ValueError("x")])
def test_whatever_ends_a_worker_is_an_error_of_the_build(shop: Workshop, error: BaseException) -> None:
    def function(task: Task) -> Built:
        raise error

    with pytest.raises(BuildsFailed):
        shop.build(function, "bad")
    assert shop.build(with_scratch, "bad"), "the lock is free again"


def test_a_worker_whose_news_is_lost_is_noticed(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK", 0.05)
    monkeypatch.setattr(threads.ThreadJob, "_finish", forget_the_news(threads.ThreadJob._finish))
    assert shop.build(with_scratch, "a", "b", "c")


def forget_the_news(finish: Callable[..., None]) -> Callable[..., None]:
    """Let a job end without telling anybody."""

    def silently(job: Any, error: BaseException | None) -> None:
        job._then = None
        finish(job, error)

    return silently


def test_a_thread_that_cannot_be_started_is_an_error(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads.threading.Thread, "start", refuse)
    with pytest.raises(BuildsFailed, match="resources"):
        shop.build(with_scratch, "a", "b")
    monkeypatch.undo()
    assert shop.build(with_scratch, "a", "b")


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENOLCK])
def test_an_error_of_the_device_ends_all_builds_with_one_message(shop: Workshop, number: int) -> None:
    def function(task: Task) -> Built:
        raise OSError(number, os.strerror(number), "/fpack/files/x")

    names = [f"n{at}" for at in range(40)]
    with pytest.raises(BuildsFailed) as caught:
        shop.build(function, *names, keep_going=True, jobs=3)
    assert len(caught.value.failures) == 1
    assert "1 builds" not in caught.value.what and caught.value.hint
    assert len(shop.recorder.of(BuildOutcome.FAILED)) <= 3


def test_an_error_of_one_path_fails_one_build(shop: Workshop) -> None:
    def function(task: Task) -> Built:
        if task.name != "n1":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/x")
        return with_scratch(task)

    with pytest.raises(BuildsFailed) as caught:
        shop.build(function, "n0", "n1", "n2", keep_going=True)
    assert len(caught.value.failures) == 2
    assert not isinstance(caught.value.failures[0][1], DiskError)


def test_an_error_of_the_scheduling_thread_waits_for_the_workers(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, calls = threading.Event(), threading.Event(), []

    def function(task: Task) -> Built:
        begun.set()
        try:
            while True:
                task.check()
        finally:
            ended.set()

    def started(self: Recorder, key: bytes) -> None:
        calls.append(key)
        if len(calls) == 2:
            begun.wait()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Recorder, "started", started)
    with pytest.raises(OSError, match="Input/output error"):
        shop.build(function, "a", "b", jobs=2)
    assert ended.is_set()
