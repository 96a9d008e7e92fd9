"""Build a project's packages, add what builds lack to fpack.fp, and build again until nothing is lacking.

Each round adds a package that the build did not have, so the rounds end. Only packages that the index of files or the
tables of names know are added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.cli.paths import PROJECT_FILE
from fpack.store.errors import FpackError

from .edits import PackageCall, ProjectText, difference, has_field
from .guess import text as quoted
from .introspection.image_programs import Correction, entries, fit_image, own_programs
from .native.complete import closure
from .native.staged import STAGED_COMMANDS, staged

if TYPE_CHECKING:
    from fpack.builders.exec.hints import Remedy
    from fpack.builders.kinds.exec import PhaseFailed
    from fpack.cli.shared_options import SharedOptions
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath

    from .introspection.targets import BuildTargets

MAX_ROUNDS = 25
# The last one whose headers the C sources of Cython before 3 compile with.
OLDER_PYTHON = "3.10"
# The package of each interpreter that scripts name in their first lines.
_INTERPRETERS = {
    "sh": "dash", "bash": "bash", "perl": "perl", "python3": "python3", "ruby": "ruby", "awk": "mawk", "gawk": "gawk",
    "tclsh": "tcl", "php": "php-cli", "node": "nodejs", "zsh": "zsh", "guile": "guile-3.0",
}  # fmt: skip
_FIRST_LINE = re.compile(rb"#!\s*/(?:\S*/)?(?:env\s+)?([\w.+-]+)")


class Step(NamedTuple):
    """A change of the file. why: what the build lacked. lines: the changed lines, with `-` or `+` before each."""

    package: str
    field: str
    why: str
    lines: Sequence[str]


class FixOutcome(NamedTuple):
    """The end of the rounds. error: of the last build, or None if it succeeded. reason: why the rounds ended.

    targets: what the build system of each package said of its targets.
    """

    steps: Sequence[Step]
    paths: Mapping[str, StorePath]
    error: FpackError | None = None
    reason: str = ""
    targets: Mapping[str, BuildTargets] = {}


class _Stop(Exception):
    """The rounds end here. args: the reason."""


class Fixer:
    """Fixes the packages of one project.

    said: is called with each line for the user. no_check: leave out the tests of a package whose tests fail.
    """

    def __init__(
        self, project: Path, options: SharedOptions, said: Callable[[str], None], *, no_check: bool = False
    ) -> None:
        self._file = project / PROJECT_FILE
        self._project = project
        self._options = options
        self._say = said
        self._no_check = no_check
        self._steps: list[Step] = []
        self._tried: set[tuple[str, str]] = set()
        self._targets: dict[str, BuildTargets] = {}
        self._asked: set[str] = set()

    def run(self, names: Sequence[str] = ()) -> FixOutcome:
        """Fix packages, by default all that the file's own fields build. Return the outcome."""
        wanted = list(names) or [call.attribute for call in self._read().calls() if call.attribute]
        if not wanted:
            raise FpackError(
                "There is no package to fix",
                where=str(self._file),
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
                except _Stop as stop:
                    return FixOutcome(self._steps, paths, error, str(stop), self._targets)
            else:
                return FixOutcome(
                    self._steps, paths, None, f"{name} was built {MAX_ROUNDS} times, and still lacks something",
                    self._targets,
                )  # fmt: skip
        return FixOutcome(self._steps, paths, targets=self._targets)

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
                if not _failures(error):
                    raise
                workspace.finish()
                return None, error
            workspace.finish()
            built = workspace.store.disk(path)
            if self._add_loaded(name, workspace, built):
                return self._build(name)
            self._fit_image(name, built)
            self._add_interpreters(built)
            return path, None

    def _mend(self, name: str, error: FpackError) -> None:
        """Change the file by what the first failed build lacks. Raise _Stop if nothing is known to help."""
        failed = _failures(error)[0]
        call = self._call_of(name, failed)
        remedies, present, release = self._lacking(call, failed, name)
        self._say(f"{failed.what}: {_first_line(failed)}")
        lacking = [remedy for remedy in remedies if remedy.packages]
        new = [remedy for remedy in lacking if remedy.packages[0] not in present]
        new = [remedy for remedy in new if (remedy.need.field, remedy.packages[0]) not in self._tried]
        if new:
            self._add(name, failed, release, new)
            return
        if not lacking and (
            self._accept_old_sources(name, failed)
            or self._know_this_python(name, failed, release)
            or self._install_staged(name, failed)
        ):
            return
        if failed.phase == "check" and self._no_check:
            self._leave_out_tests(name, failed)
            return
        raise _Stop(_reason(failed, remedies, lacking))

    def _add_loaded(self, name: str, workspace: Workspace, built: Path) -> bool:
        """Add the packages of libraries that ready-made ones load, such as those in wheels. Return whether any was."""
        from fpack.builders.debian.contents.needs import SONAME, BuildNeed
        from fpack.builders.payload.machines import elf_machine
        from fpack.cli.workspace.needs import open_finder
        from fpack.cli.workspace.package_lookup import Packages

        from .introspection.loaded_libraries import lacking_sonames

        call = next((call for call in self._read().calls() if call.attribute == name), None)
        if call is None or call.function not in ("python", "node"):
            return False
        lacking = lacking_sonames(built, elf_machine(workspace.arch))
        if not lacking:
            return False
        value = workspace.value(workspace.target(name))
        packages = Packages(workspace, str(workspace.field(value, "release") or "") or None)
        finder, present, added = open_finder(packages), self._present(workspace, value, packages.release), False
        for soname, where in lacking.items():
            found = finder.find(BuildNeed(SONAME, soname)).packages
            if not found or not present.isdisjoint(found) or ("libs", found[0]) in self._tried:
                continue
            self._tried.add(("libs", found[0]))
            before = self._read()
            after = before.with_packages(self._call_in(before, call), "libs", [found[0]], packages.release)
            self._write(before, after, found[0], "libs", f"{soname}, which {where.rpartition('/')[2]} loads")
            present |= closure(packages, [found[0]])
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
            return found, self._present(workspace, value, packages.release), packages.release

    def _present(self, workspace: Workspace, value: Any, release: str) -> frozenset[str]:
        """Return the names of the packages that the build has."""
        from fpack.cli.workspace.package_lookup import Packages

        listed = workspace.field(value, "debian-packages") or []
        names = [str(workspace.field(workspace.evaluator.force(item), "name")) for item in listed]
        return closure(Packages(workspace, release), names) if names else frozenset()

    def _add(self, name: str, failed: PhaseFailed, release: str, remedies: Sequence[Remedy]) -> None:
        for remedy in remedies:
            package, field = remedy.packages[0], _field(remedy)
            if (field, package) in self._tried:
                continue
            self._tried.add((field, package))
            before = self._read()
            after = before.with_packages(self._call_of(name, failed), field, [package], release)
            self._write(before, after, package, field, str(remedy.need))

    def _accept_old_sources(self, name: str, failed: PhaseFailed) -> bool:
        """Let the compiler accept sources that are older than its rules. Return whether the file was changed."""
        from fpack.builders.exec.messages import OLD_SOURCES, old_sources

        variable = old_sources(failed.log)
        before = self._read()
        call = self._call_of(name, failed)
        if variable is None or ("env", variable) in self._tried:
            return False
        self._tried.add(("env", variable))
        flag = OLD_SOURCES[variable]
        if call.function == "make":  # a Makefile's own CFLAGS would replace the variable of the environment
            word = f"CC='gcc {flag}'" if variable == "CFLAGS" else f"CXX='g++ {flag}'"
            after = before.with_items(call, "flags", [quoted(word)])
        elif has_field(call, "env"):
            return False
        else:
            after = before.with_value(call, "env", f'{{ {variable} = "-O2 {flag}" }}')
        self._write(before, after, "", "env", f"the sources are older than the compiler's rules, which {flag} relaxes")
        return True

    def _know_this_python(self, name: str, failed: PhaseFailed, release: str) -> bool:
        """Generate sources of an old Cython again, or build with the last Python that they are for."""
        from fpack.builders.exec.messages import is_old_cython

        from .native.generated_c import generating_commands

        before = self._read()
        call = self._call_of(name, failed)
        if call.function != "python" or not is_old_cython(failed.log):
            return False
        commands = generating_commands(self._project)
        if commands and not any(has_field(call, field) for field in ("patch", "patches", "folder")):
            made = before.with_value(call, "patch", quoted(commands))
            after = made.with_packages(self._call_in(made, call), "tools", ["cython3"], release)
            self._write(before, after, "cython3", "tools", "C sources that an old Cython generated")
            return True
        if has_field(call, "python") or has_field(call, "patch"):
            return False
        after = before.with_value(call, "python", quoted(OLDER_PYTHON))
        why = f"the C sources are generated for Python {OLDER_PYTHON} and older"
        self._write(before, after, "", "python", why)
        return True

    def _install_staged(self, name: str, failed: PhaseFailed) -> bool:
        """Install below DESTDIR, and move that to the output, if the build installs to directories of the system."""
        from fpack.builders.exec.messages import installs_outside

        before = self._read()
        call = self._call_of(name, failed)
        command = STAGED_COMMANDS.get(call.function)
        if failed.phase != "install" or command is None or has_field(call, "install"):
            return False
        if not installs_outside(failed.log):
            return False
        flags = before.strings(call, "flags") if call.function == "make" else []
        if flags is None:
            return False
        after = before.with_value(call, "install", quoted(staged(" ".join([command, *flags]))))
        self._write(before, after, "", "install", "it installs to directories of the system, so DESTDIR is given")
        return True

    def _leave_out_tests(self, name: str, failed: PhaseFailed) -> None:
        from fpack.builders.exec.failed_tests import failed_tests

        if ("check", "null") in self._tried:
            raise _Stop("its tests are left out already")
        self._tried.add(("check", "null"))
        before = self._read()
        after = before.with_value(self._call_of(name, failed), "check", "null")
        tests = ", ".join(failed_tests(failed.log)) or "its tests"
        self._write(before, after, "", "check", f"{tests} failed")

    def _fit_image(self, name: str, built: Path) -> None:
        """Let the image of a built package run a program that the package has; a package without one has no image."""
        programs = own_programs(built)
        # Of several programs, a compiled one is more likely the main one than a script.
        scripts = _scripts(built)
        ordered = [*(p for p in programs if p not in scripts), *(p for p in programs if p in scripts)]
        self._correct(fit_image(self._read(), name, ordered, lambda path: (built / path).exists()))

    def _ask(self, name: str) -> FpackError | None:
        """Ask the build system for its targets, and correct the file by them. Return the error of its configuration."""
        from .introspection.asker import ask
        from .introspection.corrections import corrections
        from .introspection.targets import summary

        call = next((call for call in self._read().calls() if call.attribute == name), None)
        if call is None:
            return None
        answer = ask(self._options, call)
        if answer is None or isinstance(answer, FpackError):
            return answer
        self._targets[name] = answer
        self._say(f"{name}: {summary(answer)}")
        for correct in corrections(answer, name):
            self._correct(correct(self._read()))
        return None

    def _correct(self, correction: Correction | None) -> None:
        if correction is not None:
            self._write(self._read(), correction.text, "", correction.field, correction.why)

    def _add_interpreters(self, built: Path) -> None:
        """Add to the image of a built package what runs its scripts."""
        text = self._read()
        found = text.container()
        release = re.search(r'import\(\s*"fpack/(?:debian|ubuntu)"\s*\)\.(\w+)', text.text)
        if found is None or release is None:
            return
        entry, record = found
        own = text.text[record.start : record.end]
        for program, interpreter in sorted(_scripts(built).items()):
            if interpreter.startswith("python") and (built / "pyvenv.cfg").exists():
                continue  # an environment of Python brings its own
            package = _INTERPRETERS.get(interpreter)
            if package is None or re.search(rf"\.{re.escape(package)}\b", own):
                continue
            own += f".{package}"
            before = self._read()
            entry, record = before.container() or (entry, record)
            call = PackageCall(str(entry.name), "container", "", record)
            after = before.with_packages(call, "packages", [package], release[1])
            self._write(before, after, package, "packages", f"{program}, which {interpreter} runs")

    def _write(self, before: ProjectText, after: ProjectText, package: str, field: str, why: str) -> None:
        lines = difference(before.text, after.text)
        try:
            self._file.write_text(after.text)
        except OSError as error:
            raise FpackError(
                f"{PROJECT_FILE} cannot be written", where=str(self._file), why=error.strerror or ""
            ) from None
        self._steps.append(Step(package, field, why, lines))
        self._say(f"{PROJECT_FILE}: {f'add {package} to `{field}` for {why}' if package else why}")
        for line in lines:
            self._say(f"  {line}")

    def _read(self) -> ProjectText:
        from fpack.lang.syntax.source import read_text

        return ProjectText(read_text(self._file, PROJECT_FILE), PROJECT_FILE)

    @staticmethod
    def _call_in(text: ProjectText, call: PackageCall) -> PackageCall:
        """Return a call as it is in a changed text."""
        return next(c for c in text.calls() if (c.attribute, c.name) == (call.attribute, call.name))

    def _call_of(self, name: str, failed: PhaseFailed) -> PackageCall:
        """Return the call in the file that made a failed build. Raise _Stop if it is not known."""
        calls = self._read().calls()
        named = [call for call in calls if call.name and re.match(rf"{re.escape(call.name)}-", failed.where)]
        own = [call for call in calls if call.attribute == name]
        fitting = [call for call in own if call in named] or named[:1] or (own if len(calls) == 1 else [])
        if not fitting:
            raise _Stop(f"{failed.where} is not built by a call in {PROJECT_FILE}, so that is not changed")
        return fitting[0]


def tell(outcome: FixOutcome) -> FpackError | None:
    """Say how the rounds ended. Return the error of the last build if they did not end with success."""
    from fpack.cli.ui.render import note

    if outcome.reason:
        note(f"stopped: {outcome.reason}")
        return outcome.error or FpackError("The project is not built", why=outcome.reason)
    count = len(outcome.steps)
    changes = (
        f"with {count} change{'' if count == 1 else 's'} of {PROJECT_FILE}" if count else "and nothing was lacking"
    )
    note(f"built, {changes}")
    return None


def _scripts(built: Path) -> dict[str, str]:
    """Return the scripts among the programs of a package, each with the name of its interpreter."""
    found = {}
    for folder in ("bin", "sbin"):
        for name in entries(built / folder):
            path = built / folder / name
            if path.is_symlink() or not path.is_file():
                continue
            with open(path, "rb") as file:
                first = _FIRST_LINE.match(file.read(256))
            if first:
                found[f"{folder}/{name}"] = first[1].decode()
    return found


def _field(remedy: Remedy) -> str:
    return "libs" if remedy.packages[0].endswith("-dev") else remedy.need.field


def _failures(error: FpackError) -> list[PhaseFailed]:
    """Return the failed phases of an error, in their order."""
    from fpack.builders.kinds.exec import PhaseFailed

    return [entry for _, entry in getattr(error, "failures", ()) if isinstance(entry, PhaseFailed)]


def _first_line(failed: PhaseFailed) -> str:
    """Return the line of a log that says what is missing, or the last one."""
    from fpack.builders.exec.messages import find_missing

    found = find_missing(failed.log)
    lines = failed.log[-(1 << 18) :].splitlines()
    if found:
        named = [
            line
            for line in lines
            if found[0].name and found[0].name in line and re.search(r"(?i)no|fail|error|miss", line)
        ]
        lines = named[:1] or lines
    else:
        lines = [line for line in lines if re.search(r"(?i)\b(?:error|fail(?:ed|ure)?|cannot|undefined)\b", line)][
            :1
        ] or lines
    return lines[-1].strip()[:200] if lines else "it printed nothing"


def _reason(failed: PhaseFailed, remedies: Sequence[Remedy], lacking: Sequence[Remedy]) -> str:
    if failed.phase == "check" and not lacking:
        from fpack.builders.exec.failed_tests import failed_tests

        tests = ", ".join(failed_tests(failed.log)) or "its tests"
        return f"{tests} failed; --no-check leaves the tests out, if they cannot run in a sandbox"
    if lacking:
        first = lacking[0]
        return f"the build has {first.packages[0]} already, so {first.need} is looked for elsewhere"
    if remedies:
        return f"no package of the release has {remedies[0].missing.needs[0]}"
    return "the log names nothing that a package has"
