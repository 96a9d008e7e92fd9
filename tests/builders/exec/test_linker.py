"""The script that runs in place of linkers: which RUNPATH it adds, and which archives it refuses.

The linker is a stand-in that writes its arguments, and the strings of its input, to its output.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fpack.builders.exec.linker import BIN, variables
from fpack.lang import std
from fpack.lang.evaluator import Evaluator

_LINKER = """\
#!/bin/bash
out=a.out
printf '%s\\n' "$@" >>"$LOG"
echo -- >>"$LOG"
arguments=("$@")
for word; do case $word in @*) mapfile -t arguments < <(xargs printf '%s\\n' <"${word#@}") ;; esac; done
: "${NAMES-libz.so.1}"
for ((i = 0; i < ${#arguments[@]}; i++)); do
  case ${arguments[i]} in -o) out=${arguments[i + 1]} ;; esac
done
echo "${NAMES-libz.so.1}" >"$out"
"""


class Linking:
    """Calls of the script in a directory that stands for `/`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        store, self.system = top / "fpack/store", top / "usr/lib"
        self.z, self.y = (store / f"{'a' * 32}-{name}/lib" for name in ("zlib", "y"))
        for directory in (self.z, self.y, self.system, top / "tree", top / "control/bin", top / "real"):
            directory.mkdir(parents=True)
        for path in ("libz.so", "libz.so.1"):
            (self.z / path).touch()
            (self.system / path).touch()
        for path in (self.y / "liby.so", self.y / "liby.so.1", self.system / "libz.a", self.system / "libm.a"):
            path.touch()
        evaluator = Evaluator(root=top)
        text = evaluator.force(evaluator.load(Path(std.__file__).parent / "build/linker.fp")["script"])
        script = str(text).replace("/fpack/", f"{top}/fpack/").replace(" /usr/", f" {top}/usr/")
        script = script.replace("case $1 in /usr/*", f"case $1 in {top}/usr/*")
        for name, content in {"control/bin/ld": script, "real/ld": _LINKER}.items():
            (top / name).write_text(content)
            (top / name).chmod(0o755)
        (top / "control/libraries").write_text(f"{self.z} libz.so.1\n{self.y} liby.so.1\n")

    def __call__(self, *words: object, **env: str) -> list[list[str]]:
        """Run the script. Return the words of each call of the linker."""
        log = self.top / "log"
        log.write_text("")
        path = f"{self.top}/control/bin:{self.top}/real:{os.environ['PATH']}"
        done = subprocess.run(
            [self.top / "control/bin/ld", *map(str, words)],
            cwd=self.top / "tree",
            env={"PATH": path, "LOG": str(log), **env},
            capture_output=True,
            text=True,
            check=False,
        )
        self.error = done.stderr
        self.status = done.returncode
        calls = log.read_text().split("--\n")[:-1]
        return [call.splitlines() for call in calls]


@pytest.fixture
def ld(tmp_path: Path) -> Linking:
    return Linking(tmp_path)


def test_what_is_linked_gets_its_directory_and_no_other(ld: Linking) -> None:
    words = [f"-L{ld.z}", f"-L{ld.y}", f"-L{ld.system}", "-lz", "-o", "app"]
    assert ld(*words) == [["-rpath", str(ld.z), *words]]


@pytest.mark.parametrize("words", [["-l", "z"], ["--library=z"], ["-l:libz.so.1"], ["--library", "z"]])
def test_all_forms_of_libraries_are_known(ld: Linking, words: list[str]) -> None:
    rest = ["--library-path", ld.z, f"--library-path={ld.y}", *words]
    assert ld(*rest)[0][:2] == ["-rpath", str(ld.z)]


def test_a_file_by_its_path_is_linked_too(ld: Linking) -> None:
    words = [f"-L{ld.z}", f"-L{ld.y}", f"{ld.z}/libz.so", "-o", "app"]
    assert ld(*words) == [["-rpath", str(ld.z), *words]]


def test_a_directory_of_the_system_comes_after_the_built_ones(ld: Linking) -> None:
    (call,) = ld(f"-L{ld.system}", f"-L{ld.z}", "-lz")
    assert call == ["-rpath", str(ld.z), f"-L{ld.z}", f"-L{ld.y}", f"-L{ld.system}", f"-L{ld.z}", "-lz"]


def test_a_file_of_the_system_is_replaced(ld: Linking) -> None:
    (call,) = ld(f"-L{ld.z}", f"-L{ld.y}", f"{ld.system}/libz.so")
    assert call == ["-rpath", str(ld.z), f"-L{ld.z}", f"-L{ld.y}", f"{ld.z}/libz.so"]


def test_response_files_are_read_and_keep_odd_words(ld: Linking) -> None:
    (ld.top / "tree/args").write_text(f"-L{ld.system} '-la b' \"x y.o\" -lz\n-o app")
    (call,) = ld("@args")
    assert call[:2] == ["-rpath", str(ld.z)] and call[2].startswith("@/tmp/")
    assert not os.path.exists(call[2][1:])
    (ld.top / "tree/plain").write_text(f"-L{ld.z} -L{ld.y} -lz")
    assert ld("@plain") == [["-rpath", str(ld.z), "@plain"]]
    (ld.top / "tree/self").write_text("@self")
    assert ld("@self") and ld.status == 0


def test_the_runpath_of_the_build_comes_after(ld: Linking) -> None:
    (call,) = ld(f"-L{ld.z}", f"-L{ld.y}", "-rpath", ld.system, "-lz")
    assert call[:2] == ["-rpath", str(ld.z)]
    words = [f"-L{ld.z}", f"-L{ld.y}", f"-rpath={ld.z}", "-lz"]
    assert ld(*words) == [words]
    (call,) = ld(f"-L{ld.z}", f"-L{ld.y}", f"-rpath={ld.system}:{ld.z}", "-lz")
    assert call[:2] == ["-rpath", str(ld.z)]


def test_the_variable_for_the_runpath_still_counts(ld: Linking) -> None:
    (call,) = ld(f"-L{ld.z}", f"-L{ld.y}", "-lz", LD_RUN_PATH="/opt/x")
    assert call[:4] == ["-rpath", str(ld.z), "-rpath", "/opt/x"]


def test_what_is_dropped_as_needless_is_linked_again_without_a_runpath(ld: Linking) -> None:
    words = [f"-L{ld.z}", f"-L{ld.y}", "--as-needed", "-lz"]
    assert ld(*words, NAMES="none") == [["-rpath", str(ld.z), *words], words]


def test_a_soname_for_dlopen_gets_its_directory(ld: Linking) -> None:
    words = [f"-L{ld.z}", f"-L{ld.y}", "x.o"]
    assert ld(*words, NAMES="dlopen liby.so.1") == [words, ["-rpath", str(ld.y), *words]]


def test_a_library_of_the_build_itself_is_not_taken_from_libs(ld: Linking) -> None:
    (ld.top / "tree/libz.so").touch()
    words = ["-L.", f"-L{ld.z}", f"-L{ld.y}", "-lz"]
    assert ld(*words) == [words]


@pytest.mark.parametrize(
    "words", [["-static", "-lz"], ["-Bstatic", "-lz"], ["-l:libz.a"], ["--push-state", "-dn", "-lz"]]
)
def test_an_archive_of_the_system_is_not_linked_in_place_of_a_built_library(ld: Linking, words: list[str]) -> None:
    assert ld(f"-L{ld.z}", f"-L{ld.y}", f"-L{ld.system}", *words) == []
    assert ld.status == 1 and "of `libs`, which has no static library" in ld.error
    assert ld(f"{ld.system}/libz.a") == []


def test_other_archives_and_modes_that_ended_are_fine(ld: Linking) -> None:
    words = [f"-L{ld.z}", f"-L{ld.y}", f"-L{ld.system}", "--push-state", "-Bstatic", "-lm", "--pop-state", "-lz"]
    assert ld(*words) == [["-rpath", str(ld.z), *words]]
    (ld.z / "libz.a").touch()
    words = [f"-L{ld.z}", f"-L{ld.y}", f"-L{ld.system}", "-static", "-lz"]
    assert ld(*words, NAMES="none") == [words]


@pytest.mark.parametrize("words", [["-r", "-lz"], ["--version"], ["--print-memory-usage"]])
def test_calls_that_make_no_program_are_passed_on(ld: Linking, words: list[str]) -> None:
    assert ld(*words) == [words]


def test_a_linker_that_is_not_there_is_an_error(ld: Linking) -> None:
    (ld.top / "control/bin/ld.none").symlink_to("ld")
    done = subprocess.run(
        [ld.top / "control/bin/ld.none"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 127 and done.stderr == "ld.none: there is no such linker\n"


def test_compilers_find_the_script_first() -> None:
    assert variables({"PATH": "/usr/bin"}) == {"PATH": f"{BIN}:/usr/bin", "COMPILER_PATH": BIN}
    assert variables({"PATH": "/x", "COMPILER_PATH": "/y"})["COMPILER_PATH"] == f"{BIN}:/y"
