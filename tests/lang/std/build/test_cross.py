"""Builds for another architecture: Go compiles for it on this machine, and others run by an emulator."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.runtime.values import evaluated
from support.evaluations import Project, scripts, variables

GO = 'go { name = "app", source = ./app, FIELDS }'
CROSS = GO.replace("FIELDS", "cross = true")


@pytest.fixture(autouse=True)
def files(project: Project) -> None:
    project.write({"app/go.mod": ""})


# ---- go, with cross = true


@pytest.mark.parametrize(
    ("arch", "wanted"),
    [
        ("arm64", {"GOARCH": "arm64"}),
        ("armel", {"GOARCH": "arm", "GOARM": "5"}),
        ("armhf", {"GOARCH": "arm", "GOARM": "7"}),
        ("i386", {"GOARCH": "386"}),
        ("mips64el", {"GOARCH": "mips64le"}),
        ("ppc64el", {"GOARCH": "ppc64le"}),
        ("riscv64", {"GOARCH": "riscv64"}),
        ("s390x", {"GOARCH": "s390x"}),
    ],
)
def test_this_machines_go_compiles_for_the_other(project: Project, arch: str, wanted: dict[str, str]) -> None:
    build = project.build(CROSS, arch=arch, machine="amd64")
    for name in ("app-0", "go-imports-0"):
        made = build[name]
        assert build.root(made).args["arch"] == "amd64" and "golang-go" in build.tools(made)
        found = {key: value for key, value in variables(made).items() if key in ("GOOS", "GOARCH", "GOARM")}
        assert found == {"GOOS": "linux", **wanted} and variables(made)["CGO_ENABLED"] == "0"
    assert {made.args["arch"] for made in build.kinds("deb")} == {"amd64"}
    # Its tests are programs of the other machine.
    assert scripts(build.own)["check"] == "go vet ."


def test_the_result_is_of_the_other_architecture_and_needs_nothing_of_the_tools(project: Project) -> None:
    found = project.value(f"let a = {CROSS} in [a.platform.name, a.debian-packages, a.debian-runtime]",
                          arch="arm64", machine="amd64")  # fmt: skip
    assert found == ["linux/arm64", [], []]
    image = f'(container {{ name = "i", tag = "1", closure = "linked", packages = [{CROSS}] }}).image'
    build = project.build(image, arch="arm64", machine="amd64")
    assert build.own.args["arch"] == "arm64" and build["i-root"].args["arch"] == "arm64"
    slices: Any = build["i-root"].args["slices"]
    assert "golang-go" not in {each["package"] for each in slices}


def test_debian_packages_of_a_cross_build_are_those_of_the_machine(project: Project) -> None:
    fields = 'cross = true, tools = [import("fpack/debian").trixie.git]'
    build = project.build(GO.replace("FIELDS", fields), arch="arm64", machine="amd64")
    assert "git" in build.tools(build.own) and {made.args["arch"] for made in build.kinds("deb")} == {"amd64"}


@pytest.mark.parametrize(
    ("arch", "machine", "fields"),
    [
        ("amd64", "amd64", "cross = true"),  # nothing to cross
        ("arm64", "amd64", "cross = false"),
        ("arm64", "amd64", "cross = true, cgo = true"),  # the C compiler would be this machine's
        ("arm64", "amd64", 'cross = true, platform = "linux/arm64"'),  # where it is built is said
        ("arm64", None, "cross = true"),  # commands that only evaluate know no machine
    ],
)
def test_no_cross_build(project: Project, arch: str, machine: str | None, fields: str) -> None:
    settings = {"machine": machine} if machine else {}
    build = project.build(GO.replace("FIELDS", fields), arch=arch, **settings)
    assert build.root(build.own).args["arch"] == arch and "GOARCH" not in variables(build.own)
    assert scripts(build.own)["check"] == "go vet . && go test -p $CORES ."
    plain = fields.replace("cross = true, ", "").replace("cross = true", "cross = false")
    assert project.build(GO.replace("FIELDS", plain), arch=arch).own == build.own


def test_a_cross_build_needs_no_emulator_and_no_machine_of_that_kind(project: Project) -> None:
    settings = {
        "machine": "amd64",
        "emulated_by": lambda arch: None if evaluated(arch) == "amd64" else "amd64",
        "cannot_run": lambda arch: None if evaluated(arch) == "amd64" else "it does not",
    }
    assert "emulator" not in project.build(CROSS, arch="arm64", **settings).own.args


# ---- package, with a target


def test_a_package_with_a_target_is_built_here_and_is_of_the_target(project: Project) -> None:
    app = 'package { name = "app", install = "x", runtime = [import("fpack/debian").trixie.dash], FIELDS }'
    there = app.replace("FIELDS", 'target = "arm64"')
    assert project.build(there).own == project.build(app.replace("FIELDS", "")).own
    assert project.value(f"let a = {there} in [a.platform.arch, a.debian-packages, a.debian-runtime]") == [
        "arm64", [], [],
    ]  # fmt: skip
    mixed = f'container {{ name = "i", tag = "1", packages = [{there}, package {{ name = "b" }}] }}'
    with pytest.raises(EvalError, match="packages of one architecture, and these are app for arm64 and b for amd64"):
        project.build(f"({mixed}).image")


# ---- an emulator

EMULATED = {"emulated_by": lambda arch: None if evaluated(arch) == "amd64" else "amd64"}


@pytest.mark.parametrize(
    ("arch", "name"),
    [
        ("arm64", "aarch64"), ("armel", "arm"), ("armhf", "arm"), ("i386", "i386"), ("loong64", "loongarch64"),
        ("mips64el", "mips64el"), ("ppc64el", "ppc64le"), ("riscv64", "riscv64"), ("s390x", "s390x"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("version", "package", "end"),
    [
        ("1:7.2+dfsg-7", "qemu-user-static", "-static"),
        ("8.2.2-1", "qemu-user-static", "-static"),
        ("1:9.0.0+ds-1", "qemu-user", ""),
        ("1:10.0.2+ds-2", "qemu-user", ""),
    ],
)
def test_the_emulator_is_of_the_release_and_of_the_machine(
    project: Project, arch: str, name: str, version: str, package: str, end: str
) -> None:
    versions = {"qemu-user": version, "qemu-user-static": version}
    app = 'package { name = "app", install = "x", release = "bookworm" }'
    build = project.build(app, arch=arch, versions=versions, **EMULATED)
    program, _, of = str(build.own.args["emulator"]).partition("#")
    assert of == arch and program.endswith(f"/data/usr/bin/qemu-{name}{end}")
    (qemu,) = (made for made in build.kinds("deb") if "qemu" in made.name)
    assert qemu.name.startswith(f"{package}-{version.replace(':', '_')}") and qemu.args["arch"] == "amd64"
    (file,) = (made for made in build.kinds("fetch") if "qemu" in made.name)
    assert "/pool/bookworm/" in str(file.args["urls"])
    assert build.root(build.own).args["arch"] == arch


def test_a_build_for_the_machine_itself_has_no_emulator(project: Project) -> None:
    app = 'package { name = "app", install = "x" }'
    assert "emulator" not in project.build(app, **EMULATED).own.args
    assert project.build(app, **EMULATED).own == project.build(app).own


def test_one_package_of_another_platform_alone_is_emulated(project: Project) -> None:
    given = '{ tool = package { name = "tool", platform = "linux/arm64" }, app = package { name = "app" } }'
    for name, has in (("tool", True), ("app", False)):
        assert ("emulator" in project.build(f"({given}).{name}", **EMULATED).own.args) is has
