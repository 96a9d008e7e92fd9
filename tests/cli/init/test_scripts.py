"""Projects that have scripts alone: which is run, by what, and which programs it calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.init.code.called_programs import called, essential, with_packages
from fpack.cli.init.detect import guess, others
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import Project, read_project
from fpack.cli.init.scripts import interpreter
from fpack.cli.init.template import render


class Finder:
    """An index in which some programs are in packages of other names."""

    def find(self, need: object) -> object:
        name = need.name  # type: ignore[attr-defined]
        packages = {"jq": ("jq",), "sponge": ("moreutils",)}.get(name, ())
        return type("Found", (), {"best": packages[0] if packages else None})


def project(directory: Path, **files: str) -> Project:
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_sh", ".sh")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return read_project(directory)


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("#!/bin/sh", "dash"), ("#! /usr/bin/env bash", "bash"), ("#!/usr/bin/env -S perl -w", "perl"),
        ("#!/usr/bin/env LC_ALL=C zsh", "zsh"), ("#!/usr/bin/lua5.4", "lua5.4"), ("#!/usr/bin/env python", "python3"),
        ("#!/usr/bin/tclsh8.6", "tcl8.6"), ("#!", ""), ("#!/opt/own/tool", ""), ("#!/usr/bin/env", ""),
    ],
)  # fmt: skip
def test_the_interpreter_of_a_script(line: str, package: str) -> None:
    assert interpreter(f"{line}\necho\n") == package


def test_a_project_with_scripts_alone(tmp_path: Path) -> None:
    made = guess(project(tmp_path, job_sh="#!/bin/bash\n", test_sh="#!/bin/sh\n", bin__helper="#!/usr/bin/perl\n"))
    assert made is not None
    assert made.entrypoint == ["@/app/job.sh"]
    assert made.image_packages == ["bash", "perl"]
    assert "packages = [" in render(made, "trixie") and "chmod a+x" in render(made, "trixie")


def test_the_script_to_run(tmp_path: Path) -> None:
    directory = tmp_path / "backup"
    directory.mkdir()
    known = project(directory, a_sh="#!/bin/sh\n", run_sh="#!/bin/sh\n", build_sh="#!/bin/sh\n")
    assert guess(known).entrypoint == ["@/app/run.sh"]  # type: ignore[union-attr]
    known = project(directory, backup="#!/bin/sh\n")
    assert guess(known).entrypoint == ["@/app/backup"]  # type: ignore[union-attr]


def test_scripts_that_serve_another_project_are_none(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    assert guess(project(tools, build_sh="#!/bin/sh\n", test_sh="#!/bin/sh\n")) is None
    for name in ("src/main.c", "web/package.json", "build.xml"):
        directory = tmp_path / name.replace("/", "-")
        (directory / name).parent.mkdir(parents=True)
        (directory / name).write_text("")
        assert guess(project(directory, run_sh="#!/bin/sh\n")) is None
    directory = tmp_path / "web"
    directory.mkdir()
    (directory / "index.html").write_text("")
    site = project(directory, run_sh="#!/bin/sh\n")
    made = guess(site)
    assert made is not None and made.image_call.endswith(".site") and others(site, made) == []


def test_a_name_of_a_script_is_no_text_of_the_shell(tmp_path: Path) -> None:
    (tmp_path / 'a";id;".sh').write_text("#!/bin/sh\n")
    (tmp_path / "-x").write_text("#!/bin/sh\n")
    assert guess(read_project(tmp_path)) is None


SCRIPT = """\
#!/bin/sh
# don't call never1
help='
 never2 is text
'
usage() { cat <<EOF
never3 in a here-document
EOF
}
here=$(dirname "$0")
. "$here/lib.sh"
value=$(echo "it's
 $(nproc) text" | sponge)
if [ -n "$value" ]; then jq . /dev/null || usage; fi
read line
lib.sh
"""


def test_the_programs_that_scripts_call() -> None:
    texts = {"run": SCRIPT, "lib.sh": "greet() { sed s/a/b/ | jq .; }\n", "x.pl": "#!/usr/bin/perl\nnever4\n"}
    found = dict(called(texts))
    assert {"jq", "sponge"} <= found.keys() and not any(name.startswith("never") for name in found)
    assert not {"sed", "cat", "usage", "greet", "read", "lib.sh"} & found.keys()
    assert essential(texts) == {"sed": ("lib.sh", "sed")}
    made = with_packages(Guess("package", "x", None, [], ["dash"], ["@/app/run"]), found, Finder())  # type: ignore[arg-type]
    assert made.image_packages == ["jq", "moreutils"]


def test_hostile_texts_are_read_in_linear_time() -> None:
    for piece in ("'", '"', "<<A\n", "\\", "#", "$(", "f() ", "<<A\nA\n", '"$(', " \n"):
        list(called({"run": "#!/bin/sh\n" + piece * (60_000 // len(piece))}))
