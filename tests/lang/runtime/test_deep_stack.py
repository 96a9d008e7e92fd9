"""Deep recursion: as deep as one may wish, and without a crash beyond."""

from __future__ import annotations

import _thread
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import deep_stack
from support.time_limits import WAIT

ENDLESS = [
    "let f(n) = 1 + f(n + 1) in f(0)",
    "let f(n) = [n, ...f(n + 1)] in f(0)",
    "let f(n) = head(sort([n, 1], x => f(x))) in f(0)",
    'let f(n) = on-demand("x", k => f(k)).a in f(0)',
    "let f(n) = { a = f(n), b = n, c = b }.with { b = 2 }.a in f(0)",
    'let f(n) = "${derivation { kind = "a", name = "b", c = f(n) }}" in f(0)',
    "let f(n) = to-json([f(n)]) in f(0)",
    'let f(n) = replace-all("a", "a", f(n)) in f(0)',
    "let f(n) = [{ a = f(n) }] == [{ a = f(n) }] in f(0)",
    "let xs = [1, ...xs] in xs",
    "let f({ a }) = f { a = 1 } in f { a = 2 }",
    "let f(n) = fold([n], 0, (a, b) => f(b)) in f(0)",
]


@pytest.mark.slow
@pytest.mark.parametrize("text", ENDLESS)
def test_endless_recursion_is_an_error(text: str) -> None:
    evaluator = Evaluator()
    for _ in range(2):
        with pytest.raises(EvalError, match="without end|depends on itself"):
            evaluator.expression(text)
    assert evaluator.expression("1 + 1") == 2


def test_ten_thousand_levels_of_recursion_work() -> None:
    evaluator = Evaluator()
    assert evaluator.expression("let f(n) = if n == 0 then 0 else 1 + f(n - 1) in f(20000)") == 20000
    assert evaluator.expression("fold(range(10000), x => x, (f, n) => x => f(x + 1))(0)") == 10000
    assert evaluator.expression("let f(n) = if n == 0 then [] else [n, ...f(n - 1)] in length(f(5000))") == 5000


def test_memory_stays_bounded() -> None:
    probe = (
        "from fpack.lang.evaluator import Evaluator\n"
        "try: Evaluator().expression('let f(n) = [n, ...f(n + 1)] in f(0)')\n"
        "except Exception as error: print(error.what)\n"
        # Not ru_maxrss, which a child inherits from the process that it was forked from.
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd="/").stdout
    what, size = out.splitlines()
    assert "without end" in what
    assert int(size) < 200_000  # KB


def test_the_recursion_limit_is_restored() -> None:
    before = sys.getrecursionlimit()
    assert deep_stack.run(sys.getrecursionlimit) >= deep_stack.FRAMES
    with pytest.raises(ZeroDivisionError):
        deep_stack.run(lambda: 1 // 0)
    assert sys.getrecursionlimit() == before


def test_no_search_for_cycles_follows_a_run() -> None:
    """Values of a run live on, so a search among them would find nothing."""
    import gc

    thresholds = gc.get_threshold()
    searches = []
    gc.callbacks.append(found := lambda phase, info: searches.append(phase))
    try:
        kept = deep_stack.run(lambda: [[] for _ in range(200_000)])
        kept.append([])
        assert not searches
    finally:
        gc.callbacks.remove(found)
        gc.set_threshold(*thresholds)


def test_a_run_within_a_run_stays_in_its_thread() -> None:
    def inner() -> bool:
        return deep_stack.run(_thread.get_ident) == _thread.get_ident()

    assert deep_stack.run(inner)
    assert deep_stack.run(_thread.get_ident) != _thread.get_ident()


def test_calls_within_a_run_share_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = deep_stack._start
    monkeypatch.setattr(deep_stack, "_start", lambda *args: started.append(args) or start(*args))
    evaluator = Evaluator()
    value = evaluator.expression("{ a = 1 + 1, b = [2] }")
    started.clear()
    assert evaluator.run(lambda: [evaluator.force(value[name]) for name in ("a", "b", "a")]) == [2, [2], 2]
    assert len(started) == 1


def test_a_machine_with_little_memory_gets_a_smaller_stack() -> None:
    probe = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))\n"
        "from fpack.lang.evaluator import Evaluator\n"
        "evaluator = Evaluator()\n"
        "print(evaluator.expression('1 + 1'))\n"
        "try: evaluator.expression('let f(n) = 1 + f(n + 1) in f(0)')\n"
        "except Exception as error: print(error.what)\n"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd="/").stdout
    assert out.splitlines() == ["2", "Calls are nested too deeply, perhaps without end"]


def test_a_long_call_is_stopped() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    begun = time.process_time()
    slow = re.compile("(a+)+b")
    with pytest.raises(deep_stack.Slow):
        deep_stack.run(lambda: deep_stack.interruptible(lambda: slow.match("a" * 60), 0.3))
    assert time.process_time() - begun < 5
    assert signal.getsignal(signal.SIGVTALRM) == before and signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert deep_stack.run(lambda: deep_stack.interruptible(lambda: 5, 0.3)) == 5
    with pytest.raises(ZeroDivisionError):
        deep_stack.run(lambda: deep_stack.interruptible(lambda: 1 // 0, 0.3))


def test_a_call_in_another_thread_has_no_limit() -> None:
    found = []
    thread = threading.Thread(
        target=lambda: found.append(deep_stack.run(lambda: deep_stack.interruptible(lambda: 5, 0.3)))
    )
    thread.start()
    thread.join()
    assert found == [5] and deep_stack.interruptible(lambda: 6, 0.3) == 6


_NO_LINEAR_TIME = 'match("' + "a" * 60 + r'", "(a+)+(\\1)b")'


def _seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_interruption_ends_a_long_call() -> None:
    probe = (
        "from fpack.lang.evaluator import Evaluator\n"
        "print(1, flush=True)\n"
        f"try: Evaluator().expression({_NO_LINEAR_TIME!r})\n"
        "except KeyboardInterrupt: print(2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", probe], stdout=subprocess.PIPE, text=True, cwd="/")
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    begun = _seconds(process.pid)
    while _seconds(process.pid) - begun < 0.3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=WAIT)[0] == "2\n"
