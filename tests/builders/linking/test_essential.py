"""Test which Essential packages are added for the scripts of requested packages."""

from __future__ import annotations

from fpack.builders.linking.essential import complete
from fpack.builders.linking.linker import LinkResult
from fpack.builders.payload.meta import FILE, LoadFacts, TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from support.stores.slices import names


def facts(text: str) -> LoadFacts:
    """Return the facts of a file: `system` for a program that runs the shell, else an interpreter and commands."""
    if text == "system":
        return LoadFacts(62, commands=("sh",))
    interp, *commands = text.split()
    return LoadFacts(interp=interp, commands=tuple(commands))


def table(name: str, **programs: str) -> SliceTable:
    """Return a slice. programs: names below /usr/bin -> "" for a binary, or see `facts`."""
    entries = {}
    for program, interp in programs.items():
        path = f"usr/bin/{program}"
        entries[path] = TreeEntry(path, FILE, 0o755, size=1, blake3=b"b" * 32, facts=facts(interp) if interp else None)
    return SliceTable(name, "1", "amd64", f"/fpack/store/{'0' * 32}-{name}", entries, {"alternatives": []}, ())


SPARE = {
    "bash": table("bash", bash=""),
    "dash": table("dash", sh="", dash=""),
    "perl-base": table("perl-base", perl=""),
    "coreutils": table("coreutils", cat=""),
    "sed": table("sed", sed=""),
    "libtinfo6": table("libtinfo6"),
    "ncurses-base": table("ncurses-base"),
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
    "ncurses-base": [],
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


def test_a_shell_script_brings_its_shell_what_that_depends_on_and_what_it_calls() -> None:
    found = run(table("app", app="/bin/bash sed"), table("lib"))
    assert names(found) == {"app", "lib", "bash", "libtinfo6", "sed"}
    assert found.reasons["bash"].by == "app" and found.reasons["bash"].file == "/usr/bin/app"
    assert found.reasons["libtinfo6"].by == "bash"
    assert found.reasons["sed"] == ("calls", "app", "/usr/bin/app", "sed")


def test_another_script_brings_its_interpreter_alone() -> None:
    assert names(run(table("app", app="/usr/bin/perl"))) == {"app", "perl-base"}


def test_scripts_of_all_packages_count() -> None:
    assert names(run(table("app", app=""), table("lib", helper="/bin/sh cat"))) == {"app", "dash", "lib", "coreutils"}


def test_a_program_that_runs_the_shell_brings_it() -> None:
    found = run(table("app", app=""), table("lib", helper="system"))
    assert names(found) == {"app", "dash", "lib"}
    assert found.reasons["dash"] == ("calls", "lib", "/usr/bin/helper", "sh")


def module(name: str, path: str) -> SliceTable:
    """Return a slice with an executable module that calls `cat`."""
    entry = TreeEntry(path, FILE, 0o755, size=1, blake3=b"b" * 32, facts=LoadFacts(commands=("cat",)))
    return SliceTable(name, "1", "amd64", f"/fpack/store/{'0' * 32}-{name}", {path: entry}, {"alternatives": []}, ())


def test_a_module_brings_what_it_calls_and_no_interpreter() -> None:
    assert names(run(module("app", "usr/share/perl5/App.pm"))) == {"app", "coreutils"}
    assert names(run(module("app", "usr/lib/python3/dist-packages/app.py"))) == {"app", "coreutils"}


def test_what_the_library_of_an_interpreter_calls_is_not_brought() -> None:
    for path in (
        "share/perl/5.40/A.pm",
        "lib/x86_64-linux-gnu/perl/5.40/A.pm",
        "lib/python3.13/a.py",
        "lib/ruby/3.3.0/a.rb",
    ):
        assert names(run(module("app", f"usr/{path}"))) == {"app"}


def test_scripts_for_the_administrator_of_a_system_do_not_count_unless_they_were_asked_for() -> None:
    admin = table("debconf", helper="/usr/bin/perl", other="/bin/sh cat")
    assert names(run(table("app", app=""), admin)) == {"app", "debconf"}
    assert names(run(admin, asked=("debconf",))) == {"debconf", "dash", "perl-base", "coreutils"}


def test_the_library_of_terminals_brings_their_descriptions() -> None:
    library = SliceTable(
        "libtinfo6",
        "1",
        "amd64",
        f"/fpack/store/{'0' * 32}-libtinfo6",
        {
            (path := "usr/lib/libtinfo.so.6"): TreeEntry(
                path, FILE, 0o644, size=1, blake3=b"b" * 32, facts=LoadFacts(62, soname="libtinfo.so.6")
            )
        },
        {"alternatives": []},
    )
    assert names(run(table("app", app=""), library)) == {"app", "libtinfo6", "ncurses-base"}


def test_a_shell_that_is_declared_is_not_brought_again() -> None:
    found = run(table("app", app="/bin/sh cat"), table("dash", sh=""))
    assert names(found) == {"app", "dash", "coreutils"}


def test_an_interpreter_that_nobody_has_fails_nothing() -> None:
    assert names(run(table("app", app="/usr/bin/fish"))) == {"app"}
