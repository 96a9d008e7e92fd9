"""Builds of Python programs: the version, and the packages of locks and of plans."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.store.derivation import Derivation
from support.language.evaluations import Build, Plan, Project, scripts, variables

VERSIONS = {
    "bullseye python3": "3.9.2-3", "jammy python3": "3.10.6-1~22.04", "bookworm python3": "3.11.2-1+b1",
    "noble python3": "3.12.3-0ubuntu2", "trixie python3": "3.13.5-1", "forky python3": "3.14.7-3",
    "sid python3": "3.14.8-1",
    "libc6": "2.36-9+deb12u10",
}  # fmt: skip
HASHED = f"click==8.1.0 --hash=sha256:{'5' * 64}\n"
NONE = {"files": [], "local": [], "installs": False, "copies": True, "tools": []}
FILE = {"project": "click", "version": "8.1.0", "hashes": ["5" * 64], "urls": ["https://example.org/click.whl"]}


@pytest.fixture(autouse=True)
def files(project: Project) -> None:
    project.write({"app/requirements.txt": HASHED, "app/loose.txt": "click\n", "app/pyproject.toml": ""})


def planned(project: Project, fields: str, plan: Mapping[str, Any] = NONE) -> tuple[Any, Plan]:
    """Return what `python` makes of fields and a plan, and the plan's request."""
    planner = Plan(plan)
    text = f'python {{ name = "app", source = ./app, {fields} }}'
    return project.build(text, versions=VERSIONS, python_plan=planner), planner


@pytest.mark.parametrize(
    ("python", "release"),
    [
        ("3.9", "bullseye"), ("3.10", "jammy"), ("3.11", "bookworm"), ("3.12", "noble"), ("3.13", "trixie"),
        ("3.14", "forky"),
    ],
)  # fmt: skip
def test_a_version_is_that_of_a_release_which_has_it(project: Project, python: str, release: str) -> None:
    build, planner = planned(project, f'python = "{python}", requirements = ./app/requirements.txt')
    assert build.root(build.own).args["release"] == release and not planner.requests
    (file,) = build.kinds("pypi")
    assert {key: file.args[key] for key in ("project", "version", "python", "libc", "arch", "optional", "sources")} == {
        "project": "click", "version": "8.1.0", "python": python, "libc": "2.36", "arch": "amd64", "optional": False,
        "sources": False,
    }  # fmt: skip
    build, planner = planned(project, f'python = "{python}", project = ./app/pyproject.toml')
    assert build.root(build.own).args["release"] == release
    assert planner.requests[0]["python"].startswith(f"{python}.")
    versions = {"versions": VERSIONS}
    app = f'python {{ name = "app", python = "{python}", requirements = ./app/requirements.txt }}'
    assert project.value(f"[p.name + p.release for p in ({app}).runtime]", **versions) == [f"python3{release}"]


@pytest.mark.parametrize("given", ['release = "sid"', 'tools = [import("fpack/debian").sid.gcc]'])
def test_another_release_that_has_the_version_is_used(project: Project, given: str) -> None:
    build, _ = planned(project, f'python = "3.14", {given}, requirements = ./app/requirements.txt')
    assert build.root(build.own).args["release"] == "sid" and build.kinds("pypi")[0].args["python"] == "3.14"


@pytest.mark.parametrize("given", ['release = "trixie"', 'tools = [import("fpack/debian").trixie.gcc]'])
@pytest.mark.parametrize("packages", ["requirements = ./app/requirements.txt", "project = ./app", ""])
def test_a_release_with_another_version_is_an_error(project: Project, given: str, packages: str) -> None:
    with pytest.raises(EvalError, match="Python 3.11 is asked for, and trixie.* has 3.13: bookworm has 3.11"):
        planned(project, f'python = "3.11", {given}, {packages}')


@pytest.mark.parametrize("version", ["3.8", "3.15", "3.11.4", ">=3.15"])
def test_a_version_that_no_release_has_is_an_error_that_names_the_others(project: Project, version: str) -> None:
    with pytest.raises(EvalError) as error:
        planned(project, f'python = "{version}", project = ./app')
    assert f"has Python {version}: there are 3.9 (bullseye), 3.10 (jammy), 3.11 (bookworm)" in error.value.what


def test_packages_with_hashes_are_installed_by_pip_from_the_store(project: Project) -> None:
    build, _ = planned(project, "requirements = ./app/requirements.txt, apart = false")
    assert list(scripts(build.own)) == ["unpack", "configure", "build", "install", "fixup"]
    assert build.text("requirements.txt") == f"click==8.1.0 --hash=sha256:{'5' * 64}\n"
    found = variables(build.own)
    assert found["wheels"].endswith("-click-8.1.0") and found["requirements"].endswith("-requirements.txt")
    script = scripts(build.own)["build"]
    assert '--no-index --no-compile --no-warn-script-location --require-hashes --no-deps $folders -r "$requ' in script
    assert "PYTHONPATH" not in script and "gcc" not in build.tools(build.own)
    sources, _ = planned(project, "requirements = ./app/requirements.txt, apart = false, sources = true")
    assert "--no-build-isolation" in scripts(sources.own)["build"]
    assert sources.tools(sources.own) >= {"gcc", "python3-dev", "python3-setuptools"}
    assert sources.kinds("pypi")[0].args["sources"] is True


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ("requirements = ./app/loose.txt", {"requirements": "loose.txt", "project": None}),
        ("project = ./app/pyproject.toml", {"requirements": None, "project": "pyproject.toml"}),
        ('needs = ["gunicorn>=22"]', {"needs": ["gunicorn>=22"], "lock": None}),
        (
            'project = ./app, extras = ["a"], groups = ["dev"], release = "bookworm"',
            {"extras": ["a"], "groups": ["dev"], "python": "3.11.2", "project": "app"},
        ),
        ("requirements = ./app/requirements.txt, project = ./app", {"requirements": "requirements.txt"}),
        ('groups = ["dev"], release = "jammy"', {"python": "3.10.6", "libc": "2.36", "arch": "amd64"}),
    ],
)
def test_what_has_no_hashes_is_planned(project: Project, fields: str, asked: dict[str, Any]) -> None:
    _, planner = planned(project, fields)
    (request,) = planner.requests
    assert {name: request[name] for name in asked} == asked
    assert request.keys() == {
        "python", "libc", "arch", "requirements", "lock", "project", "needs", "extras", "groups",
    }  # fmt: skip


def test_a_plan_is_what_the_build_installs(project: Project) -> None:
    files = [{**FILE, "role": "run"}, {**FILE, "project": "hatchling", "version": "1.0", "role": "build"}]
    plan = {"files": files, "local": ["libs/a b"], "installs": True, "copies": False, "tools": ["gcc"]}
    build, _ = planned(project, 'project = ./app, version = "2.1", flags = ["--config-settings=a=b"]', plan)
    assert list(scripts(build.own)) == ["unpack", "configure", "build", "install", "fixup"]
    assert "gcc" in build.tools(build.own)
    listed = [line.split() for line in build.text("packages").splitlines()]
    assert [(role, path.partition("-")[2]) for role, path in listed] == [
        ("run", "click-8.1.0"), ("build", "hatchling-1.0"),
    ]  # fmt: skip
    made = {file.args["project"]: file.args for file in build.kinds("pypi")}
    assert made["click"]["sources"] is True and made["click"]["python"] == "3.13"
    assert made["click"]["hashes"] == ["5" * 64] and made["click"]["urls"] == FILE["urls"]
    install = scripts(build.own)["install"]
    assert "--no-deps ${links:-} ./'libs/a b'" in install and '/app"' not in install
    assert 'export SETUPTOOLS_SCM_PRETEND_VERSION="2.1"' in install
    assert "--no-deps --config-settings=a=b ${links:-} ." in install and "MANIFEST.in" not in install


def test_data_files_that_setuptools_takes_from_a_repository_are_named_to_it(project: Project) -> None:
    plan = {"files": [], "local": [], "installs": True, "copies": False, "scm": True, "tools": []}
    build, _ = planned(project, "project = ./app", plan)
    install = scripts(build.own)["install"]
    assert 'if [ ! -e PKG-INFO ]; then\n  { echo "global-include *"' in install
    assert install.index("MANIFEST.in") < install.index("--no-deps")


def test_a_plan_without_packages_copies_the_files(project: Project) -> None:
    build, _ = planned(project, "project = ./app")
    assert list(scripts(build.own)) == ["unpack", "configure", "install", "fixup"]
    install = scripts(build.own)["install"]
    assert 'cp -r . "$out/app"' in install and "pip" not in install and "PRETEND" not in install
    assert "packages" not in variables(build.own)


def environment_of(build: Build) -> Derivation:
    """Return the build of the environment that a program's build takes."""
    assert variables(build.own)["python_environment"].endswith(f"-{build.own.name}")
    (found,) = [made for made in build.kinds("exec") if made.name == build.own.name and made is not build.own]
    return found


def test_an_edit_changes_no_input_of_the_environment(project: Project) -> None:
    fields = "requirements = ./app/requirements.txt"
    before, _ = planned(project, fields)
    project.write({"app/app.py": "print(1)\n"})
    after, _ = planned(project, fields)
    assert before.own.inputs != after.own.inputs
    environment = environment_of(before)
    assert environment == environment_of(after)
    # Its phases are those of the program without the source, so that it is what they would make.
    assert list(scripts(environment)) == ["configure", "build", "fixup"]
    own = scripts(before.own)
    assert all(own[phase] == script for phase, script in scripts(environment).items())
    assert environment.args["strip"] is False and before.root(environment) == before.root(before.own)
    found = variables(environment)
    assert found["wheels"].endswith("-click-8.1.0") and found["requirements"].endswith("-requirements.txt")
    assert not variables(before.own).keys() & {"wheels", "requirements"} and "source" not in found


def test_the_environment_of_a_plan_has_its_packages_and_the_project_what_its_build_requires(project: Project) -> None:
    files = [{**FILE, "role": "run"}, {**FILE, "project": "hatchling", "version": "1.0", "role": "build"}]
    plan = {**NONE, "files": files, "tools": ["gcc"]}
    fields = 'project = ./app, version = "2", libs = [package { name = "own" }], env = { CFLAGS = "-O3" }'
    build, _ = planned(project, fields, plan)
    environment = environment_of(build)
    assert environment.name == "app-2" and variables(environment)["CFLAGS"] == "-O3"
    assert build.tools(environment) >= {"gcc", "python3-pip"} and build.root(environment) == build.root(build.own)
    assert variables(environment)["LIBRARY_PATH"] == variables(build.own)["LIBRARY_PATH"]
    assert "packages" in variables(environment) and "packages" not in variables(build.own)
    installed, _ = planned(project, fields, {**plan, "installs": True})
    assert variables(installed.own)["packages"] == variables(environment_of(installed))["packages"]
    without, _ = planned(project, fields, {**plan, "files": files[1:]})
    assert "python_environment" not in variables(without.own) and "packages" in variables(without.own)


@pytest.mark.parametrize(
    "fields",
    [
        "apart = false",
        *(f'{phase} = "true"' for phase in ("unpack", "patch", "configure", "build", "fixup")),
        'python = "3.9"',
        'python = "3.10"',
    ],
)  # fmt: skip
def test_a_program_that_changes_the_environment_has_none(project: Project, fields: str) -> None:
    build, _ = planned(project, f"requirements = ./app/requirements.txt, {fields}")
    assert len(build.kinds("exec")) == 1 and "wheels" in variables(build.own)


@pytest.mark.parametrize("fields", ['version = "1"', "source = ./app.tar.gz"])
def test_a_source_that_nobody_edits_has_no_environment(project: Project, fields: str) -> None:
    project.write({"app.tar.gz": ""})
    text = f'python {{ name = "app", requirements = ./app/requirements.txt, {fields} }}'
    assert len(project.build(text, versions=VERSIONS).kinds("exec")) == 1


def test_a_change_of_the_default_build_is_of_what_installs_the_packages(project: Project) -> None:
    text = 'python { name = "app", source = ./app, requirements = ./app/requirements.txt }'
    build = project.build(f'({text}).with(old => {{ build = "${{old.build}}true" }})', versions=VERSIONS)
    assert len(build.kinds("exec")) == 1 and scripts(build.own)["build"].endswith("fi\ntrue")


COUNTED = "fpack-names.pth"


def counts(made: Derivation) -> tuple[set[str], bool]:
    """Return the phases in which names are counted, and whether the build has the code."""
    return {phase for phase, script in scripts(made).items() if COUNTED in script}, "python_names" in variables(made)


def test_names_are_counted_where_packages_are_built_from_sources(project: Project) -> None:
    wheels, _ = planned(project, "requirements = ./app/requirements.txt")
    assert all(counts(made) == (set(), False) for made in (wheels.own, environment_of(wheels)))
    built, _ = planned(project, "requirements = ./app/requirements.txt, sources = true")
    assert counts(built.own) == ({"build", "install"}, True) and counts(environment_of(built)) == ({"build"}, True)


@pytest.mark.parametrize(("sdists", "compiles"), [(False, False), (False, True), (True, True)])
def test_names_of_a_plan_are_counted_where_it_builds(project: Project, sdists: bool, compiles: bool) -> None:
    plan = {**NONE, "files": [{**FILE, "role": "run"}], "sdists": sdists, "compiles": compiles, "installs": True}
    build, _ = planned(project, "project = ./app", plan)
    wanted = {phase for phase, there in (("build", sdists), ("install", compiles)) if there}
    assert counts(build.own) == (wanted, compiles)
    assert counts(environment_of(build)) == (wanted & {"build"}, sdists)


def test_two_processes_name_temporary_directories_alike(project: Project, tmp_path: Path) -> None:
    build, _ = planned(project, "requirements = ./app/requirements.txt, sources = true")
    ask = f"""
place = {str(tmp_path)!r}
import os
pip = {{"__name__": "pip._internal"}}
exec("import uuid; found = uuid.uuid4().hex", pip)
made = [tempfile.mkdtemp(dir=place), tempfile.mkdtemp(b"", b"x-", os.fsencode(place)).decode()]
with tempfile.TemporaryDirectory(dir=place) as other:
    print(*made, other, pip["found"], uuid.uuid4() != uuid.uuid4())
tempfile.NamedTemporaryFile(dir=place).close()
"""

    def run(keeps: bool) -> list[str]:
        code = build.text("names.py") + ask + ("" if keeps else "for each in made: os.rmdir(each)\n")
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)
        return done.stdout.replace(str(tmp_path), "").split()

    first = run(keeps=False)
    assert first == ["/tmp00000000", "/x-00000001", "/tmp00000002", "0" * 32, "True"]
    assert run(keeps=True) == first
    # What is there is passed over.
    assert run(keeps=False)[0] == "/tmp00000001"


class Folders:
    """An environment and a program that is made from it, as the script that takes bytecode sees them."""

    def __init__(self, folder: Path, script: str) -> None:
        self.environment, self.out = (folder / f"{letter * 32}-app-0" for letter in "ab")
        self.script = script

    def write(self, name: str, text: str, *, compiled: bool = True) -> None:
        """Write a file of the environment and of the program, and the environment's bytecode."""
        for place in (self.environment, self.out):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text.replace("PATH", place.name))
        if compiled:
            bytecode = self.bytecode(self.environment, name)
            bytecode.parent.mkdir(exist_ok=True)
            bytecode.write_bytes(b"compiled in " + self.environment.name.encode())

    @staticmethod
    def bytecode(place: Path, name: str) -> Path:
        return Path(importlib.util.cache_from_source(str(place / name)))

    def run(self) -> list[str]:
        """Return the files that are left to compile, below the program's directory."""
        env = {"python_environment": str(self.environment), "out": str(self.out)}
        done = subprocess.run([sys.executable, "-I", "-c", self.script], env=env, capture_output=True, check=True)
        return [line.removeprefix(str(self.out)) for line in done.stdout.decode().splitlines()]


@pytest.fixture
def folders(project: Project, tmp_path: Path) -> Folders:
    build, _ = planned(project, "requirements = ./app/requirements.txt")
    return Folders(tmp_path / "store", build.text("bytecode.py"))


def test_bytecode_is_taken_of_equal_sources_alone(folders: Folders) -> None:
    for name in ("lib/same.py", "lib/own_path.py", "lib/changed.py", "lib/link.py", "lib/gone.py"):
        folders.write(name, "path = 'PATH'\n")
    folders.write("lib/uncompiled.py", "")
    folders.bytecode(folders.environment, "lib/uncompiled.py").unlink()
    (folders.out / "lib/changed.py").write_text("path = 2\n")
    (folders.out / "lib/new.py").write_text("")
    (folders.out / "lib/link.py").unlink()
    (folders.out / "lib/link.py").symlink_to("same.py")
    (folders.out / "lib/gone.py").unlink()
    assert folders.run() == ["/lib/changed.py", "/lib/link.py", "/lib/new.py", "/lib/uncompiled.py"]
    cache = folders.bytecode(folders.out, "lib/same.py").parent
    taken = {folders.bytecode(folders.out, f"lib/{name}.py") for name in ("same", "own_path")}
    assert set(cache.iterdir()) == taken
    assert {file.read_bytes() for file in taken} == {b"compiled in " + folders.out.name.encode()}


def test_a_path_of_another_length_lets_all_be_compiled(folders: Folders, tmp_path: Path) -> None:
    folders.out = tmp_path / "out"
    folders.write("lib/same.py", "")
    assert folders.run() == [""] and not folders.bytecode(folders.out, "lib/same.py").exists()


def test_names_that_no_list_can_have_let_all_be_compiled(folders: Folders) -> None:
    folders.write("lib/same.py", "")
    (folders.out / "lib/a\nb.py").write_text("")
    assert folders.run() == [""] and not folders.bytecode(folders.out, "lib/same.py").exists()
