"""The progress that is shown on logs and pipes."""

from __future__ import annotations

import io
import sys

import pytest
from fpack.builders.scheduler.reporter import BuildOutcome
from fpack.cli.ui import progress
from fpack.cli.ui.progress import Plain, step


def test_the_summary_names_the_running_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_QUIET", 0.0)
    shown = Plain()
    for name in ("one", "two"):
        shown.planned(name.encode(), "exec", name)
    shown.started(b"one")
    shown.progress(b"one", 5, 10)
    assert capsys.readouterr().err == "0 of 2 steps: build one\n"
    shown.started(b"two")
    shown.finished(b"one", BuildOutcome.BUILT, "path")
    assert capsys.readouterr().err == "1 of 2 steps: build two\n"
    shown.waiting(b"two")
    assert capsys.readouterr().err == "waiting: another fpack builds two\n"


def test_a_wait_for_another_process_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Plain(verbose=True)
    for name in ("one", "two"):
        shown.planned(name.encode(), "exec", name)
    for _ in range(3):  # the scheduler starts a step that is built elsewhere again after each pause
        for name in ("one", "two"):
            shown.started(name.encode())
            shown.waiting(name.encode())
    lines = [f"{text} {name}" for name in ("one", "two") for text in ("build", "waiting: another fpack builds")]
    assert capsys.readouterr().err.splitlines() == lines


def test_only_a_failure_is_called_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Plain()
    for outcome in BuildOutcome:
        shown.planned(outcome.value.encode(), "exec", "it")
        shown.finished(outcome.value.encode(), outcome, "")
    assert capsys.readouterr().err == "failed: build it\n"


def test_a_step_is_shown_on_a_terminal_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal in (True, False):
        shown = io.StringIO()
        monkeypatch.setattr(shown, "isatty", lambda answer=is_terminal: answer)
        monkeypatch.setattr(sys, "stderr", shown)
        with pytest.raises(KeyError), step("Preparing\x1b the tools"):
            during = shown.getvalue()
            raise KeyError
        assert during.startswith("Preparing") == is_terminal and "\x1b" not in during
        assert shown.getvalue()[len(during) :] == ("\x1b[2K\r" if is_terminal else "")
