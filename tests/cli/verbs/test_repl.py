"""`fpack repl`, typed into through a terminal, and fed from a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world
from support.time_limits import WAIT

LIB = '# How to greet.\ngreeting(name) = "Hi ${name}"\nport = 80\nloop(n) = loop(n + 1)\n'


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    archive: Archive = world(tmp_path_factory.mktemp("archive"))
    archive.add("python3-a")
    archive.publish()
    fpack = Fpack(tmp_path_factory.mktemp("repl") / "home", archive)
    (fpack.home / "lib.fp").write_text(LIB)
    fpack("search", "hello")
    return fpack


class Terminal:
    """A session on a terminal."""

    def __init__(self, fpack: Fpack, *args: str) -> None:
        self.master, slave = os.openpty()
        env = {**fpack.env, "TERM": "dumb", "INPUTRC": "/dev/null"}
        self.process = subprocess.Popen(
            fpack.command("repl", *args),
            stdin=slave, stdout=slave, stderr=slave, cwd=fpack.home, env=env, start_new_session=True,
            preexec_fn=lambda: _own_terminal(),
        )  # fmt: skip
        os.close(slave)
        self.seen = ""
        self.until("> ")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, wanted: str, seconds: float = WAIT) -> str:
        """Return the output up to `wanted`, inclusive. The rest is for the next call."""
        end = time.monotonic() + seconds
        while wanted not in self.seen:
            assert time.monotonic() < end, f"{wanted!r} never came: {self.seen!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    data = os.read(self.master, 1 << 16)
                except OSError:
                    raise AssertionError(f"it ended: {self.seen!r}") from None
                self.seen += re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r|\x07", "", data.decode())
        head, _, self.seen = self.seen.partition(wanted)
        return head + wanted

    def line(self, text: str) -> str:
        """Type a line; what is answered."""
        self.type(text + "\n")
        self.until(text.split("\n")[-1] + "\n")
        return self.until("\n> ").removesuffix("> ")

    def sleeps(self) -> None:
        """Wait until no thread of the session runs: it waits for a key.

        Only then does Python's readline notice Ctrl-C, and not between two keys.
        """
        until(lambda: _states(self.process.pid) == {"S"})

    def end(self) -> int:
        os.close(self.master)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the time is over"
        time.sleep(0.01)


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(fpack: Fpack) -> Iterator[Terminal]:
    terminal = Terminal(fpack)
    yield terminal
    if terminal.process.poll() is None:
        terminal.type(":quit\n")
        terminal.process.wait(30)
    os.close(terminal.master)


def test_values_names_and_errors(terminal: Terminal) -> None:
    assert terminal.line("1 + 2") == "3\n"
    terminal.type("double(x) = x * 2\n")
    terminal.until("\n> ")
    assert terminal.line("double(it)") == "6\n"
    answer = terminal.line("double(nosuch)")
    assert "The name `nosuch` is not defined" in answer and "--> <input>:1:8" in answer
    assert terminal.line("[double(4), 1]") == "[8, 1]\n"
    assert "<input>:1:13" in terminal.line('double("a")')


def test_a_text_of_several_lines(terminal: Terminal) -> None:
    terminal.type("r = {\n")
    terminal.until("\n. ")
    terminal.type("a = 1\n")
    terminal.until("\n. ")
    terminal.type("}\n")
    terminal.until("\n> ")
    assert terminal.line("r.a") == "1\n"
    terminal.type("let x = 2\n")
    terminal.until("\n. ")
    assert terminal.line("in x") == "2\n"


def test_completion(terminal: Terminal) -> None:
    terminal.type("port-of-mine = { inner = 5 }\n")
    terminal.until("\n> ")
    terminal.type("port-of\t.inn\t")
    terminal.until("port-of-mine.inner")
    terminal.type("\n")
    assert terminal.until("\n> ") == "\n5\n> "
    terminal.type('debian = import("fpack/debian").trixie\n')
    terminal.until("\n> ")
    terminal.type("debian.python3\t")
    terminal.until("debian.python3-a")
    terminal.type("\x15:ty\t")
    terminal.until(":type ")
    terminal.type("leng\t\n")
    assert terminal.until("\n> ").endswith("function (x) => ...\n> ")


def test_commands(terminal: Terminal) -> None:
    assert "fold(xs, start, f)" in terminal.line(":doc fold")
    assert terminal.line(':type [1, "a"]') == "list of int and string\n"
    assert terminal.line(":load lib.fp") == "greeting\nport\nloop\n"
    assert terminal.line('greeting("Ann")') == '"Hi Ann"\n'
    assert "There is no command `:tipe`" in terminal.line(":tipe x")
    assert ":load" in terminal.line(":help")
    terminal.type(":quit\n")
    assert terminal.process.wait(30) == 0


def test_interrupts_end_what_runs_and_not_the_session(terminal: Terminal) -> None:
    terminal.line(":load lib.fp")
    terminal.type("half a line")
    terminal.until("half a line")
    terminal.sleeps()
    terminal.type("\x03")
    terminal.until("\n> ")
    assert terminal.line("port") == "80\n"
    before = _seconds(terminal.process.pid)
    terminal.type("all(range(1000000), a => all(range(1000000), b => a + b >= 0))\n")
    until(lambda: _seconds(terminal.process.pid) - before > 0.3)
    terminal.type("\x03")
    terminal.until("Interrupted.")
    terminal.until("> ")
    assert terminal.line("port + 1") == "81\n"
    terminal.sleeps()  # nothing goes on behind
    terminal.type("{\n")
    terminal.until("\n. ")
    terminal.sleeps()
    terminal.type("\x03")
    terminal.until("\n> ")
    terminal.type("\x04")
    assert terminal.process.wait(30) == 0


def _states(pid: int) -> set[str]:
    """Return the states of a process's threads, as /proc/PID/stat has them."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_history_of_earlier_sessions(fpack: Fpack) -> None:
    first = Terminal(fpack)
    assert first.line("40 + 2 + 1000") == "1042\n"
    first.type("\x04")
    assert first.process.wait(30) == 0
    os.close(first.master)
    second = Terminal(fpack)
    second.type("\x10")  # the line before
    second.until("40 + 2 + 1000")
    second.type("\n")
    assert second.until("\n> ") == "\n1042\n> "
    second.type(":q\n")
    assert second.process.wait(30) == 0
    os.close(second.master)
    assert (fpack.home / ".local/state/fpack/history").stat().st_mode & 0o077 == 0


def piped(fpack: Fpack, text: str, *args: str) -> tuple[str, str]:
    done = subprocess.run(
        fpack.command("repl", *args),
        input=text,
        capture_output=True,
        text=True,
        cwd=fpack.home,
        env=fpack.env,
        timeout=WAIT,
    )
    assert done.returncode == 0
    return done.stdout, done.stderr


def test_a_pipe(fpack: Fpack) -> None:
    text = '# nothing\n\na = 1, b = a + 1\n[a, b]\nx\n"""\n  one\n\n  two"""\n'
    text += '{ f(x) = x\n  r = { q = 1 } }\nimport("./lib.fp").port'
    out, err = piped(fpack, text)
    assert out == '[1, 2]\n"one\\n\\ntwo"\n{\n  f = (x) => ...\n  r = { q }\n}\n80\n'
    assert "The name `x` is not defined" in err and ">" not in out.replace("=>", "")


def test_places_in_errors_are_those_of_the_lines_that_were_typed(fpack: Fpack) -> None:
    _, err = piped(fpack, 'base = 1\nf(x) =\n  x + base\n\nf("a")\n{ a = f(null) }.a\n')
    assert err.count("<input>:2:3") == 2 and "<input+" not in err


def test_a_file_to_begin_with(fpack: Fpack) -> None:
    assert piped(fpack, "greeting(port)\nnames({ ...{ a = 1 } })\n", "lib.fp")[0] == '"Hi 80"\n["a"]\n'
    done = fpack("repl", "none.fp", status=None)
    assert done.returncode == 2 and "none.fp" in done.stderr


def test_a_value_that_holds_itself_is_shown(fpack: Fpack) -> None:
    out, _ = piped(
        fpack, "ones = { head = 1, tail = ones }\nones\nxs = [1, xs]\nxs\nbad = { a = 1 + null, b = 2 }\nbad\n"
    )
    assert "tail = { head, tail }" in out and "[1, [1, [1, [2 elements]]]]" in out
    assert "a = <error: " in out and "b = 2" in out


def test_signals_of_the_outside(fpack: Fpack) -> None:
    terminal = Terminal(fpack)
    for _ in range(60):
        terminal.process.send_signal(signal.SIGTERM)
        # A signal between the prompt and readline's wait for keys is noticed with the next signal or key.
        with contextlib.suppress(subprocess.TimeoutExpired):
            terminal.process.wait(0.5)
            break
    assert terminal.process.wait(60) == 128 + signal.SIGTERM
    os.close(terminal.master)
