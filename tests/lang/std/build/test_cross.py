"""Builds for another architecture: compilers on this machine make it, or an emulator runs the build."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.runtime.values import evaluated
from support.language.evaluations import Build, Project, scripts, variables

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
    app = 'package { name = "app", install = "x", FIELDS }'
    there = app.replace("FIELDS", 'target = "arm64"')
    build, plain = project.build(there), project.build(app.replace("FIELDS", ""))
    assert build.root(build.own) == plain.root(plain.own)
    assert build.own == plain.own._replace(args={**plain.own.args, "target": "arm64"})
    assert project.value(f"let a = {there} in [a.platform.arch, a.debian-packages, a.debian-runtime]") == [
        "arm64", [], [],
    ]  # fmt: skip
    with_shell = there.replace("install", 'runtime = [import("fpack/debian").trixie.dash], install')
    assert project.value(f"[[p.name, p.arch] for p in ({with_shell}).debian-runtime]") == [["dash", "arm64"]]
    mixed = f'container {{ name = "i", tag = "1", packages = [{there}, package {{ name = "b" }}] }}'
    with pytest.raises(EvalError, match="packages of one architecture, and these are app for arm64 and b for amd64"):
        project.build(f"({mixed}).image")


# ---- C, C++ and Rust

ARM = {"arch": "arm64", "machine": "amd64"}
SYSTEMS = ("make", "autotools", "cmake", "meson", "rust")


def across(project: Project, system: str, fields: str = "", **settings: Any) -> Build:
    return project.build(f'{system} {{ name = "app", source = ./app, cross = true, {fields} }}', **{**ARM, **settings})


def packages(build: Build, arch: str) -> set[str]:
    """Return the names of the packages of an architecture in the root of the build."""
    slices: Any = build.root(build.own).args["slices"]
    names = {each["package"] for each in slices}
    return {n.partition(":")[0] for n in names if (f":{arch}" in n if arch != "amd64" else ":" not in n)}


@pytest.mark.parametrize("system", SYSTEMS)
def test_compilers_of_this_machine_compile_for_the_other(project: Project, system: str) -> None:
    build = across(project, system)
    assert build.own.args["target"] == "arm64" and build.root(build.own).args["arch"] == "amd64"
    assert {"gcc-aarch64-linux-gnu", "gcc", "libc6-dev"} <= packages(build, "amd64")
    assert {"libc6-dev", "libgcc-s1", "libgomp1", "libatomic1"} <= packages(build, "arm64")
    assert ("libstdc++6" in packages(build, "arm64")) == (system == "cmake")
    assert ("libstd-rust-dev" in packages(build, "arm64")) == (system == "rust")
    env = variables(build.own)
    assert env["CC"] == "aarch64-linux-gnu-gcc" and env["CC_FOR_BUILD"] == "gcc"
    assert env["PKG_CONFIG_LIBDIR"] == "/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig"
    # Its tests are programs of the other machine.
    assert "check" not in scripts(build.own)


def test_slices_of_the_other_architecture_have_what_compilers_read_alone(project: Project) -> None:
    build = across(project, "make")
    beside = [made for made in build.kinds("slice") if made.args.get("beside")]
    assert {made.args["beside"] for made in beside} == {"arm64"} and len(beside) == 4
    kept: Any = beside[0].args["keep"]
    assert "/usr/lib/aarch64-linux-gnu/**" in kept and not any("bin" in glob for glob in kept)


@pytest.mark.parametrize(
    ("system", "script", "words"),
    [
        ("autotools", "configure", ("--build=x86_64-linux-gnu", "--host=aarch64-linux-gnu")),
        ("cmake", "configure", ("CMAKE_SYSTEM_PROCESSOR aarch64", "CMAKE_C_COMPILER aarch64-linux-gnu-gcc")),
        ("meson", "configure", ("cpu_family = 'aarch64'", "endian = 'little'", "--cross-file")),
        ("make", "build", ("aarch64-linux-gnu-$tool", "make -pnq", '"${crossed[@]}"')),
    ],
)
def test_each_build_system_is_told(project: Project, system: str, script: str, words: tuple[str, ...]) -> None:
    text = scripts(across(project, system).own)[script]
    assert all(word in text for word in words)


def test_cargo_is_told(project: Project) -> None:
    env = variables(across(project, "rust").own)
    assert env["CARGO_BUILD_TARGET"] == "aarch64-unknown-linux-gnu"
    assert env["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"] == "aarch64-linux-gnu-gcc"
    # The programs that crates run in the build are for this machine.
    crates = across(project, "rust")["crates-0"]
    assert crates.args["target"] == "arm64" and crates.args["foreign"] == ["/**"]


def test_libraries_are_of_the_result_and_tools_of_the_machine(project: Project) -> None:
    debian = 'let d = import("fpack/debian").trixie in'
    fields = f"libs = ({debian} [d.zlib1g-dev]), tools = ({debian} [d.bison])"
    build = across(project, "make", fields)
    assert "zlib1g-dev" in packages(build, "arm64") - packages(build, "amd64")
    assert "bison" in packages(build, "amd64") - packages(build, "arm64")
    text = f'let a = make {{ name = "app", source = ./app, cross = true, {fields} }} in a.debian-packages'
    found = project.value(f"[[p.name, p.arch] for p in ({text})]", **ARM)
    assert ["zlib1g-dev", "arm64"] in found and {arch for _, arch in found} == {"arm64"}


def test_a_built_tool_runs_on_the_machine_and_a_built_library_is_of_the_result(project: Project) -> None:
    made = 'make { name = "NAME", source = ./app, cross = true }'
    given = f"tools = [{made.replace('NAME', 'gen')}], libs = [{made.replace('NAME', 'lib')}]"
    build = across(project, "make", given)
    assert build.root(build["gen-0"]).args["arch"] == "amd64" and "target" not in build["gen-0"].args
    assert build["lib-0"].args["target"] == "arm64"


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"arch": "amd64"}, ""),
        ({"machine": None}, ""),
        ({}, 'platform = "linux/arm64"'),
    ],
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_is_crossed(project: Project, system: str, settings: dict[str, Any], fields: str) -> None:
    given = {name: value for name, value in {**ARM, **settings}.items() if value is not None}
    text = f'{system} {{ name = "app", source = ./app, {fields} }}'
    crossed = text.replace("./app,", "./app, cross = true,")
    assert project.build(crossed, **given).own == project.build(text, **given).own


def test_cgo_uses_the_cross_compiler(project: Project) -> None:
    build = project.build(GO.replace("FIELDS", "cross = true, cgo = true"), **ARM)
    env = variables(build.own)
    assert (env["CGO_ENABLED"], env["GOARCH"], env["CC"]) == ("1", "arm64", "aarch64-linux-gnu-gcc")
    assert "libc6-dev" in packages(build, "arm64")


@pytest.mark.parametrize(
    ("arch", "compiler", "processor"),
    [
        ("armhf", "arm-linux-gnueabihf", "armv7l"), ("i386", "i686-linux-gnu", "i686"),
        ("ppc64el", "powerpc64le-linux-gnu", "ppc64le"), ("riscv64", "riscv64-linux-gnu", "riscv64"),
        ("s390x", "s390x-linux-gnu", "s390x"),
    ],
)  # fmt: skip
def test_other_architectures(project: Project, arch: str, compiler: str, processor: str) -> None:
    build = across(project, "meson", arch=arch)
    assert f"gcc-{compiler}" in packages(build, "amd64") and f"c = '{compiler}-gcc'" in scripts(build.own)["configure"]
    assert f"cpu = '{processor}'" in scripts(build.own)["configure"]
    assert ("endian = 'big'" in scripts(build.own)["configure"]) == (arch == "s390x")


def test_programs_of_the_result_may_run_by_an_emulator(project: Project) -> None:
    emulated = {"emulated_by": lambda arch: None if evaluated(arch) == "amd64" else "amd64"}
    assert str(across(project, "make", "emulate = true", **emulated).own.args["emulator"]).endswith("#arm64")
    assert "emulator" not in across(project, "make", **emulated).own.args
    # Where the machine runs them itself, none is needed.
    assert across(project, "make", "emulate = true").own == across(project, "make").own


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
