"""Files of a build that are compiled apart: what the wrapper asks, what fpack remembers, and what a build cannot do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from fpack.builders.exec import compile_service
from fpack.builders.exec.compile_service import CompiledFile, CompileService, load, save, trim
from fpack.builders.exec.compiler_wrapper import compilers, script
from fpack.builders.sandbox.executor import RunResult, Work
from fpack.builders.sandbox.spec import BUILD, Spec
from support.time_limits import WAIT

# A compiler: `-E` writes the file and what it includes; else the code is the text in capitals. It writes what it is
# asked into `calls`. In a sandbox, a text with the word `fail` is an error, and `warn` prints something.
COMPILER = """#!/bin/bash
printf '%s\\n' "$*" >>{calls}
mode=code
while [ $# -gt 0 ]; do
  case $1 in
    -E) mode=text ;;
    -o) out=$2; shift ;;
    -I) more=$2/header.h; shift ;;
    *.c | *.i) in=$1 ;;
  esac
  shift
done
if [ $mode = text ]; then cat "$in" ${{more:-}} >"$out"; else tr a-z A-Z <"$in" >"$out"; fi
"""


class FakeExecutor:
    """Runs the compiler of the test in place of a sandbox."""

    def __init__(self, compiler: Path) -> None:
        self.compiler = compiler
        self.runs: list[Spec] = []

    def prepare(self, spec: Spec, work: Work) -> None:
        os.mkdir(work.directory / "build")

    def run(self, spec: Spec, work: Work) -> RunResult:
        self.runs.append(spec)
        words = [word.replace(BUILD, str(work.directory / "build")) for word in spec.command]
        text = Path(next(word for word in words if word.endswith(".i"))).read_text()
        if "warn" in text:
            work.log(b"a warning\n")
        if "fail" in text:
            return RunResult(1)
        subprocess.run([self.compiler, *words[1:]], check=True)
        return RunResult(0)

    def inside(self, spec: Spec, work: Work, command: tuple[str, ...]) -> int:
        raise AssertionError


class World:
    """A build's directories, and the service."""

    def __init__(self, folder: Path, results: Path | None) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        for name in ("control", "tmp", "build"):
            (folder / name).mkdir(parents=True)
        self.calls.touch()
        real = folder / "real"
        real.write_text(COMPILER.format(calls=self.calls))
        real.chmod(0o755)
        self.executor = FakeExecutor(real)
        self._count = 0
        work = Work(folder, folder, folder, folder, lambda _: None, lambda _: None, lambda: None)
        spec = Spec("/fpack/store/root", ("/bin/sh",), env=(("PATH", "/usr/bin"), ("SECRET", "x")))
        self.service = CompileService(
            spec, work, self.executor, self._scratch, {"cc1": "/usr/libexec/gcc/cc1"}, results
        )

    def _scratch(self) -> Path:
        self._count += 1
        path = self.folder / f"scratch-{self._count}"
        path.mkdir()
        return path

    def compile(self, text: str, *options: str, name: str = "a.c") -> tuple[str, str]:
        """Compile a file by the wrapper. Return the code and the messages."""
        control = self.folder / "control"
        (control / "cc1").unlink(missing_ok=True)
        (control / "cc1").symlink_to(self.executor.compiler)
        wrapper = self.folder / "cc1"
        wrapper.write_text(script(str(control), str(self.folder / "tmp")))
        wrapper.chmod(0o755)
        (self.folder / "build" / name).write_text(text)
        before = os.listdir(self.folder / "tmp")
        words: Sequence[str] = [str(wrapper), *options, name, "-o", "a.s"]
        done = subprocess.run(
            words, cwd=self.folder / "build", capture_output=True, text=True, check=True, timeout=WAIT
        )
        assert os.listdir(self.folder / "tmp") == before, "the request's directory was left"
        return (self.folder / "build" / "a.s").read_text(), done.stderr


def test_a_result_is_remembered_by_text_and_options(tmp_path: Path) -> None:
    results = tmp_path / "results"
    with (world := World(tmp_path / "one", results)).service:
        assert world.compile("warn me\n", "-O2", "-D", "X", "-quiet") == ("WARN ME\n", "a warning\n")
        assert world.compile("warn me\n", "-O2", "-U", "X", "-quiet")[0] == "WARN ME\n"
        assert len(world.executor.runs) == 1, "only the preprocessor needs -D and -U"
        world.compile("warn me\n", "-O3", "-quiet")
        world.compile("other\n", "-O2", "-quiet")
        assert len(world.executor.runs) == 3
    with (again := World(tmp_path / "two", results)).service:
        assert again.compile("warn me\n", "-O2", "-quiet") == ("WARN ME\n", "a warning\n")
        assert not again.executor.runs
    with (checked := World(tmp_path / "three", None)).service:
        assert checked.compile("warn me\n", "-O2", "-quiet") == ("WARN ME\n", "a warning\n")
        assert len(checked.executor.runs) == 1, "a check compiles everything"


def test_a_header_is_a_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    with (world := World(tmp_path / "one", tmp_path / "results")).service:
        for text in ("first\n", "second\n"):
            (tmp_path / "include" / "header.h").write_text(text)
            assert world.compile("x\n", "-I", str(tmp_path / "include")) == (f"X\n{text.upper()}", "")
        assert len(world.executor.runs) == 2


def test_the_compiler_gets_the_text_and_options_alone(tmp_path: Path) -> None:
    with (world := World(tmp_path / "one", None)).service:
        world.compile("x\n", "-quiet", "-D", "A=b c", "-O2", "-dumpbase", "a.c", "-std=c11", "-MD", "a.d")
        (spec,) = world.executor.runs
    options = ("-quiet", "-O2", "-dumpbase", "a.c", "-std=c11")
    text, code = f"{BUILD}/text.i", f"{BUILD}/code.s"
    assert spec.command == ("/usr/libexec/gcc/cc1", "-fpreprocessed", *options, text, "-o", code)
    assert spec.root == "/fpack/store/root" and not spec.inputs and not spec.outputs and not spec.covers
    assert spec.env == (("PATH", "/usr/bin"),)


@pytest.mark.parametrize(
    "options",
    [
        ("-fprofile-use=x",),
        ("-fplugin=x",),
        ("-flto",),
        ("-g3",),
        ("-fdump-tree-all",),
        ("-aux-info", "x"),
        ("--param=x",),
    ],
)
def test_a_file_whose_options_read_or_write_others_is_compiled_in_the_build(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with (world := World(tmp_path / "one", tmp_path / "results")).service:
        assert world.compile("x\n", *options)[0] == "X\n"
        assert not world.executor.runs and "-E" not in world.calls.read_text()


def test_a_text_that_is_an_error_is_compiled_in_the_build(tmp_path: Path) -> None:
    with (world := World(tmp_path / "one", tmp_path / "results")).service:
        assert world.compile("fail\n")[0] == "FAIL\n"
        assert world.compile("fail\n")[0] == "FAIL\n"
        assert len(world.executor.runs) == 2, "an error is not remembered"


def test_a_request_cannot_make_the_service_read_or_write_elsewhere(tmp_path: Path) -> None:
    world = World(tmp_path / "one", tmp_path / "results")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tmp = world.folder / "tmp"
    with world.service:
        hostile = {"text": str(secret), "options": str(secret), "answer": str(secret)}
        for name, target in hostile.items():
            directory = tmp / f".fpack-{len(os.listdir(tmp))}-1"
            directory.mkdir()
            (directory / "options").write_bytes(b"cc1\0")
            (directory / "text").write_text("x")
            (directory / name).unlink(missing_ok=True)
            (directory / name).symlink_to(target)
        (tmp / ".fpack-9-9").symlink_to(tmp_path)
        (tmp / ".fpack-8-8").mkdir()
        os.mkfifo(tmp / ".fpack-8-8" / "text")
        names = [*os.listdir(tmp), "../secret", "", "x" * 70000]
        fifo = os.open(world.folder / "control" / compile_service.REQUESTS, os.O_WRONLY)
        for name in names:
            os.write(fifo, f"{name}\n".encode())
        os.close(fifo)
        assert world.compile("x\n")[0] == "X\n", "the service still answers"
    assert secret.read_text() == "secret"
    remembered = [load(path) for path in (tmp_path / "results").glob("*/*")]
    assert {entry.code.strip() for entry in remembered if entry is not None} == {b"X"}


def test_a_damaged_result_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ab" / "abc"
    save(path, CompiledFile(b"code", b"said"))
    assert load(path) == CompiledFile(b"code", b"said")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert load(path) is None and load(tmp_path / "none") is None


def test_the_least_recently_used_results_are_deleted(tmp_path: Path) -> None:
    for number in range(4):
        save(path := tmp_path / "ab" / str(number), CompiledFile(bytes(8), b""))
        os.utime(path, (number, number))
    size = path.stat().st_size
    assert load(tmp_path / "ab" / "0") is not None
    trim(tmp_path, 2 * size)
    assert sorted(os.listdir(tmp_path / "ab")) == ["0", "3"]


def test_compilers_of_one_name_in_two_versions_are_not_covered(tmp_path: Path) -> None:
    for version in ("13", "14"):
        assert compilers(tmp_path) == ({} if version == "13" else {"cc1": "/usr/libexec/gcc/x86_64-linux-gnu/13/cc1"})
        folder = tmp_path / "usr/libexec/gcc/x86_64-linux-gnu" / version
        folder.mkdir(parents=True)
        (folder / "cc1").touch()
    assert compilers(tmp_path) == {}
    # Cross compilers are others.
    (tmp_path / "usr/libexec/gcc-cross/aarch64-linux-gnu/14").mkdir(parents=True)
    (tmp_path / "usr/libexec/gcc-cross/aarch64-linux-gnu/14/cc1").touch()
    assert compilers(tmp_path) == {"cross-cc1": "/usr/libexec/gcc-cross/aarch64-linux-gnu/14/cc1"}


def test_the_wrapper_of_a_cross_compiler_asks_for_that_one(tmp_path: Path) -> None:
    """The wrapper without a service runs the compiler that it covers."""
    for name in ("cc1", "cross-cc1"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $*\n")
        (tmp_path / name).chmod(0o755)
    for folder, name in (("gcc", "cc1"), ("gcc-cross", "cross-cc1")):
        place = tmp_path / "usr/libexec" / folder / "any/14"
        place.mkdir(parents=True)
        (place / "cc1").write_text(script(str(tmp_path), str(tmp_path)))
        (place / "cc1").chmod(0o755)
        done = subprocess.run([place / "cc1", "-v"], capture_output=True, text=True, check=True)
        assert done.stdout == f"{name} -v\n"
