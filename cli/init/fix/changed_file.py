"""Change a project's file step by step: each change is written and reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fpack.cli.init.edits import PackageCall, ProjectText, difference
from fpack.cli.paths import PROJECT_FILE
from fpack.store.errors import FpackError

from .outcome import RoundsEnd, Step

if TYPE_CHECKING:
    from fpack.builders.kinds.exec import PhaseFailed
    from fpack.cli.init.introspection.image_programs import Correction

CallKey: TypeAlias = tuple[str, str]  # the field and the name of a call, which tell it from the others of a file


def key_of(call: PackageCall) -> CallKey:
    """Return the field and the name of a call."""
    return call.attribute, call.name


class ChangedFile:
    """The file of a project.

    project: its directory. say: is called with each line for the user. steps: the changes so far.
    """

    def __init__(self, project: Path, say: Callable[[str], None]) -> None:
        self.project = project
        self.path = project / PROJECT_FILE
        self.say = say
        self.steps: list[Step] = []
        self._tried: set[tuple[CallKey, str, str]] = set()

    def is_tried(self, call: PackageCall, field: str, value: str) -> bool:
        """Return whether a value was added to a field of a call before."""
        return (key_of(call), field, value) in self._tried

    def mark_tried(self, call: PackageCall, field: str, value: str) -> None:
        """Note that a value is added to a field of a call, so that it is not added twice."""
        self._tried.add((key_of(call), field, value))

    def write(self, before: ProjectText, after: ProjectText, package: str, field: str, why: str) -> None:
        """Write a change, and report it. package: that is added to the field, or "". why: what the build lacked."""
        lines = self._replace(before.text, after.text)
        self.steps.append(Step(package, field, why, lines))
        self._tell(f"add {package} to `{field}` for {why}" if package else why, lines)

    def take_back(self, text: str, steps: int, why: str) -> None:
        """Write a former text again, and forget the steps since. steps: how many preceded it."""
        lines = self._replace(self.read().text, text)
        del self.steps[steps:]
        self._tell(why, lines)

    def _replace(self, before: str, after: str) -> list[str]:
        """Write the text of the file, and return the lines that differ from the one before."""
        try:
            self.path.write_text(after)
        except OSError as error:
            raise FpackError(
                f"{PROJECT_FILE} cannot be written", where=str(self.path), why=error.strerror or ""
            ) from None
        return difference(before, after)

    def _tell(self, what: str, lines: Sequence[str]) -> None:
        self.say(f"{PROJECT_FILE}: {what}")
        for line in lines:
            self.say(f"  {line}")

    def read(self) -> ProjectText:
        """Return the file's present text."""
        from fpack.lang.syntax.source import read_text

        return ProjectText(read_text(self.path, PROJECT_FILE), PROJECT_FILE)

    @staticmethod
    def call_in(text: ProjectText, call: PackageCall) -> PackageCall:
        return next(c for c in text.calls() if key_of(c) == key_of(call))

    def call_of(self, name: str, failed: PhaseFailed) -> PackageCall:
        """Return the call in the file that made a failed build. Raise RoundsEnd if it is not known."""
        calls = self.read().calls()
        named = [call for call in calls if call.name and re.match(rf"{re.escape(call.name)}-", failed.where)]
        own = [call for call in calls if call.attribute == name]
        fitting = [call for call in own if call in named] or named[:1] or (own if len(calls) == 1 else [])
        if not fitting:
            raise RoundsEnd(f"{failed.where} is not built by a call in {PROJECT_FILE}, so the file is not changed")
        return fitting[0]

    def correct(self, correction: Correction | None) -> None:
        """Write a correction, if there is one."""
        if correction is not None:
            self.write(self.read(), correction.text, "", correction.field, correction.why)
