"""Images pass commands before they are written: what is kept, what a failure says and leaves, and the limit of time."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.cli.trial import acceptance, command, container, runner, subject
from fpack.cli.trial.acceptance import Acceptance, PassedCommand
from fpack.cli.trial.findings import TrialFinding
from fpack.cli.trial.model import TrialEnd
from fpack.store.errors import FpackError
from support.archives.shells import out
from support.processes.people import Person, person

TEST = ("test", "-e", "/data")
KEPT = ("sh", "-c", "echo up")


class Machine:
    """Stands for the sandbox. ran: the commands that it ran; ends: how each ends; output: what each writes."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.ends = TrialEnd(0, (), "")
        self.output = ""
        self.digest = "sha256:1"
        self.left = 0.0
        self.number = signal.SIGALRM

    def run(self, trial: Any) -> TrialEnd:
        """Write the output, and return the end."""
        self.ran.append(trial.words)
        self.left = signal.getitimer(signal.ITIMER_REAL)[0]
        assert trial.stop == signal.SIGKILL and not trial.takes_terminal
        assert os.read(0, 1) == b""
        os.write(1, self.output.encode())
        os.write(2, b"a word on standard error\n")
        return self.ends


class Words(SimpleNamespace):
    """The parts of a trial that the test looks at."""

    def _replace(self, **changes: Any) -> Words:
        return Words(**{**vars(self), **changes})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    """Yield a sandbox that only says how commands end, and a cache of the test's own."""
    made = Machine()
    found = SimpleNamespace(name="app", config={}, files=None)
    planned: Callable[..., Any] = lambda name, config, files, words, env: SimpleNamespace(trial=Words(words=words))  # noqa: E731
    monkeypatch.setattr(acceptance, "cache_directory", lambda: tmp_path / "cache")
    monkeypatch.setattr(acceptance, "read_record", lambda tree: SimpleNamespace(fields={"digest": made.digest}))
    monkeypatch.setattr(container, "plan", planned)
    monkeypatch.setattr(subject, "of_image", lambda *_: found)
    monkeypatch.setattr(runner, "run", made.run)
    monkeypatch.setattr(command, "findings", lambda *_: [])
    handler = signal.getsignal(signal.SIGALRM)
    yield made
    signal.signal(signal.SIGALRM, handler)


def check(*more: tuple[str, ...], tries: tuple[tuple[str, ...], ...] = (), arch: str = "amd64") -> list[PassedCommand]:
    """Let an image pass commands; those that it passed."""
    store = SimpleNamespace(tree=lambda image: image)
    workspace: Any = SimpleNamespace(store=store, realise=lambda outputs: ["root"])
    asked: Any = SimpleNamespace(name="app", arch=arch, tries=tries, root="root")
    made = Acceptance(more)
    made.check(workspace, asked, "image")  # type: ignore[arg-type]
    return made.passed


def test_what_passed_is_not_run_again_until_the_image_or_the_command_changes(machine: Machine) -> None:
    assert check(tries=(TEST,)) == [PassedCommand("app", TEST, False)]
    assert check(TEST) == [PassedCommand("app", TEST, True)] and machine.ran == [TEST]
    assert [found.kept for found in check(KEPT, TEST, tries=(TEST,))] == [True, False]
    assert machine.ran == [TEST, KEPT]
    machine.digest = "sha256:2"
    assert [found.kept for found in check(TEST)] == [False]
    assert check() == []


def test_a_failure_is_not_kept_and_says_all(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine.ends, machine.output = TrialEnd(3, (b"/data",), ""), "".join(f"line {number}\n" for number in range(40))
    found = TrialFinding(("/data",), "extra", "package", "")
    monkeypatch.setattr(command, "findings", lambda *_: [found])
    for _ in range(2):
        with pytest.raises(FpackError) as caught:
            check(TEST, KEPT)
        assert "`test -e /data`" in str(caught.value) and "not written" in str(caught.value)
        why = caught.value.why
        assert "status 3" in why and "line 39" in why and "line 2\n" not in why and "standard error" in why
        assert "/data: in Debian's extra" in why
    assert machine.ran == [TEST, TEST] and not list(tmp_path.glob("cache/**/*"))
    machine.ends = TrialEnd(0, (), "")
    assert not check(TEST)[0].kept


def test_output_of_an_image_cannot_steer_the_terminal(machine: Machine) -> None:
    machine.ends, machine.output = TrialEnd(1, (), ""), "\x1b[2Jclear\x07\n"
    with pytest.raises(FpackError) as caught:
        check(TEST)
    assert "clear" in caught.value.why and "\x1b" not in caught.value.why and "\x07" not in caught.value.why


def test_a_command_has_a_limit_which_the_message_names(machine: Machine) -> None:
    machine.ends = TrialEnd(128 + signal.SIGKILL, (), "", signalled=True)
    with pytest.raises(FpackError, match="does not pass") as caught:
        check(TEST)
    assert f"killed, as any command is after {acceptance.SECONDS} s" in caught.value.why
    assert 0 < machine.left <= acceptance.SECONDS and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_signal_that_ends_the_command_is_a_failure(machine: Machine) -> None:
    machine.ends = TrialEnd(128 + signal.SIGSEGV, (), "")
    with pytest.raises(FpackError) as caught:
        check(TEST)
    assert "signal 11 ended it" in caught.value.why


def test_an_image_for_another_machine_is_not_tried_without_an_emulator(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance.machine, "can_emulate", lambda: False)
    assert check(TEST, arch="s390x") == [] and machine.ran == []
    assert "app for s390x was not tried" in capsys.readouterr().err


PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.bash, debian.coreutils]
  files = { "/data" = { text = "here" } }
  command = ["sh"]
  try = [["sh", "-c", "cat /data; nonexistent-program || test -e /data"]]
}
failing = image.with { try = [["sh", "-c", "echo what I say; cat /absent-file; exit 7"]] }
"""


@pytest.fixture(scope="module")
def someone() -> Iterator[Person]:
    """Yield a user with a project."""
    with person("user") as made:
        assert made.archive is not None
        made.archive.publish()
        made.project("project", PROJECT)
        yield made


def test_pack_writes_an_image_that_passes_and_none_that_does_not(someone: Person) -> None:
    project = someone.place / "project"
    words = ("pack", "--no-configure", "--json", "--try", "true")
    first = json.loads(out(someone, *words, "-o", "first.tar", cwd=project))
    again = json.loads(out(someone, *words, "-o", "again.tar", cwd=project))
    assert [tried["kept"] for tried in first["tried"]] == [False, False]
    assert [tried["kept"] for tried in again["tried"]] == [True, True] and again["digest"] == first["digest"]
    message = someone.fails("pack", "--no-configure", "#failing", "-o", "failing.tar", cwd=project)
    assert "what I say" in message and "status 7" in message and "absent-file" in message
    assert not (project / "failing.tar").exists() and len(list(project.glob("*.tar"))) == 2
