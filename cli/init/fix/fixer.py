"""Build a project's packages, add what builds lack to fpack.fp, and build again until nothing is lacking.

Each round adds a package that the build did not have, so the rounds end. Only packages that the index of files or the
tables of names know are added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.init.edits import PackageCall
from fpack.store.errors import FpackError

from . import call_changes
from .changed_file import CallKey, ChangedFile, key_of
from .failures import failures, field_of, first_line, reason
from .image_changes import add_interpreters, add_terminal, fit_image
from .loaded import LOADING, lacking_packages, present_packages
from .outcome import FixOutcome, RoundsEnd
from .take_back import Round, take_back

if TYPE_CHECKING:
    from fpack.builders.exec.hints import Remedy
    from fpack.builders.kinds.exec import PhaseFailed
    from fpack.cli.init.introspection.targets import BuildTargets
    from fpack.cli.shared_options import SharedOptions
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath

MAX_ROUNDS = 25  # builds, each with what the former one lacked
MAX_CHOICES = 3  # packages that are tried for one need, one after another


class Fixer:
    """Fixes the packages of one project.

    said: is called with each line for the user. no_check: leave out the tests of a package whose tests fail.
    """

    def __init__(
        self, project: Path, options: SharedOptions, said: Callable[[str], None], *, no_check: bool = False
    ) -> None:
        self._file = ChangedFile(project, said)
        self._options = options
        self._no_check = no_check
        self._targets: dict[str, BuildTargets] = {}
        self._asked: set[str] = set()
        self._last: Round | None = None
        self._useless: set[tuple[CallKey, int]] = set()  # changes of calls that did not help

    def run(self, names: Sequence[str] = ()) -> FixOutcome:
        """Fix packages, by default all that the file's own fields build. Return the outcome."""
        wanted = list(names) or [call.attribute for call in self._file.read().calls() if call.attribute]
        if not wanted:
            raise FpackError(
                "There is no package to fix",
                where=str(self._file.path),
                why="no field of the file is a call such as `cmake { ... }` or `package { ... }`",
                hint="name what to build, as in: fpack fix app",
            )
        paths: dict[str, StorePath] = {}
        for name in wanted:
            for _ in range(MAX_ROUNDS):
                path, error = self._build(name)
                if error is None and path is not None:
                    paths[name] = path
                    break
                assert error is not None
                try:
                    self._mend(name, error)
                except RoundsEnd as stop:
                    return FixOutcome(self._file.steps, paths, error, str(stop), self._targets)
            else:
                return FixOutcome(
                    self._file.steps, paths, None, f"{name} was built {MAX_ROUNDS} times, and still lacks something",
                    self._targets,
                )  # fmt: skip
        return FixOutcome(self._file.steps, paths, targets=self._targets)

    def _build(self, name: str) -> tuple[StorePath | None, FpackError | None]:
        from fpack.cli.workspace.workspace import Workspace

        if name not in self._asked and (unconfigured := self._ask(name)) is not None:
            return None, unconfigured
        self._asked.add(name)
        with Workspace(self._options) as workspace:
            target = workspace.target(name)
            output = workspace.output(workspace.value(target))
            try:
                path = workspace.realise([output])[0]
            except FpackError as error:
                if not failures(error):
                    raise
                workspace.finish()
                return None, error
            workspace.finish()
            built = workspace.store.disk(path)
            if self._add_loaded(name, workspace, built):
                return self._build(name)
            fit_image(self._file, name, built)
            add_interpreters(self._file, built)
            add_terminal(self._file, name, built)
            return path, None

    def _mend(self, name: str, error: FpackError) -> None:
        """Change the file by what the first failed build lacks. Raise RoundsEnd if nothing is known to help."""
        failed = failures(error)[0]
        call = self._file.call_of(name, failed)
        remedies, present, release = self._lacking(call, failed, name)
        self._file.say(f"{failed.what}: {first_line(failed)}")
        lacking = [remedy for remedy in remedies if remedy.packages]
        if self._took_back(call, name, failed, lacking, release):
            _, present, _ = self._lacking(call, failed, name)
        before, steps = self._file.read().text, len(self._file.steps)
        new = [chosen for remedy in lacking if (chosen := self._untried(call, remedy, present)) is not None]
        change = None
        if new:
            self._add(name, failed, release, new)
        elif lacking or (change := self._change_call(call, name, failed, release)) is None:
            if failed.phase != "check" or not self._no_check:
                raise RoundsEnd(reason(failed, remedies, lacking))
            call_changes.leave_out_tests(self._file, name, failed)
        self._last = Round(key_of(call), failed, before, self._file.read().text, steps, new, change)

    def _took_back(
        self, call: PackageCall, name: str, failed: PhaseFailed, lacking: Sequence[Remedy], release: str
    ) -> bool:
        """Take back what the last round changed, if the same build fails as before. Return whether anything was."""
        last, self._last = self._last, None
        # The build of another package fails in the same way without a connection to the change.
        if last is None or last.call != key_of(call):
            return False
        needs = [remedy.need for remedy in lacking]
        changed = take_back(
            self._file, last, failed, needs, lambda useful: self._add(name, failed, release, useful, again=True)
        )
        if changed and last.change is not None:
            self._useless.add((last.call, last.change))
        return changed

    def _untried(self, call: PackageCall, remedy: Remedy, present: frozenset[str]) -> Remedy | None:
        """Return a remedy with the first of its packages that was not tried; None if the build has one."""
        for number, package in enumerate(remedy.packages[:MAX_CHOICES]):
            tried = self._file.is_tried(call, field_of(remedy, package), package)
            if package in present and not tried:
                return None
            if not tried:
                return remedy._replace(packages=remedy.packages[number:])
        return None

    def _change_call(self, call: PackageCall, name: str, failed: PhaseFailed, release: str) -> int | None:
        """Change the call for a failure that no package mends. Return the number of the change, None if none helps."""
        changes = (
            call_changes.answer_questions,
            call_changes.accept_old_sources,
            call_changes.accept_warnings,
            lambda file, name, failed: call_changes.mend_old_cython(file, name, failed, release),
            call_changes.install_staged,
            call_changes.make_directories,
            call_changes.name_directory,
            call_changes.build_in_order,
        )
        for number, change in enumerate(changes):
            if (key_of(call), number) in self._useless:
                continue
            if change(self._file, name, failed):
                return number
        return None

    def _add_loaded(self, name: str, workspace: Workspace, built: Path) -> bool:
        """Add the packages of libraries that ready-made ones load, such as those in wheels. Return whether any was."""
        from fpack.cli.workspace.needs import open_finder

        call = next((call for call in self._file.read().calls() if call.attribute == name), None)
        if call is None or call.function not in LOADING:
            return False
        value = workspace.value(workspace.target(name))
        added = False
        for lacking in lacking_packages(workspace, value, built, open_finder):
            if self._file.is_tried(call, "libs", lacking.package):
                continue
            self._file.mark_tried(call, "libs", lacking.package)
            before = self._file.read()
            after = before.with_packages(self._file.call_in(before, call), "libs", [lacking.package], lacking.release)
            why = f"{lacking.soname}, which {lacking.file.rpartition('/')[2]} loads"
            self._file.write(before, after, lacking.package, "libs", why)
            added = True
        return added

    def _lacking(self, call: PackageCall, failed: PhaseFailed, name: str) -> tuple[list[Remedy], frozenset[str], str]:
        """Return what a failed build lacks, the packages that it has, and its release."""
        from fpack.builders.exec.hints import remedies
        from fpack.cli.workspace.needs import open_finder
        from fpack.cli.workspace.package_lookup import Packages
        from fpack.cli.workspace.workspace import Workspace

        with Workspace(self._options) as workspace:
            value = workspace.value(workspace.target(call.attribute or name))
            release = str(workspace.field(value, "release") or "") if isinstance(value, dict) else ""
            packages = Packages(workspace, release or None)
            found = remedies(failed.log, lambda: open_finder(packages))
            return found, present_packages(workspace, value, packages), packages.release

    def _add(
        self, name: str, failed: PhaseFailed, release: str, remedies: Sequence[Remedy], *, again: bool = False
    ) -> None:
        """Add the first package of each remedy. again: they were tried."""
        for remedy in remedies:
            package, field = remedy.packages[0], field_of(remedy)
            call = self._file.call_of(name, failed)
            if self._file.is_tried(call, field, package) and not again:
                continue
            self._file.mark_tried(call, field, package)
            before = self._file.read()
            after = before.with_packages(call, field, [package], release)
            self._file.write(before, after, package, field, str(remedy.need))

    def _ask(self, name: str) -> FpackError | None:
        """Ask the build system for its targets, and correct the file by them. Return the error of its configuration."""
        from fpack.cli.init.introspection.asker import ask
        from fpack.cli.init.introspection.corrections import corrections
        from fpack.cli.init.introspection.targets import summary

        call = next((call for call in self._file.read().calls() if call.attribute == name), None)
        if call is None:
            return None
        answer = ask(self._options, call)
        if answer is None or isinstance(answer, FpackError):
            return answer
        self._targets[name] = answer
        self._file.say(f"{name}: {summary(answer)}")
        for correct in corrections(answer, name):
            self._file.correct(correct(self._file.read()))
        return None
