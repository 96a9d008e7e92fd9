"""Builds of Python programs: the version, and the packages of locks and of plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.evaluations import Plan, Project, scripts, variables

VERSIONS = {
    "bullseye python3": "3.9.2-3", "jammy python3": "3.10.6-1~22.04", "bookworm python3": "3.11.2-1+b1",
    "noble python3": "3.12.3-0ubuntu2", "trixie python3": "3.13.5-1", "resolute python3": "3.14.0-1",
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
        ("3.14", "resolute"),
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


def test_a_release_that_is_given_too_is_used(project: Project) -> None:
    build, _ = planned(project, 'python = "3.11", release = "trixie", requirements = ./app/requirements.txt')
    assert build.root(build.own).args["release"] == "trixie"


def test_packages_with_hashes_are_installed_by_pip_from_the_store(project: Project) -> None:
    build, _ = planned(project, "requirements = ./app/requirements.txt")
    assert list(scripts(build.own)) == ["unpack", "configure", "build", "install", "fixup"]
    assert build.text("requirements.txt") == f"click==8.1.0 --hash=sha256:{'5' * 64}\n"
    found = variables(build.own)
    assert found["wheels"].endswith("-click-8.1.0") and found["requirements"].endswith("-requirements.txt")
    script = scripts(build.own)["build"]
    assert '--no-index --no-compile --no-warn-script-location --require-hashes --no-deps $folders -r "$requ' in script
    assert "PYTHONPATH" not in script and "gcc" not in build.tools(build.own)
    sources, _ = planned(project, "requirements = ./app/requirements.txt, sources = true")
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
    assert "--no-deps --config-settings=a=b ${links:-} ." in install


def test_a_plan_without_packages_copies_the_files(project: Project) -> None:
    build, _ = planned(project, "project = ./app")
    assert list(scripts(build.own)) == ["unpack", "configure", "install", "fixup"]
    install = scripts(build.own)["install"]
    assert 'cp -r . "$out/app"' in install and "pip" not in install and "PRETEND" not in install
    assert "packages" not in variables(build.own)
