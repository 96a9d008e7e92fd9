"""Change the call of a package for failures that no package mends: old sources, directories of the system, tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpack.cli.init.edits import has_field
from fpack.cli.init.guess import OWN_PATCH
from fpack.cli.init.guess import text as quoted
from fpack.cli.init.native.staged import DIRECT_COMMANDS, STAGED_COMMANDS, staged, with_directories

from .changed_file import ChangedFile
from .outcome import RoundsEnd

if TYPE_CHECKING:
    from fpack.builders.kinds.exec import PhaseFailed
    from fpack.cli.init.edits import PackageCall, ProjectText

# The last one whose headers the C sources of Cython before 3 compile with, and the release that has it.
OLDER_PYTHON, ITS_RELEASE = "3.10", "jammy"

# The functions whose builds are run by make.
_ONE_JOB = ("make", "autotools")
# The phases run in one shell, so this is the standard input of all. The number of the lines ends a question that no
# empty line answers.
ANSWERS = "exec < <(yes '' | head -n 10000)"


def accept_old_sources(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Let the compiler accept sources that are older than its rules. Return whether the file was changed."""
    from fpack.builders.exec.message_patterns import OLD_SOURCES
    from fpack.builders.exec.messages import old_sources

    variable = old_sources(failed.log)
    before = file.read()
    call = file.call_of(name, failed)
    if variable is None or file.is_tried(call, "env", variable):
        return False
    file.mark_tried(call, "env", variable)
    flag = OLD_SOURCES[variable]
    after = _with_flags(before, call, variable, [flag])
    if after is None:
        return False
    file.write(before, after, "", "env", f"the sources are older than the compiler's rules, which {flag} relaxes")
    return True


def accept_warnings(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Let the compiler go on after warnings that a project takes for errors. Return whether the file was changed."""
    from fpack.builders.exec.messages import fatal_warnings

    before = file.read()
    call = file.call_of(name, failed)
    after = before
    flags: list[str] = []
    for variable, names in fatal_warnings(failed.log).items():
        # These hold wherever -Werror stands in the command.
        new = [f"-Wno-error={n}" for n in names if not file.is_tried(call, "warning", f"{variable} {n}")]
        made = _with_flags(after, file.call_in(after, call), variable, new) if new else None
        if made is not None:
            for warning in names:
                file.mark_tried(call, "warning", f"{variable} {warning}")
            after, flags = made, flags + new
    if not flags:
        return False
    file.write(before, after, "", "env", f"its compiler's warnings are no errors with {' '.join(flags)}")
    return True


def _with_flags(text: ProjectText, call: PackageCall, variable: str, flags: Sequence[str]) -> ProjectText | None:
    """Return the text with flags of the compiler, after those that a former change gave. None if it has other ones.

    variable: CFLAGS or CXXFLAGS.
    """
    if call.function == "make":  # a Makefile's own CFLAGS would replace the variable of the environment
        start = {"CFLAGS": "CC='gcc ", "CXXFLAGS": "CXX='g++ "}[variable]
        words = text.strings(call, "flags") or []
        given = next((word for word in words if word.startswith(start)), None)
        if given is None:
            return text.with_items(call, "flags", [quoted(f"{start}{' '.join(flags)}'")])
        more = f"{given[:-1]} {' '.join(flags)}'"
        return text.with_value(call, "flags", f"[{', '.join(quoted(more if w == given else w) for w in words)}]")
    if not has_field(call, "env"):
        return text.with_value(call, "env", f'{{ {variable} = "-O2 {" ".join(flags)}" }}')
    own = re.search(
        rf'\benv\s*= \{{ [^{{}}]*\b{variable} = "-O2 [^"]*(?=")', text.text[call.record.start : call.record.end]
    )
    if own is None:
        return None
    at = call.record.start + own.end()
    return text.replaced(at, at, f" {' '.join(flags)}")


def mend_old_cython(file: ChangedFile, name: str, failed: PhaseFailed, release: str) -> bool:
    """Generate sources of an old Cython again, or build with the last Python that they are for."""
    from fpack.builders.exec.messages import is_old_cython
    from fpack.cli.init.native.generated_c import generating_commands

    before = file.read()
    call = file.call_of(name, failed)
    if call.function != "python" or not is_old_cython(failed.log):
        return False
    commands = generating_commands(file.project)
    if commands and not any(has_field(call, field) for field in ("patch", "patches", "folder")):
        made = before.with_value(call, "patch", quoted(commands))
        after = made.with_packages(file.call_in(made, call), "tools", ["cython3"], release)
        file.write(before, after, "cython3", "tools", f"C sources that an old Cython generated; {OWN_PATCH}")
        return True
    if has_field(call, "python") or has_field(call, "patch"):
        return False
    after = before.with_value(call, "python", quoted(OLDER_PYTHON)).with_release(release, ITS_RELEASE)
    why = f"the C sources are generated for Python {OLDER_PYTHON} and older"
    file.write(before, after, "", "python", why)
    return True


def install_staged(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Install below DESTDIR, and move that to the output, if the build installs to directories of the system."""
    from fpack.builders.exec.messages import installs_outside

    before = file.read()
    call = file.call_of(name, failed)
    command = STAGED_COMMANDS.get(call.function)
    if failed.phase != "install" or command is None or has_field(call, "install"):
        return False
    if not installs_outside(failed.log):
        return False
    flags = before.strings(call, "flags") if call.function == "make" else []
    if flags is None:
        return False
    after = before.with_value(call, "install", quoted(staged(" ".join([command, *flags]))))
    file.write(before, after, "", "install", "it installs to directories of the system, so DESTDIR is given")
    return True


def answer_questions(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Answer the questions of a build with empty lines, for the defaults. Return whether the file was changed."""
    from fpack.builders.exec.messages import asks_questions

    before = file.read()
    call = file.call_of(name, failed)
    if not asks_questions(failed.log) or any(has_field(call, field) for field in ("patch", "patches")):
        return False
    after = before.with_value(call, "patch", quoted(ANSWERS))
    if call.function in _ONE_JOB:
        # Of the jobs of a parallel make, one has the standard input.
        after = _in_order(after, file.call_in(after, call)) or after
    why = f"it asks questions, which empty lines answer with the defaults; {OWN_PATCH}"
    file.write(before, after, "", "patch", why)
    return True


def name_directory(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Build in a directory with the name of the release, if its version is read from that where there is no git."""
    from fpack.builders.exec.messages import lacks_version

    before = file.read()
    call = file.call_of(name, failed)
    versions = before.strings(call, "version")
    if not versions or not call.name or not lacks_version(failed.log):
        return False
    if any(has_field(call, field) for field in ("patch", "patches", "folder")):
        return False
    release = shlex.quote(f"{call.name}-{versions[0]}")
    commands = f"cd ..; mv source {release}; ln -s {release} source; cd source"
    after = before.with_value(call, "patch", quoted(commands))
    why = f"its version is read from git, or from a directory's name: {release}; {OWN_PATCH}"
    file.write(before, after, "", "patch", why)
    return True


def build_in_order(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Let make run one job at a time, if a file was used before another job had made it."""
    from fpack.builders.exec.messages import is_out_of_order

    before = file.read()
    call = file.call_of(name, failed)
    if call.function not in _ONE_JOB or file.is_tried(call, "jobs", "1") or not is_out_of_order(failed.log):
        return False
    file.mark_tried(call, "jobs", "1")
    after = _in_order(before, call)
    if after is None:
        return False
    file.write(before, after, "", "build", "make used a file before another job had made it, so it runs one job")
    return True


def _in_order(text: ProjectText, call: PackageCall) -> ProjectText | None:
    """Return the text with a make of one job at a time, or None if the call has its own commands."""
    if call.function == "make":
        return None if "-j1" in (text.strings(call, "flags") or ()) else text.with_items(call, "flags", ['"-j1"'])
    return None if has_field(call, "build") else text.with_value(call, "build", '"make"')


def make_directories(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Make the usual directories before files are installed to them, if the build does not."""
    from fpack.builders.exec.messages import lacks_directories

    before = file.read()
    call = file.call_of(name, failed)
    command = DIRECT_COMMANDS.get(call.function)
    if failed.phase != "install" or command is None or has_field(call, "install"):
        return False
    flags = before.strings(call, "flags") if call.function == "make" else []
    if flags is None or not lacks_directories(failed.log):
        return False
    after = before.with_value(call, "install", quoted(with_directories(" ".join([command, *flags]))))
    file.write(before, after, "", "install", "it installs to directories that it does not make")
    return True


def leave_out_tests(file: ChangedFile, name: str, failed: PhaseFailed) -> None:
    """Leave out the tests of a package. Raise RoundsEnd if that was done already."""
    from fpack.builders.exec.failed_tests import failed_tests

    before = file.read()
    call = file.call_of(name, failed)
    if file.is_tried(call, "check", "null"):
        raise RoundsEnd("its tests are left out already")
    file.mark_tried(call, "check", "null")
    after = before.with_value(call, "check", "null")
    tests = ", ".join(failed_tests(failed.log)) or "its tests"
    file.write(before, after, "", "check", f"{tests} failed")
