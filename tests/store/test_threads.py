"""Test that no exception of a thread is lost, and that one module starts all threads."""

from __future__ import annotations

import ast
import re
import threading
import time

import pytest
from fpack.store import threads
from support.sources import modules

# Functions and classes that start threads, wherever they are from.
STARTERS = {
    "Thread", "Timer", "start_new_thread", "start_new", "start_joinable_thread", "ThreadPoolExecutor", "ThreadPool",
    "run_in_executor", "to_thread", "ThreadingHTTPServer", "ThreadingMixIn", "ThreadingTCPServer", "dummy",
}  # fmt: skip
MODULES = {"concurrent", "multiprocessing"}
_WORD = re.compile("|".join(STARTERS | MODULES))  # most modules hold none, and need not be parsed


def starts(text: str) -> list[str]:
    """Return the names in a module's source that can start a thread."""
    found: list[str] = []
    if not _WORD.search(text):
        return found
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [entry.name for entry in node.names if entry.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [str(node.module)] if str(node.module).partition(".")[0] in MODULES else []
            found += [entry.name for entry in node.names if entry.name in STARTERS]
        elif isinstance(node, ast.Attribute) and node.attr in STARTERS:
            found.append(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] if node.value in STARTERS - {"dummy"} else []
    return found


@pytest.mark.parametrize(
    "text",
    [
        "import threading; threading.Thread(target=f).start()",
        "from threading import Thread as T",
        "import threading as t; t.Timer(1, f)",
        "import _thread; _thread.start_new_thread(f, ())",
        "from concurrent.futures import ThreadPoolExecutor",
        "import concurrent.futures",
        "import multiprocessing.pool",
        "import asyncio; asyncio.to_thread(f)",
        "loop.run_in_executor(None, f)",
        "import threading; getattr(threading, 'Thread')(target=f)",
    ],
)
def test_the_scan_finds_each_way_to_start_a_thread(text: str) -> None:
    assert starts(text)


def test_no_other_module_starts_a_thread() -> None:
    found = {name: starts(text) for name, text in modules()}
    assert len(found) > 200
    assert {name: ways for name, ways in found.items() if ways and name not in threads.STARTERS} == {}
    assert [name for name in threads.STARTERS if not found[name]] == []


@pytest.mark.parametrize("error", [ValueError("x"), OSError(5, "x"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_an_exception_reaches_the_waiting_thread(error: BaseException) -> None:
    def work() -> None:
        raise error

    job = threads.start(work, "test")
    with pytest.raises(type(error)):
        job.result()
    assert job.done and job.error is error
    pool = threads.Workers(2, "test")
    told = threading.Event()
    failing = pool.submit(work, told.set)
    with pytest.raises(type(error)):
        failing.result()
    assert told.wait(60)
    assert pool.submit(lambda: 5).result() == 5, "the thread has survived"
    pool.close()


def test_a_result_is_returned_and_a_slow_job_is_not_done() -> None:
    go = threading.Event()
    job = threads.start(lambda: go.wait() and "result", "test")
    assert not job.wait(0.01) and not job.done
    go.set()
    assert job.result() == "result" and job.done and job.error is None


def test_the_news_cannot_end_a_thread() -> None:
    def broken() -> None:
        raise MemoryError

    with threads.Workers(1, "test") as pool:
        assert pool.submit(lambda: 1, broken).result() == 1
        assert pool.submit(lambda: 2).result() == 2


def test_a_pool_has_no_more_threads_than_its_limit() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return number * number

    with threads.Workers(3, "test") as pool:
        assert pool.map(work, range(40)) == [number * number for number in range(40)]
    assert 1 <= most <= 3


def test_stop_drops_waiting_jobs_and_waits_for_the_running_one() -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go.wait()
        return "whole"

    pool = threads.Workers(1, "test")
    first, second = pool.submit(work), pool.submit(lambda: "never")
    begun.wait()
    stopper = threading.Thread(target=pool.stop)
    stopper.start()
    go.set()
    stopper.join(30)
    assert not stopper.is_alive() and first.result() == "whole"
    with pytest.raises(RuntimeError):
        second.result()


def test_a_thread_that_cannot_be_started_is_an_error_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = threads.Workers(2, "test")
    assert pool.submit(lambda: 1).result() == 1
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(BlockingIOError, match="cannot be started"):
        threads.start(lambda: 1, "test").result()
    with pytest.raises(BlockingIOError, match="cannot be started"):
        threads.Workers(1, "test").submit(lambda: 1).result()
    assert [pool.submit(lambda: 2).result() for _ in range(3)] == [2, 2, 2], "a pool goes on with the threads it has"
    pool.close()
