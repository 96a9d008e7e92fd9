"""The commands of packages with a Makefile: those of GNU make, and those of BSD's make with its own programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.language.evaluations import Project, scripts


def _phases(project: Project, fields: str = "") -> dict[str, str]:
    project.write({"src/Makefile": "all:\n"})
    made = project.build(f'make {{ name = "post", source = ./src{fields} }}')
    return scripts(made.own)


def test_a_plain_makefile_is_for_gnu_make(project: Project) -> None:
    found = _phases(project, ', flags = ["A=1"]')
    assert found["build"] == "make -j$CORES A=1" and "bmake" not in "".join(found.values())


def test_bsds_make_builds_and_installs_with_the_users_flags_last(project: Project) -> None:
    found = _phases(project, ', bsd = true, flags = ["DBG=-O1"]')
    assert found["build"].endswith("INSTALL=/build/bsd/install CC=/build/bsd/cc DBG=-O1")
    assert "bmake -n $target" in found["check"] and "\nmake " not in "".join(found.values())
    assert found["install"].startswith('bmake install prefix="$out"') and "DESTDIR=/build/staged" in found["install"]


def _programs(project: Project, directory: Path) -> Path:
    """Write the programs that Makefiles of BSD run, below a directory, and return it."""
    script = _phases(project, ", bsd = true")["build"].partition("\nbmake ")[0]
    (directory / "usr/include/x86_64-linux-gnu/bsd").mkdir(parents=True)
    script = script.replace("/build/bsd", str(directory)).replace("/usr/include", f"{directory}/usr/include")
    subprocess.run(["bash", "-euc", script], check=True, env={**os.environ, "CC": "echo"})
    return directory


def test_install_makes_the_directory_and_sets_no_owner(project: Project, tmp_path: Path) -> None:
    programs = _programs(project, tmp_path / "bsd")
    (tmp_path / "post").write_text("x")
    words = ["-c", "-s", "-o", "root", "-g", "wheel", "-m", "555", "post"]
    for target in ("new/bin/post", "new/sbin/"):
        subprocess.run([programs / "install", *words, target], check=True, cwd=tmp_path)
    subprocess.run([programs / "install", "-d", "-o", "bin", "-m", "755", "made/deep"], check=True, cwd=tmp_path)
    assert oct((tmp_path / "new/bin/post").stat().st_mode)[-3:] == "555"
    assert (tmp_path / "new/sbin/post").is_file() and (tmp_path / "made/deep").is_dir()


def test_the_compiler_is_told_of_bsds_headers_and_library(project: Project, tmp_path: Path) -> None:
    programs = _programs(project, tmp_path / "bsd")
    done = subprocess.run([programs / "cc", "-c", "a b.c"], check=True, capture_output=True, text=True)
    words = done.stdout.split()
    assert words[-3:] == ["-c", "a", "b.c"] and "-lbsd" in words and "-DLIBBSD_OVERLAY" in words
    assert "-D__dead=__attribute__((__noreturn__))" in words and "-Dpledge(promises,execpromises)=0" in words


def test_a_project_with_configure_runs_the_tests_of_its_makefile(project: Project) -> None:
    project.write({"src/configure": "", "src/Makefile.in": ""})
    made = scripts(project.build('autotools { name = "post", source = ./src }').own)
    assert "make -n $target" in made["check"] and "bmake" not in made["check"]
