"""Test which Essential packages are added for the scripts of requested packages."""

from __future__ import annotations

from fpack.builders.linking.essential import complete
from fpack.builders.linking.linker import LinkResult
from fpack.builders.payload.meta import FILE, LoadFacts, TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from support.slices import names


def table(name: str, **programs: str) -> SliceTable:
    """Return a slice. programs: names below /usr/bin -> interpreter ("" for a binary)."""
    entries = {}
    for program, interp in programs.items():
        path = f"usr/bin/{program}"
        entries[path] = TreeEntry(
            path, FILE, 0o755, size=1, blake3=b"b" * 32, facts=LoadFacts(interp=interp) if interp else None
        )
    return SliceTable(name, "1", "amd64", f"/fpack/store/{'0' * 32}-{name}", entries, {"alternatives": []}, ())


SPARE = {
    "bash": table("bash", bash=""),
    "dash": table("dash", sh="", dash=""),
    "perl-base": table("perl-base", perl=""),
    "coreutils": table("coreutils", cat=""),
    "sed": table("sed", sed=""),
    "libtinfo6": table("libtinfo6"),
}
DEPENDS = {
    "app": ["lib"],
    "lib": [],
    "bash": ["libtinfo6"],
    "coreutils": [],
    "sed": [],
    "dash": [],
    "perl-base": [],
    "libtinfo6": [],
}


def run(*declared: SliceTable, asked: tuple[str, ...] = ("app",)) -> LinkResult:
    steps = complete(declared, asked, DEPENDS, SPARE.keys(), "amd64")
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send([SPARE[name] for name in wanted])
    except StopIteration as stop:
        found: LinkResult = stop.value
        return found


def test_a_program_that_is_no_script_brings_nothing() -> None:
    assert names(run(table("app", app=""), table("lib"))) == {"app", "lib"}


def test_a_shell_script_brings_its_shell_what_that_depends_on_and_a_shells_tools() -> None:
    found = run(table("app", app="/bin/bash"), table("lib"))
    assert names(found) == {"app", "lib", "bash", "libtinfo6", "coreutils", "sed"}
    assert found.reasons["bash"].by == "app" and found.reasons["bash"].file == "/usr/bin/app"
    assert found.reasons["libtinfo6"].by == "bash" and found.reasons["sed"].by == "app"


def test_another_script_brings_its_interpreter_alone() -> None:
    assert names(run(table("app", app="/usr/bin/perl"))) == {"app", "perl-base"}


def test_scripts_of_what_was_not_asked_for_bring_nothing() -> None:
    assert names(run(table("app", app=""), table("lib", helper="/bin/sh"))) == {"app", "lib"}


def test_a_shell_that_is_declared_is_not_brought_again() -> None:
    found = run(table("app", app="/bin/sh"), table("dash", sh=""))
    assert names(found) == {"app", "dash", "coreutils", "sed"}


def test_an_interpreter_that_nobody_has_fails_nothing() -> None:
    assert names(run(table("app", app="/usr/bin/fish"))) == {"app"}
