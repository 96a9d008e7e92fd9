"""Test which component loads which, by the files of both."""

from __future__ import annotations

from fpack.builders.sbom.dependencies import LoadedFile, loaded, roots
from fpack.builders.sbom.facts import FileFacts
from fpack.builders.sbom.model import Hashes


def of(
    path: str, component: str, *needed: str, soname: str = "", interp: str = "", calls: tuple[str, ...] = ()
) -> LoadedFile:
    return LoadedFile(path, component, "", FileFacts(Hashes(), 0, needed, soname, interp, calls))


def test_a_library_is_found_by_its_soname_and_an_interpreter_by_its_path() -> None:
    files = [
        of("usr/bin/app", "app", "liba.so.1", interp="/lib64/ld.so"),
        of("usr/lib/liba.so.1.2", "liba", "libc.so", soname="liba.so.1"),
        of("usr/lib/libc.so", "libc", soname="libc.so"),
        of("usr/lib64/ld.so", "libc"),
    ]
    assert loaded(files) == {"app": {"liba", "libc"}, "liba": {"libc"}, "libc": set()}


def test_a_script_loads_its_interpreter_and_the_commands_that_it_calls() -> None:
    files = [
        of("usr/bin/run", "app", "python3", interp="/usr/bin/env"),
        of("bin/setup", "app", interp="/bin/sh", calls=("sed", "nothing")),
        of("usr/bin/env", "coreutils"),
        of("usr/bin/python3", "python"),
        of("usr/bin/sed", "sed"),
        LoadedFile("usr/bin/sh", "dash", "dash"),
        of("usr/bin/dash", "dash"),
    ]
    assert loaded(files)["app"] == {"coreutils", "python", "sed", "dash"}


def test_a_link_leads_to_the_component_of_its_target() -> None:
    files = [
        LoadedFile("usr/share/app/data", "app", "../other/data"),
        LoadedFile("usr/share/app/far", "app", "/lib/far"),
        LoadedFile("usr/share/app/lost", "app", "nowhere"),
        of("usr/share/other/data", "other"),
        of("usr/lib/far", "far"),
    ]
    assert loaded(files)["app"] == {"other", "far"}


def test_a_library_of_the_own_package_goes_before_that_of_another() -> None:
    files = [
        of("usr/bin/a", "a", "lib.so"),
        of("opt/a/lib.so", "a", soname="lib.so"),
        of("l/lib.so", "b", soname="lib.so"),
    ]
    assert loaded(files)["a"] == set()


def test_every_component_is_reached_from_the_image() -> None:
    edges = {"app": {"liba"}, "x": {"y"}, "y": {"x"}, "top": {"below"}}
    everything = ["app", "below", "liba", "top", "x", "y"]
    assert roots(edges, ["app"], everything) == ["app", "top", "x"]
    assert roots({}, [], []) == []
