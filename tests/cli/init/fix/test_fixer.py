"""`fpack fix`: what a failed build lacks is added until it succeeds, and the rounds end with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.contents.finder import NeedFinder
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.builders.exec.hints import remedies
from fpack.builders.kinds.exec import PhaseFailed
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.cli.init.fix import fixer as module
from fpack.cli.init.fix.changed_file import ChangedFile
from fpack.cli.init.fix.fixer import Fixer
from fpack.cli.init.fix.image_changes import add_interpreters, add_terminal, fit_image
from fpack.cli.options import SharedOptions
from fpack.store.errors import FpackError
from fpack.store.path import StorePath

INDEX = """\
usr/include/zlib.h libdevel/zlib1g-dev
usr/include/png.h libdevel/libpng-dev
usr/bin/bison devel/bison
usr/include/sea.h libdevel/libsea-dev,libdevel/libsea2-dev
"""
FILE = """\
debian = import("fpack/debian").trixie

wave = make {
  name   = "wave"
  source = ./.
}

image = container {
  packages   = [wave]
  entrypoint = ["${wave}/bin/wave", "-x"]
}
"""
NO_ZLIB = "a.c:1:1: fatal error: zlib.h: No such file or directory"


class Scripted(Fixer):
    """A fixer whose builds fail with the given logs, in order, and then succeed. has: packages that the build has.

    logs: each with its phase, and the name of the package whose build it is if that is not wave.
    """

    def __init__(
        self, project: Path, logs: Sequence[tuple[str, ...]], programs: Sequence[str] = ("wave",), **more: Any
    ) -> None:
        self.lines: list[str] = []
        self.has: frozenset[str] = frozenset()
        self._logs = list(logs)
        self._built = project / "built"
        (self._built / "bin").mkdir(parents=True)
        for name in programs:
            (self._built / "bin" / name).touch()
        super().__init__(project, SharedOptions(), self.lines.append, **more)

    def _build(self, name: str) -> tuple[StorePath | None, FpackError | None]:
        if not self._logs:
            fit_image(self._file, name, self._built)
            add_interpreters(self._file, self._built)
            return StorePath("0" * 32, "wave"), None
        phase, log, *package = self._logs.pop(0)
        build = f"{package[0] if package else name}-0"
        failed = PhaseFailed(f"{build} failed in its phase {phase}", where=build).with_(log=log, phase=phase)
        return None, BuildsFailed([(build, failed)])

    def _lacking(self, call: Any, failed: PhaseFailed, name: str) -> tuple[list[Any], frozenset[str], str]:
        table = FileTable(memoryview(pack_rows(parse_rows([INDEX.encode()]))))
        finder = NeedFinder(ContentsIndex("trixie", "amd64", 0, [table]))
        return remedies(failed.log, lambda: finder), self.has, "trixie"


def fixer(path: Path, *logs: tuple[str, ...], text: str = FILE, **more: Any) -> Scripted:
    (path / "fpack.fp").write_text(text)
    return Scripted(path, logs, **more)


def read(path: Path) -> str:
    return (path / "fpack.fp").read_text()


def test_what_is_missing_is_added_round_by_round_and_shown(tmp_path: Path) -> None:
    both = f"{NO_ZLIB}\nb.c:1:1: fatal error: png.h: No such file or directory"
    made = fixer(tmp_path, ("build", "/bin/sh: 1: bison: not found"), ("build", both))
    outcome = made.run()
    assert not outcome.reason and set(outcome.paths) == {"wave"}
    assert [(step.field, step.package) for step in outcome.steps] == [
        ("tools", "bison"), ("libs", "zlib1g-dev"), ("libs", "libpng-dev"),
    ]  # fmt: skip
    assert "  tools  = [debian.bison]\n  libs   = [debian.zlib1g-dev, debian.libpng-dev]\n" in read(tmp_path)
    assert "fpack.fp: add bison to `tools` for the program bison" in made.lines
    assert "  +  tools  = [debian.bison]" in made.lines


CASES: Mapping[str, tuple[list[tuple[str, str]], str]] = {
    "the same again": ([("build", NO_ZLIB)] * 2, "the build has zlib1g-dev already"),
    "no known message": ([("build", "error: expected ';'")], "the log names nothing that a package has"),
    "no package": ([("build", NO_ZLIB.replace("zlib", "never"))], "no package of the release has the header never.h"),
    "a test": ([("check", "FAIL: dns\n")], "dns failed; --no-check leaves the tests out"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_stops_with_a_reason(name: str, tmp_path: Path) -> None:
    logs, reason = CASES[name]
    outcome = fixer(tmp_path, *logs).run()
    assert outcome.reason.startswith(reason) and outcome.error is not None


def test_what_did_not_help_is_taken_back_and_what_did_stays(tmp_path: Path) -> None:
    no_png = NO_ZLIB.replace("zlib", "png")
    made = fixer(tmp_path, ("build", f"{NO_ZLIB}\n{no_png}"), ("build", no_png))
    outcome = made.run()
    assert outcome.reason.startswith("the build has libpng-dev already")
    assert [step.package for step in outcome.steps] == ["zlib1g-dev"]
    assert "  libs   = [debian.zlib1g-dev]\n" in read(tmp_path)
    assert "fpack.fp: take back libpng-dev, without which the build fails in the same way" in made.lines
    (tmp_path / "all").mkdir()
    outcome = fixer(tmp_path / "all", ("build", NO_ZLIB), ("build", NO_ZLIB)).run()
    assert read(tmp_path / "all") == FILE and not outcome.steps
    (tmp_path / "call").mkdir()
    old = "x.c:1:1: error: x [-Wimplicit-int]"
    outcome = fixer(tmp_path / "call", ("build", old), ("build", old)).run()
    assert read(tmp_path / "call") == FILE and not outcome.steps
    (tmp_path / "further").mkdir()
    outcome = fixer(tmp_path / "further", ("build", old), ("install", "error: x")).run()
    assert "-fpermissive" in read(tmp_path / "further"), "the build got further"


def test_of_several_packages_for_a_need_the_next_is_tried(tmp_path: Path) -> None:
    log = "a.c:1:1: fatal error: sea.h: No such file or directory"
    made = fixer(tmp_path, ("build", log), ("build", log))
    outcome = made.run()
    assert not outcome.reason and [step.package for step in outcome.steps] == ["libsea2-dev"]
    assert "  libs   = [debian.libsea2-dev]\n" in read(tmp_path)


def test_a_package_that_the_build_has_is_not_added(tmp_path: Path) -> None:
    made = fixer(tmp_path, ("build", NO_ZLIB))
    made.has = frozenset({"zlib1g-dev"})
    assert made.run().reason.startswith("the build has zlib1g-dev already") and read(tmp_path) == FILE


def test_tests_are_left_out_if_asked_for(tmp_path: Path) -> None:
    outcome = fixer(tmp_path, ("check", "FAIL: dns\n"), no_check=True).run()
    assert not outcome.reason and "  check  = null\n" in read(tmp_path) and outcome.steps[0].why == "dns failed"


@pytest.mark.parametrize(
    ("function", "line", "made"),
    [
        ("make", "x.c:1:1: error: x [-Wimplicit-int]", """  flags  = ["CC='gcc -fpermissive -fcommon'"]\n"""),
        (
            "make",
            "/usr/include/string.h:43:14: note: previous declaration of 'memcpy' with type 'void *(void *)'",
            """  flags  = ["CC='gcc -fpermissive -fcommon'"]\n""",
        ),
        (
            "autotools",
            "/usr/bin/ld: b.o:(.bss+0x0): multiple definition of `x'; a.o:(.bss+0x0): first defined here",
            """  env    = { CFLAGS = "-O2 -fpermissive -fcommon" }\n""",
        ),
        (
            "autotools", "x.c:1:1: error: x [-Wimplicit-int]",
            """  env    = { CFLAGS = "-O2 -fpermissive -fcommon" }\n""",
        ),
        (
            "cmake", "error: ISO C++17 does not allow 'register' storage class",
            """  env    = { CXXFLAGS = "-O2 -std=gnu++14" }\n""",
        ),
    ],
)  # fmt: skip
def test_old_sources_are_accepted(function: str, line: str, made: str, tmp_path: Path) -> None:
    text = FILE.replace("make {", f"{function} {{")
    outcome = fixer(tmp_path, ("build", line), text=text).run()
    assert not outcome.reason and made in read(tmp_path)
    (tmp_path / "again").mkdir()
    outcome = fixer(tmp_path / "again", ("build", line), ("build", line), text=text).run()
    assert outcome.reason == "the log names nothing that a package has"


def test_rounds_that_never_succeed_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROUNDS", 2)
    logs = [("build", NO_ZLIB), ("build", NO_ZLIB.replace("zlib", "png")), ("build", "x")]
    assert "was built 2 times" in fixer(tmp_path, *logs).run().reason


@pytest.mark.parametrize(
    ("programs", "entrypoint"), [(["tide"], "tide"), (["a-test", "wavectl"], "wavectl"), ([], None)]
)
def test_the_image_runs_a_program_that_the_package_has(
    programs: list[str], entrypoint: str | None, tmp_path: Path
) -> None:
    fixer(tmp_path, programs=programs).run()
    if entrypoint is None:
        assert "container" not in read(tmp_path) and "wave = make" in read(tmp_path)
    else:
        assert read(tmp_path) == FILE.replace("bin/wave", f"bin/{entrypoint}")


def test_a_build_that_the_file_does_not_call_is_not_changed(tmp_path: Path) -> None:
    text = 'a = make { name = "a" }\nb = make { name = "b" }\n'
    outcome = fixer(tmp_path, ("build", NO_ZLIB), text=text).run(["c"])
    assert "is not built by a call in fpack.fp" in outcome.reason and read(tmp_path) == text


def test_a_file_without_a_package_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FpackError, match="no package to fix"):
        fixer(tmp_path, text="a = 1\n").run()


def test_an_image_runs_the_program_that_the_package_has_in_bin_or_sbin(tmp_path: Path) -> None:
    made = fixer(tmp_path, programs=["crest"])
    assert not made.run().reason and '["${wave}/bin/crest", "-x"]' in read(tmp_path)
    (tmp_path / "second").mkdir()
    made = fixer(tmp_path / "second", programs=[])
    (tmp_path / "second/built/sbin").mkdir()
    (tmp_path / "second/built/sbin/wave").touch()
    assert not made.run().reason and '["${wave}/sbin/wave", "-x"]' in read(tmp_path / "second")


def test_of_several_programs_the_image_runs_a_compiled_one(tmp_path: Path) -> None:
    made = fixer(tmp_path, programs=["crest", "surf"])
    (tmp_path / "built/bin/crest").write_text("#!/bin/sh\n")
    made.run()
    assert '["${wave}/bin/surf", "-x"]' in read(tmp_path)


def test_an_image_gets_what_runs_the_scripts_of_its_package(tmp_path: Path) -> None:
    made = fixer(tmp_path, programs=["wave"])
    for name, line in (("one", "#!/usr/bin/perl -w"), ("two", "#! /usr/bin/env perl"), ("three", "#!/opt/own")):
        (tmp_path / "built/bin" / name).write_text(line + "\n")
    outcome = made.run()
    assert [(step.field, step.package) for step in outcome.steps] == [("packages", "perl")]
    assert "  packages   = [wave, debian.perl]\n" in read(tmp_path)
    assert made.run().steps == outcome.steps, "it is added once"


def test_what_the_function_of_the_library_brings_is_not_added(tmp_path: Path) -> None:
    made = fixer(tmp_path, programs=["wave"], text=FILE.replace("make {", "ruby {"))
    for name, line in (("one", "#!/bin/sh"), ("two", "#!/usr/bin/perl")):
        (tmp_path / "built/bin" / name).write_text(line + "\n")
    assert [step.package for step in made.run().steps] == ["perl"]


def test_what_a_package_that_the_image_does_not_have_brings_is_added(tmp_path: Path) -> None:
    other = 'helper = ruby {\n  name = "helper"\n}\n\nwave-2 = ruby {\n  name = "wave-2"\n}\n\nwave = make {'
    made = fixer(tmp_path, programs=["wave"], text=FILE.replace("wave = make {", other))
    for name, line in (("one", "#!/bin/sh"), ("two", "#!/usr/bin/ruby")):
        (tmp_path / "built/bin" / name).write_text(line + "\n")
    assert [step.package for step in made.run(["wave"]).steps] == ["dash", "ruby"]
    (tmp_path / "inside").mkdir()
    text = FILE.replace("[wave]", '[wave, ruby { name = "helper" }]')
    made = fixer(tmp_path / "inside", programs=["wave"], text=text)
    (tmp_path / "inside/built/bin/one").write_text("#!/bin/sh\n")
    assert made.run(["wave"]).steps == []


def test_what_installs_to_directories_of_the_system_is_installed_below_destdir(tmp_path: Path) -> None:
    log = "OSError: [Errno 30] Read-only file system: '/etc/depmod.d'"
    for function, command in (
        ("meson", "DESTDIR=/build/staged meson install -C /build/objects --no-rebuild; mkdir"),
        ("make", 'make install PREFIX=\\"$out\\" prefix=\\"$out\\" DESTDIR=/build/staged; mkdir'),
        ("autotools", "make install DESTDIR=/build/staged; mkdir"),
    ):
        (tmp_path / function).mkdir()
        text = FILE.replace("make {", f"{function} {{")
        outcome = fixer(tmp_path / function, ("install", log), text=text).run()
        assert not outcome.reason and f'install = "{command}' in read(tmp_path / function)
        (tmp_path / function / "again").mkdir()
        outcome = fixer(tmp_path / function / "again", ("install", log), ("install", log), text=text).run()
        assert outcome.reason == "the log names nothing that a package has"


def test_sources_of_an_old_cython_get_the_python_that_they_are_for(tmp_path: Path) -> None:
    log = "a.cpp:196:12: fatal error: longintrepr.h: No such file or directory"
    outcome = fixer(tmp_path, ("install", log), text=FILE.replace("make {", "python {")).run()
    assert not outcome.reason and '  python = "3.10"\n' in read(tmp_path)
    assert 'import("fpack/ubuntu").jammy' in read(tmp_path) and "trixie" not in read(tmp_path)
    (tmp_path / "pyx/a").mkdir(parents=True)
    for file in ("a/b.pyx", "a/b.cpp", "c.pyx", "c.c", "only.pyx", "own.c"):
        (tmp_path / "pyx" / file).touch()
    outcome = fixer(tmp_path / "pyx", ("install", log), text=FILE.replace("make {", "python {")).run()
    again = "cython3 -2 c.pyx -o c.c; cython3 -2 --cplus a/b.pyx -o a/b.cpp"
    assert not outcome.reason and f'"{again}"' in read(tmp_path / "pyx") and "debian.cython3" in read(tmp_path / "pyx")
    (tmp_path / "c").mkdir()
    outcome = fixer(tmp_path / "c", ("install", log)).run()
    assert outcome.reason == "the log names nothing that a package has" and read(tmp_path / "c") == FILE


@pytest.mark.parametrize("function", ["make", "autotools"])
def test_directories_are_made_for_an_installation_that_does_not(function: str, tmp_path: Path) -> None:
    log = "install: cannot create regular file '/fpack/store/abc-wave-0/bin/x': No such file or directory"
    text = FILE.replace("make {", f"{function} {{")
    outcome = fixer(tmp_path, ("install", log), text=text).run()
    assert not outcome.reason and 'install = "mkdir -p \\"$out\\"/{bin,sbin,' in read(tmp_path)
    assert "make install" in read(tmp_path) and 'find \\"$out\\" -mindepth 1 -type d -empty -delete' in read(tmp_path)
    (tmp_path / "again").mkdir()
    outcome = fixer(tmp_path / "again", ("install", log), ("install", log), text=text).run()
    assert outcome.reason == "the log names nothing that a package has"


QUESTION = "Use threads? [n] make: *** [Makefile:1: config.h] Error 1"
TOO_EARLY = "make: *** No rule to make target 'config.h', needed by 'a.o'.\nmake: *** Waiting for unfinished jobs....\n"


def test_questions_are_answered_with_empty_lines_one_job_at_a_time(tmp_path: Path) -> None:
    outcome = fixer(tmp_path, ("build", QUESTION)).run()
    assert not outcome.reason and [step.field for step in outcome.steps] == ["patch"]
    assert "  patch  = \"exec < <(yes '' | head -n 10000)\"\n" in read(tmp_path)
    assert '  flags  = ["-j1"]\n' in read(tmp_path)
    (tmp_path / "again").mkdir()
    outcome = fixer(tmp_path / "again", ("build", QUESTION), ("build", QUESTION)).run()
    assert outcome.reason == "the log names nothing that a package has"


@pytest.mark.parametrize(("function", "line"), [("make", 'flags  = ["-j1"]'), ("autotools", 'build  = "make"')])
def test_a_make_that_uses_files_too_early_runs_one_job_at_a_time(function: str, line: str, tmp_path: Path) -> None:
    text = FILE.replace("make {", f"{function} {{")
    outcome = fixer(tmp_path, ("build", TOO_EARLY), text=text).run()
    assert not outcome.reason and f"  {line}\n" in read(tmp_path)
    (tmp_path / "again").mkdir()
    outcome = fixer(tmp_path / "again", ("build", TOO_EARLY), ("build", TOO_EARLY), text=text).run()
    assert outcome.reason == "the log names nothing that a package has"


def test_the_image_of_a_program_that_draws_on_a_terminal_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fpack.fp").write_text(FILE)
    (tmp_path / "built/bin").mkdir(parents=True)
    (tmp_path / "built/bin/wave").touch()
    file = ChangedFile(tmp_path, lambda line: None)
    monkeypatch.setattr("fpack.builders.payload.elf.facts", lambda head, path: LoadFacts(needed=("libc.so.6",)))
    add_terminal(file, "wave", tmp_path / "built")
    assert read(tmp_path) == FILE
    needed = ("libc.so.6", "libncursesw.so.6")
    monkeypatch.setattr("fpack.builders.payload.elf.facts", lambda head, path: LoadFacts(needed=needed))
    for _ in range(2):  # once is enough
        add_terminal(file, "wave", tmp_path / "built")
        assert read(tmp_path).count('env        = { TERM = "xterm" }\n') == 1
        assert "  packages   = [wave, debian.ncurses-base]\n" in read(tmp_path)
    assert len(file.steps) == 1


NO_VERSION = "meson.build:3:11: ERROR: Command `/build/source/scripts/generate-version.sh` failed with status 1."


def test_a_version_that_is_read_from_git_is_given_by_the_directory(tmp_path: Path) -> None:
    text = FILE.replace("  source", '  version = "1.2"\n  source')
    outcome = fixer(tmp_path, ("configure", NO_VERSION), text=text).run()
    assert not outcome.reason and "cd ..; mv source wave-1.2; ln -s wave-1.2 source; cd source" in read(tmp_path)
    assert "`patches` are not applied" in outcome.steps[0].why
    (tmp_path / "again").mkdir()
    outcome = fixer(tmp_path / "again", ("configure", NO_VERSION), ("configure", NO_VERSION), text=text).run()
    assert outcome.reason == "the log names nothing that a package has" and read(tmp_path / "again") == text
    (tmp_path / "none").mkdir()
    assert fixer(tmp_path / "none", ("configure", NO_VERSION)).run().reason, "the file has no version"


def fatal(name: str, file: str = "a.c") -> str:
    return f"{file}:3:10: error: 'x' is odd [-Werror={name}]\ncc1: all warnings being treated as errors\n"


def test_warnings_that_a_project_takes_for_errors_are_accepted_round_by_round(tmp_path: Path) -> None:
    logs = [("build", fatal("unused-result")), ("build", fatal("format-truncation=") + fatal("odd", "b.cc"))]
    assert not fixer(tmp_path, *logs).run().reason
    cc, cxx = "CC='gcc -Wno-error=unused-result -Wno-error=format-truncation'", "CXX='g++ -Wno-error=odd'"
    assert f'  flags  = ["{cc}", "{cxx}"]\n' in read(tmp_path)
    (tmp_path / "meson").mkdir()
    text = FILE.replace("make {", "meson {")
    assert not fixer(tmp_path / "meson", logs[0], ("build", fatal("odd")), text=text).run().reason
    assert '  env    = { CFLAGS = "-O2 -Wno-error=unused-result -Wno-error=odd" }\n' in read(tmp_path / "meson")
    (tmp_path / "again").mkdir()
    assert fixer(tmp_path / "again", logs[0], logs[0]).run().reason and read(tmp_path / "again") == FILE


TWO = FILE.replace("wave = make {", 'tide = make { name = "tide", source = ./tide }\n\nwave = make {\n  libs = [tide]')


@pytest.mark.parametrize(
    ("phase", "log", "fields"),
    [
        ("build", NO_ZLIB, ["libs", "libs"]),
        ("build", fatal("odd"), ["env", "env"]),
        ("build", "x.c:1:1: error: x [-Wimplicit-int]", ["env", "env"]),
        ("build", TOO_EARLY, ["build", "build"]),
        ("check", "make: *** [check] Error 2", ["check", "check"]),
    ],
)
def test_two_packages_that_fail_in_the_same_way_are_both_changed(
    phase: str, log: str, fields: list[str], tmp_path: Path
) -> None:
    made = fixer(tmp_path, (phase, log, "tide"), (phase, log, "wave"), text=TWO, no_check=True)
    outcome = made.run(["wave"])
    assert not outcome.reason and [step.field for step in outcome.steps] == fields
    assert not any("take back" in line for line in made.lines)
    tide, wave = read(tmp_path).split("wave = make")
    assert tide != TWO.split("wave = make")[0] and wave != TWO.split("wave = make")[1]


def test_tests_that_are_left_out_in_vain_hinder_no_other_change(tmp_path: Path) -> None:
    error = ("check", "make: *** [check] Error 2")
    made = fixer(tmp_path, ("build", TOO_EARLY), error, error, no_check=True)
    assert made.run().reason == "its tests are left out already"
    assert made._useless == set() and '"-j1"' in read(tmp_path)
