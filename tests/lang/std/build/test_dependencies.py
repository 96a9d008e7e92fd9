"""Test that the imports of a Go or Rust project are compiled by a derivation of their own, from a skeleton source."""

from __future__ import annotations

import pytest
from support.language.evaluations import Project, scripts, variables

FILES = {"app/go.mod": "", "app/Cargo.toml": "", "app/Makefile": "", "app/a.patch": "", "app.tar.gz": ""}
APART = {"go": "go-imports-0", "rust": "crates-0"}
FETCHED = f'fetch {{ url = "https://example.org/app.tar.gz", sha256 = "{"5" * 64}" }}'


@pytest.fixture(autouse=True)
def files(project: Project) -> None:
    project.write(FILES)


@pytest.mark.parametrize("language", APART)
def test_they_are_compiled_from_a_skeleton_and_taken_by_the_build(project: Project, language: str) -> None:
    build = project.build(f'{language} {{ name = "app", source = ./app }}')
    apart, skeleton = build[APART[language]], build["skeleton"]
    assert (skeleton.kind, skeleton.args["language"]) == ("skeleton", language)
    assert str(skeleton.args["source"]) == variables(build.own)["source"]
    assert variables(apart)["source"].endswith("-skeleton")
    # Nothing of it is tested, patched or changed at the end.
    assert list(scripts(apart)) == ["unpack", "configure", "build", "install"] and apart.args["strip"] is False
    # The build takes the result before it compiles, and both prepare it equally.
    taken = variables(build.own)["imported" if language == "go" else "crates"]
    assert taken.endswith(f"-{APART[language]}")
    prepared, first = scripts(build.own)["configure"], scripts(apart)["configure"]
    assert prepared.startswith(first) and len(prepared) > len(first)
    same = variables(apart).keys() & variables(build.own).keys() - {"source"}
    assert len(same) > 1 and all(variables(apart)[name] == variables(build.own)[name] for name in same)


@pytest.mark.parametrize("language", APART)
@pytest.mark.parametrize(
    "fields",
    [
        "source = ./app, apart = false",
        "version = \"1\"",
        "source = ./app.tar.gz",
        f"source = {FETCHED}",
        "source = ./app, patches = [./app/a.patch]",
        *(f'source = ./app, {phase} = "true"' for phase in ("unpack", "patch", "configure")),
    ],
)  # fmt: skip
def test_what_changes_the_source_first_is_compiled_together(project: Project, language: str, fields: str) -> None:
    build = project.build(f'{language} {{ name = "app", {fields} }}')
    assert not build.kinds("skeleton") and APART[language] not in build
    assert not variables(build.own).keys() & {"imported", "crates"}
    configure = scripts(build.own)["configure"]
    assert "$imported" not in configure and "$crates/" not in configure


@pytest.mark.parametrize("language", APART)
def test_a_change_of_the_default_phase_takes_nothing(project: Project, language: str) -> None:
    text = f'({language} {{ name = "app", source = ./app }}).with(old => {{ configure = "${{old.configure}}true" }})'
    own = project.build(text).own
    taken = "imported" if language == "go" else "crates"
    assert taken not in variables(own) and f"${{{taken}:-}}" in scripts(own)["configure"]


@pytest.mark.parametrize("language", APART)
def test_selected_files_of_a_directory_are_a_directory(project: Project, language: str) -> None:
    build = project.build(f'{language} {{ name = "app", source = source(./app, {{ drop = ["a.patch"] }}) }}')
    assert build.kinds("skeleton") and APART[language] in build


@pytest.mark.parametrize("language", APART)
def test_tools_libraries_and_variables_are_those_of_the_project(project: Project, language: str) -> None:
    fields = 'source = ./app, release = "bookworm", folder = "sub", env = { CFLAGS = "-O3" }'
    lists = (
        'tools = [debian.protobuf-compiler], libs = [debian.zlib1g-dev, package { name = "own", release = "bookworm" }]'
    )
    build = project.build(
        f'let debian = import("fpack/debian").bookworm in {language} {{ name = "app", {fields}, {lists} }}'
    )
    apart = build[APART[language]]
    assert build.root(apart) == build.root(build.own) and build.root(apart).args["release"] == "bookworm"
    assert build.tools(apart) >= {"protobuf-compiler", "zlib1g-dev"}
    found = variables(apart)
    assert (found["CFLAGS"], found["folder"]) == ("-O3", "sub")
    assert found["LIBRARY_PATH"] == variables(build.own)["LIBRARY_PATH"] and "-own-0/lib" in found["LIBRARY_PATH"]


def test_an_edit_of_the_project_changes_the_skeleton_alone(project: Project) -> None:
    before = project.build('go { name = "app", source = ./app }')
    project.write({"app/main.go": "package main\n"})
    after = project.build('go { name = "app", source = ./app }')
    # The skeleton's path follows from its content, so what is compiled from an equal one is found again.
    assert before["skeleton"].args != after["skeleton"].args
    for name in ("go-imports-0", "app-0"):
        assert scripts(before[name]) == scripts(after[name])
        assert variables(before[name]).keys() == variables(after[name]).keys()


def test_flags_of_go_are_those_of_the_imports(project: Project) -> None:
    build = project.build('go { name = "app", source = ./app, flags = ["-tags", "netgo"], packages = ["./cmd/..."] }')
    script = scripts(build["go-imports-0"])["build"]
    assert script.count("-p $CORES -tags netgo ./fpack-imports") == 2 and "./cmd" not in script
    assert "}}' -tags netgo; }" in script
    assert scripts(build.own)["build"].endswith("go build -o /build/bin/ -p $CORES -tags netgo ./cmd/...\n")


def test_crates_are_compiled_with_flags_and_for_tests_unless_the_check_is_another(project: Project) -> None:
    fields = 'name = "app", source = ./app, vendor = "third", flags = ["--features", "x"]'
    build = project.build(f"rust {{ {fields} }}")
    assert build["skeleton"].args["vendor"] == "third"
    script = scripts(build["crates-0"])["build"]
    assert "cargo build --release --offline --locked -j $CORES --features x || true" in script
    assert "cargo test --no-run --release --offline --locked -j $CORES --features x || true" in script
    for check in ("null", '"true"'):
        other = project.build(f"rust {{ {fields}, check = {check} }}")
        assert "cargo test" not in scripts(other["crates-0"])["build"]
        assert "cargo build" in scripts(other["crates-0"])["build"]


def test_several_crates_of_a_workspace_are_compiled_together(project: Project) -> None:
    assert "crates-0" in project.build('rust { name = "app", source = ./app, crate = "tool" }')
    build = project.build('rust { name = "app", source = ./app, crate = ["a", "b"] }')
    assert "crates-0" not in build and "build" not in scripts(build.own)
    assert scripts(build.own)["check"].endswith(" --workspace")
    assert [line.split()[3] for line in scripts(build.own)["install"].splitlines()] == ['"a"', '"b"']


@pytest.mark.parametrize("system", ["make", "autotools", "cmake", "meson"])
def test_files_of_c_are_compiled_apart_if_the_source_is_edited(project: Project, system: str) -> None:
    assert project.build(f'{system} {{ name = "app", source = ./app }}').own.args["apart"] is True
    for fields in ("source = ./app, apart = false", "source = ./app.tar.gz", f"source = {FETCHED}", 'version = "1"'):
        assert "apart" not in project.build(f'{system} {{ name = "app", {fields} }}').own.args
