"""Programs that never end, or take all there is: each is ended, by an error that names the place and the setting."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import pytest
from fpack.lang.errors import EvalError, Fault
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import deep_stack
from fpack.lang.runtime import limits as limits_module
from fpack.lang.runtime.limits import Exhausted, Limits, Watch, resident, shown_size
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME, SettingError
from support.processes.forked_python import ForkedPython

GUARD = 120  # seconds after which a test has failed: nothing here takes that long
MEMORY, TIME = "The evaluation takes too much memory", "The evaluation takes too long"

PREAMBLE = """
import json, sys
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime.limits import Limits
from fpack.store.errors import FpackError
cache = {cache!r}
Evaluator(limits=Limits(None, None), cache=cache).expression("1")
"""

PROBE = """
memory, seconds, place, text = json.loads(sys.argv[1])
evaluator = Evaluator(limits=Limits(None, None), root=place or None, cache=cache)
evaluator.expression("1")  # the library is compiled first, without limits
evaluator.limits.memory, evaluator.limits.seconds = memory, seconds
evaluator.limits.restart()
try:
    if place:
        evaluator.to_json(evaluator.load(place + "/fpack.fp")["x"])
    else:
        evaluator.to_json(evaluator.expression(text))
    told = {"what": "a value"}
except FpackError as error:
    told = {"what": error.what, "why": error.why, "hint": error.hint, "code": error.exit_code}
    if isinstance(error, EvalError):
        told |= {"line": error.line, "file": error.file, "marked": error.span.text[error.column - 1 :][:30]}
print(json.dumps(told))
"""


class Told(Protocol):
    """Return the output of a process that evaluates a text, or the field `x` of a project."""

    def __call__(
        self, text: str, memory: int | None = None, seconds: float | None = None, place: str = ""
    ) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    def told(text: str, memory: int | None = None, seconds: float | None = None, place: str = "") -> dict[str, Any]:
        done = python.run(PROBE, json.dumps([memory, seconds, place, textwrap.dedent(text)]), timeout=GUARD)
        assert done.returncode == 0, done.stderr[-2000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    with ForkedPython(PREAMBLE.format(cache=str(tmp_path_factory.mktemp("modules")))) as python:
        yield told


LONG = 'fold(range(22), "abcd", (s, _) => s + s)'  # 16 MB
MEDIUM = 'fold(range(20), "abcd", (s, _) => s + s)'  # 4 MB

# The last line of each is where the limit is reached.
TOO_LARGE = {
    "strings": 'fold(range(60), "x", (s, _) =>\n"${s}${s}")',
    "sums": 'fold(range(60), "x", (s, _) =>\ns + s)',
    "spreads": "fold(range(60), [1], (s, _) =>\n[...s, ...s])",
    "concat": "fold(range(60), [1], (s, _) =>\nconcat(s, s))",
    "flatten": "fold(range(60), [1], (s, _) =>\nflatten([s, s]))",
    "many parts": f'let s = {MEDIUM} in\n"{"${s}" * 2000}"',
    "join": f'let s = {MEDIUM} in\njoin(map(range(100000), _ => s), "")',
    "split": f'let s = {MEDIUM} + {MEDIUM} in\nsplit(s, "a")',
    "characters": f"let s = {MEDIUM} in\ncharacters(s + s)",
    "replace": f'let s = {MEDIUM} in\nreplace(s, "a", s)',
    "replace-all": f'let s = {MEDIUM} in\nreplace-all(s, "a", s)',
    "find-all": f'let s = {MEDIUM} in\nfind-all(s, "(a)(b)")',
    "from-json": 'let s = fold(range(20), "[],", (s, _) => s + s) in\nfrom-json("[" + s + "1]")',
    "to-json": f"let s = {MEDIUM} in\nto-json(map(range(100000), _ => s))",
    "lists": "\nmap(range(1000), n => let xs = map(range(1000000), x => [n, x]) in [length(xs), xs])",
    "trees": "let f(n) = if n == 0 then [] else\n[f(n - 1), f(n - 1)] in f(40) == f(40)",
    "records": '\nmap(range(500), n => { ${"a${x}"} = n + x for x in range(1000000) })',
    "derivation": f'let s = {MEDIUM} in\nderivation {{ kind = "a", name = "a", xs = map(range(10000), _ => s) }}',
    "substrings": f"let s = {MEDIUM} in\nmap(range(100000), n => substring(s, n, 16000000))",
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_memory_limit_error_has_the_position(told: Told, name: str) -> None:
    text = TOO_LARGE[name]
    error = told(text, memory=64 << 20, seconds=60)
    assert error["what"] == MEMORY, error
    assert error["why"].startswith("the limit is 64M") and error["code"] == 3
    assert error["hint"] == "--eval-memory or FPACK_EVAL_MEMORY sets another limit, as in --eval-memory 128M"
    if "a value of this text reached it" not in error["why"]:
        assert error["line"] == 1 + text.count("\n") and error["marked"], error


TOO_LONG = {
    "calls": "let f(n) = if n < 2 then n else\nf(n - 1) + f(n - 2) in f(90)",
    "folds": "\nfold(range(1000000), 0, (a, x) => a + fold(range(1000000), 0, (b, y) => b + y))",
    "comprehension": "\nlength([x for x in range(1000000) for y in range(1000000) if y < 0])",
    "json": "let f(n) = if n == 0 then [] else let a = f(n - 1) in [a, a] in\nto-json(f(60))",
    "unique": "\nunique(map(range(1000000), x => [x]))",
    "contains": "let xs = map(range(100000), x => [x]) in\nfilter(xs, x => contains(xs, [0 - 1]))",
    "texts": f'let s = {LONG} in\nfilter(range(1000000), _ => contains(s, "abcdabcdx"))',
    "expression": '\nfilter(range(1000000), n => match("${n}" + "aaaaaaaaaaaaaaaaaaaaaaaa", "(a|a)*b") != null)',
    "sort": f"let s = {LONG} in let xs = map(range(20), n => substring(s, 0, 4000000 + n)) in\n"
    "filter(range(1000000), _ => sort(xs) == [])",
    "toml": 'let s = fold(range(19), "1,", (s, _) => s + s) in\nfrom-toml("x = [${s}]")',
    "numbers": "\nfold(range(1000000), 1, (a, _) => a + a) / fold(range(500000), 3, (a, _) => a + a)",
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_time_limit_error_has_the_position(told: Told, name: str) -> None:
    text = TOO_LONG[name]
    error = told(text, memory=2 << 30, seconds=0.2)
    assert error["what"] == TIME, error
    assert error["why"].startswith("the limit is 0.2 seconds of processor time") and error["code"] == 3
    assert error["hint"] == "--eval-time or FPACK_EVAL_TIME sets another limit, as in --eval-time 0.4"
    if "a value of this text reached it" not in error["why"]:
        assert error["line"] == 1 + text.count("\n") and error["marked"], error


def test_sorting_one_long_string_many_times_is_fast(told: Told) -> None:
    """Compared in one call of C, which nothing can end, these took minutes."""
    found = told(f"let s = {LONG} in length(sort(map(range(100000), _ => s)))", memory=2 << 30, seconds=60)
    assert found == {"what": "a value"}


def test_evaluations_within_the_limits_succeed(told: Told) -> None:
    assert told("fold(range(100000), 0, (a, x) => a + x)", memory=1 << 30, seconds=60) == {"what": "a value"}
    assert told("fold(range(100000), 0, (a, x) => a + x)") == {"what": "a value"}


# ---- files


def project(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.fp").write_text(text)
    return str(folder)


def test_the_position_is_in_the_users_file(told: Told, tmp_path: Path) -> None:
    text = "slow(n) = if n == 0 then 0 else slow(n - 1) + slow(n - 1)\nx = lists.take(map([60], slow), 1)\n"
    error = told("", None, 0.3, project(tmp_path, fpack=f'lists = import("fpack/lists")\n{text}'))
    assert error["what"] == TIME and error["file"].endswith("/fpack.fp") and error["line"] == 2
    assert error["marked"].startswith("slow(n - 1)")


def test_limits_hold_while_a_large_text_is_compiled(told: Told, tmp_path: Path) -> None:
    large = "".join(f"a{n} = [{n}, {n} + 1, a{n % 7}]\n" for n in range(100_000))
    error = told("", None, 0.3, project(tmp_path, fpack='x = import("./large.fp").a1\n', large=large))
    assert error["what"] == TIME and "compiling this text reached it" in error["why"]
    assert error["file"].endswith("/large.fp") and error["line"] == 1
    error = told("", 20 << 20, None, project(tmp_path))
    assert error["what"] == MEMORY and "compiling this text reached it" in error["why"]
    assert error["file"].endswith("/large.fp")


def test_limits_hold_for_endless_imports(told: Told, tmp_path: Path) -> None:
    count = 3000
    for n in range(count):
        (tmp_path / f"f{n}.fp").write_text(f'y = 1 + import("./f{n + 1}.fp").y\n')
    (tmp_path / f"f{count}.fp").write_text("y = 0\n")
    error = told("", 1 << 30, 0.3, project(tmp_path, fpack='x = import("./f0.fp").y\n'))
    assert error["what"] == TIME and ".fp" in error["file"]


def test_time_spent_in_builtins_names_the_text(told: Told, tmp_path: Path) -> None:
    """Between the expressions of a text, none of them is the place."""
    text = f"x = map(range(100000), n => substring({LONG}, n, 16000000)) |> map(length)\n"
    error = told("", 1 << 30, 0.2, project(tmp_path, fpack=text))
    assert error["what"] == TIME and error["file"].endswith("/fpack.fp") and error["line"] == 1


def test_an_endless_file_is_refused(told: Told, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "other.fp")
    for text in ("x = read-text(./pipe)\n", 'x = import("./other.fp").a\n', "x = read-json(./pipe).a\n"):
        error = told("", 1 << 30, 60, project(tmp_path, fpack=text))
        assert "cannot be read" in error["what"] and error["why"] == "it is not a regular file", error


# ---- an evaluation that does not react


HOG = """
import re, sys, time
from fpack.lang.runtime import limits, deep_stack as stack
from fpack.lang.evaluator import Evaluator
limits.REACTION, limits._TIME_SPARE = 0.5, 1

def deaf():
    try:
        count = 0
        while True: count += 1
    except BaseException: pass
    finally: deaf()

def held():
    re.match("(a+)+b", "a" * 80)

evaluator = Evaluator(limits=limits.Limits(None, None))
call = evaluator.expression("f => let g(x) = f() in g(1)")
evaluator.limits.restart()
evaluator.limits.memory, evaluator.limits.seconds = 1 << 30, 0.3
# As a builtin is: a function of Python's that the language calls.
evaluator.call(call, {"deaf": lambda: deaf(), "held": lambda: held()}[sys.argv[1]])
print("it returned")
"""


def test_an_evaluation_that_ignores_the_limit_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HOG, "deaf"], capture_output=True, text=True, timeout=GUARD, cwd="/")
    assert done.returncode == 3 and done.stdout == "", done.stderr
    assert done.stderr.startswith(f"error: {TIME}\n  --> <command line>:1:")
    assert "the limit is 0.3 seconds of processor time" in done.stderr and "--eval-time" in done.stderr


def test_the_kernel_ends_a_blocking_c_call() -> None:
    done = subprocess.run([sys.executable, "-c", HOG, "held"], capture_output=True, text=True, timeout=GUARD, cwd="/")
    assert done.returncode == -signal.SIGXCPU and done.stdout == ""
    assert " in match\n" in done.stderr and 'File "expression", line 1 in ' in done.stderr


def test_a_late_error_prints_no_traceback() -> None:
    """The limit is reached at any instant: also when all is done."""
    probe = (
        "from fpack.lang.runtime import limits, deep_stack\n"
        "limits.POLL = 0.0005\nlimits._SHORT_POLL = 0.0005\nends = set()\n"
        "for n in range(300):\n"
        "    work = limits.Limits(None, 0.0005 + n * 1e-6)\n"
        "    try: ends.add(deep_stack.bounded(lambda: sum(range(20000)), work))\n"
        "    except Exception as error: ends.add(error.what)\n"
        "print(sorted(map(str, ends)))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=GUARD, cwd="/")
    assert done.returncode == 0 and done.stderr == ""
    assert set(json.loads(done.stdout.replace("'", '"'))) <= {TIME, "199990000"}


class Clumsy(Limits):
    """Has no memory left to note that an error was caught."""

    @property
    def caught(self) -> bool:
        return False

    @caught.setter
    def caught(self, value: bool) -> None:
        if value:
            raise MemoryError


def test_a_thread_that_fails_to_handle_its_error_is_not_waited_for() -> None:
    def work() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        deep_stack.run(work, Clumsy(None, None))
    with pytest.raises(Exhausted, match=MEMORY):
        deep_stack.run(lambda: bytes(1 << 50), Clumsy(100 << 20, 60))


class Full(SimpleQueue[Any]):
    """Has no memory for another entry."""

    def put(self, *_: object) -> None:
        raise MemoryError


@pytest.mark.parametrize("limits", [None, Limits(100 << 20, 60)])
def test_a_thread_that_cannot_report_its_end_is_not_waited_for(
    limits: Limits | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[object] = []
    monkeypatch.setattr(deep_stack, "SimpleQueue", Full)
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    assert deep_stack.run(lambda: 5, limits) == 5
    with pytest.raises(KeyError):
        deep_stack.run(lambda: {}["a"], limits)
    assert not printed


@pytest.mark.parametrize(("limits", "error"), [(None, MemoryError), (Limits(100 << 20, 60), Exhausted)])
def test_a_thread_that_ends_before_the_run_begins_is_not_waited_for(
    limits: Limits | None, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    start, printed = deep_stack._start, []

    def fail(token: object) -> None:
        del token  # `printed` keeps this frame
        raise MemoryError

    monkeypatch.setattr(deep_stack, "_start", lambda body, limit, token: start(fail, limit, token))
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with pytest.raises(error):
        deep_stack.run(lambda: 5, limits)
    assert len(printed) == 1


@pytest.mark.parametrize(("which", "option"), [(resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")])
def test_a_lower_limit_of_the_shell_is_named(which: int, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    low = 100 << 20
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (low if asked == which else resource.RLIM_INFINITY, -1))
    error = Limits(1 << 30, None).explained(MemoryError())
    assert isinstance(error, Exhausted)
    assert error.fault.what == "There is not enough memory for the evaluation" and error.fault.why == (
        "a process may have 100M here"
    )
    assert error.fault.hint == f"see ulimit {option}"
    error = Limits(low, None).explained(MemoryError())
    assert isinstance(error, Exhausted) and error.fault.what == "The evaluation takes too much memory"


def test_the_waiting_thread_runs_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's limit is that of the process: any allocation may be the one that fails."""

    def look(*_: object) -> bool:
        raise MemoryError

    def work() -> None:
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.append(True)

    ended: list[bool] = []
    monkeypatch.setattr(Watch, "check", look)
    with pytest.raises(Exhausted, match=MEMORY):
        deep_stack.run(work, Limits(100 << 20, 60))
    assert ended == [True]


def test_a_missing_exception_counts_as_lack_of_memory() -> None:
    texts = ("error return without exception set", "<function f> returned NULL without setting an exception")
    for text in texts:
        assert isinstance(Limits(1, None).explained(SystemError(text)), Exhausted)
        assert isinstance(Limits(None, 1).explained(SystemError(text)), SystemError)
    assert isinstance(Limits(1, None).explained(SystemError("unknown opcode")), SystemError)


def test_no_thread_is_ended_while_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended in there, it would hold the interpreter's import lock for as long as the process lives."""
    (tmp_path / "slow_to_import.py").write_text("import time\nfor _ in range(50): time.sleep(0.01)\ndone = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    imported: list[bool] = []

    def work() -> None:
        import slow_to_import  # type: ignore[import-not-found]

        imported.append(slow_to_import.done)
        while True:
            pass

    monkeypatch.setattr(limits_module, "POLL", 0.01)
    with pytest.raises(Exhausted, match=TIME):
        deep_stack.run(work, Limits(None, 0.0))
    assert imported == [True]


def test_values_are_freed_with_the_error() -> None:
    """A cycle with the traceback would keep it until the next collection."""

    class Large:
        pass

    def work() -> None:
        large = Large()
        made.append(weakref.ref(large))
        raise KeyError

    made: list[weakref.ref[Large]] = []
    gc.disable()
    try:
        with contextlib.suppress(KeyError):
            deep_stack.run(work, Limits(None, None))
        assert made[0]() is None
    finally:
        gc.enable()


# ---- how it is counted


def test_several_runs_count_together() -> None:
    limits = Limits(None, None)
    evaluator = Evaluator(limits=limits)
    assert evaluator.expression("1 + 1") == 2
    limits.restart()
    limits.seconds = 0.2
    with pytest.raises(EvalError, match=TIME):
        for _ in range(100_000):
            evaluator.expression("fold(range(20000), 0, (a, x) => a + x)")
    limits.restart()
    assert evaluator.expression("1 + 2") == 3


def test_after_an_error_the_next_evaluation_works() -> None:
    limits = Limits(100 << 20, None)
    evaluator = Evaluator(limits=limits)
    for text in (TOO_LONG["calls"], TOO_LARGE["spreads"]):
        limits.seconds = 0.2
        with pytest.raises(EvalError, match=f"{TIME}|{MEMORY}"):
            evaluator.expression(text)
        limits.restart()
        limits.seconds = 60
        assert evaluator.to_json(evaluator.expression('import("fpack/lists").take([1, 2], 1)')) == [1]


def test_kernel_limits_are_restored() -> None:
    import resource

    before = [resource.getrlimit(which) for which in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)]
    inside: list[Any] = []

    def work() -> None:
        inside.extend(resource.getrlimit(which) for which in (resource.RLIMIT_DATA, resource.RLIMIT_CPU))

    deep_stack.run(work, Limits(100 << 20, 10))
    assert all(now[0] != was[0] for now, was in zip(inside, before, strict=True))
    with pytest.raises(Fault, match=MEMORY):
        deep_stack.bounded(lambda: bytes(1 << 40), Limits(100 << 20, 10))
    assert [resource.getrlimit(which) for which in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)] == before
    inside.clear()
    deep_stack.run(work, Limits(None, None))
    assert inside == before


def test_without_limits_nothing_is_watched() -> None:
    assert deep_stack.run(lambda: 5) == deep_stack.run(lambda: 5, Limits(None, None)) == 5


def test_except_exception_does_not_catch_exhausted() -> None:
    assert not issubclass(Exhausted, Exception)
    assert resident() > 1 << 20


# ---- settings


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 << 20),
        ("1.5G", 3 << 29),
        ("2g", 2 << 30),
        ("20480k", 20 << 20),
        ("16777216", 16 << 20),
        ("none", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert EVAL_MEMORY.find(text, {}) == EVAL_MEMORY.find(None, {"FPACK_EVAL_MEMORY": text}) == size
    if size is not None:
        assert EVAL_MEMORY.find(shown_size(size), {}) == size


@pytest.mark.parametrize("text", ["3", "512", "100k", "1M", "15.9M", "0"])
def test_a_size_without_its_letter_is_an_error(text: str) -> None:
    with pytest.raises(SettingError, match="the least is 16M"):
        EVAL_MEMORY.find(text, {})


@pytest.mark.parametrize("text", ["", "much", "-1G", "1X", "1e9", "G", "٣G", "9" * 30, "nan", "inf", "1 G"])
def test_invalid_sizes_and_times_are_errors(text: str) -> None:
    for setting in (EVAL_MEMORY, EVAL_TIME):
        if not text:
            assert setting.find(text, {}) == setting.find(None, {})
            continue
        with pytest.raises(SettingError, match=setting.option):
            setting.find(text, {})
        with pytest.raises(SettingError, match=setting.variable):
            setting.find(None, {setting.variable: text})


def test_limits_larger_than_the_kernels_maximum() -> None:
    limits = Limits(EVAL_MEMORY.find("1000000000T", {}), EVAL_TIME.find("1000000000000000", {}))
    assert deep_stack.run(lambda: 5, limits) == 5


def test_options_override_variables_and_defaults() -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert EVAL_TIME.find(None, {}) == 300 and 0 < (EVAL_MEMORY.find(None, {}) or 0) <= memory // 2
    assert EVAL_TIME.find("5", {"FPACK_EVAL_TIME": "6"}) == 5 and EVAL_TIME.find(None, {"FPACK_EVAL_TIME": "6"}) == 6
