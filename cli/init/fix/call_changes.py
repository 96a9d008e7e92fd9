"""Change the call of a package for failures that no package mends: old sources, directories of the system, tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpack.cli.init.edits import has_field
from fpack.cli.init.guess import text as quoted
from fpack.cli.init.native.staged import STAGED_COMMANDS, staged

from .changed_file import ChangedFile
from .outcome import RoundsEnd

if TYPE_CHECKING:
    from fpack.builders.kinds.exec import PhaseFailed

# The last one whose headers the C sources of Cython before 3 compile with, and the release that has it.
OLDER_PYTHON, ITS_RELEASE = "3.10", "jammy"


def accept_old_sources(file: ChangedFile, name: str, failed: PhaseFailed) -> bool:
    """Let the compiler accept sources that are older than its rules. Return whether the file was changed."""
    from fpack.builders.exec.message_patterns import OLD_SOURCES
    from fpack.builders.exec.messages import old_sources

    variable = old_sources(failed.log)
    before = file.read()
    call = file.call_of(name, failed)
    if variable is None or ("env", variable) in file.tried:
        return False
    file.tried.add(("env", variable))
    flag = OLD_SOURCES[variable]
    if call.function == "make":  # a Makefile's own CFLAGS would replace the variable of the environment
        word = f"CC='gcc {flag}'" if variable == "CFLAGS" else f"CXX='g++ {flag}'"
        after = before.with_items(call, "flags", [quoted(word)])
    elif has_field(call, "env"):
        return False
    else:
        after = before.with_value(call, "env", f'{{ {variable} = "-O2 {flag}" }}')
    file.write(before, after, "", "env", f"the sources are older than the compiler's rules, which {flag} relaxes")
    return True


def know_this_python(file: ChangedFile, name: str, failed: PhaseFailed, release: str) -> bool:
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
        file.write(before, after, "cython3", "tools", "C sources that an old Cython generated")
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


def leave_out_tests(file: ChangedFile, name: str, failed: PhaseFailed) -> None:
    """Leave out the tests of a package. Raise RoundsEnd if that was done already."""
    from fpack.builders.exec.failed_tests import failed_tests

    if ("check", "null") in file.tried:
        raise RoundsEnd("its tests are left out already")
    file.tried.add(("check", "null"))
    before = file.read()
    after = before.with_value(file.call_of(name, failed), "check", "null")
    tests = ", ".join(failed_tests(failed.log)) or "its tests"
    file.write(before, after, "", "check", f"{tests} failed")
